"""The six stages of the pipeline: scripts that read params, call the library and write files."""
