"""MLflow as a projection: every run is drawn from the files that `train` and `evaluate` left, and can be drawn again.

`python -m deconfuse.tracking` draws what the store lacks, `python -m deconfuse.tracking ui` opens MLflow's pages on it.
"""

from deconfuse.tracking.projection import Synced, sync

__all__ = ["Synced", "sync"]
