"""The sections of `params.yaml`, a file each: keys, bounds and defaults."""
