"""What keeps a training from learning its samples by heart: changed, mixed and reconstructed ones."""
