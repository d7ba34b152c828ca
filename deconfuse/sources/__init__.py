"""Where a data set comes from, one file a source.

A source has `ABOUT` (name, title, licence, citation, and `modalities`: name -> {kind}) and `make(options, folder, limit, mirror)`, which
writes `manifest.csv` and the media into a folder and returns `ABOUT`, with a title and `notes` (sentences for the report) of its own where
what it found is not the usual form. `options` is `data.<name>` of the params, or None; `limit` the most rows to make, spread over splits
and classes; `mirror` a folder or an http(s) address that is tried before the public ones.
"""
