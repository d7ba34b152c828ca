"""A trained model as people use it: pictures, sounds, clips and texts in, labels out.

`bundle.py` gathers the files it needs, `packaging.py` makes a model of MLflow of them, `champion.py` keeps the best one in the registry,
`served.py` answers, `app.py` speaks HTTP.
"""
