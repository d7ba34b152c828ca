"""Measurements of speed, each a command that prints a table."""

# before torch
import deconfuse  # noqa: F401
