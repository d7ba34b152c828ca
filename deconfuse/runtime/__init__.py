"""A model at work: where it computes, what it answers, and what is kept of it on disk."""
