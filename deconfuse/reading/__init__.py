"""From the arrays of a split on disk to batches on the model's device."""
