"""A reproducible workflow for multimodal learning."""
