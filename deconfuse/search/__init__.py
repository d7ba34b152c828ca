"""A search over params by Optuna: `python -m deconfuse.search` (make search).

Each trial is the stage `train` itself, in a folder of its own with params of its own. What is known of the trials is in
`data/search/search.db`; DVC has no part in it.
"""
