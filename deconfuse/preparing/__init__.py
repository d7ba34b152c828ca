"""From `data/raw` and its media to arrays: labels to targets, rows to splits, cells to samples, and a verdict on what was found."""
