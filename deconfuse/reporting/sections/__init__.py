"""The page's sections, one question a file: `make(context)` gives the `Section`, or None where there is nothing to say."""
