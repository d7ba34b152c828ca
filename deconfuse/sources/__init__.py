"""Where a data set comes from, one file a source.

A source has `ABOUT` (title, licence, citation, and `modalities`: name -> {kind}) and `make(options, folder, limit)`, which writes
`manifest.csv` and the media into a folder and returns `ABOUT`.
"""
