"""Training: the loop and its parts, and what an interrupted or finished training leaves."""
