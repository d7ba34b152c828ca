"""The pipeline brought up to date, the models of the line-up side by side: `python -m deconfuse.lineup` (make repro).

What it leaves is what `dvc repro` leaves, dvc.lock included. Each model is trained and evaluated by a DVC process of its own: DVC gives
its lock away while a stage runs, waits for it where it is asked to, and guards the outputs one by one. A plain `dvc repro` has the last
word.
"""
