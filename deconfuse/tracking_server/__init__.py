"""MLflow's tracking server for a team: PostgreSQL behind it, files through it, a password before it.

`python -m deconfuse.tracking_server setup FOLDER` makes the database and the folder that the server lives in; `run FOLDER` starts it.
"""
