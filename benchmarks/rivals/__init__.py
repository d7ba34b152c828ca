"""What we are compared with, each a program of its own that reads a project's arrays and prints its times as JSON."""
