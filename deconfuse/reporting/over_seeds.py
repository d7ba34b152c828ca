"""What an analysis found with each seed, as means over the seeds."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

Row = dict[str, Any]


def over_seeds(table: pd.DataFrame | None, by: list[str], value: str) -> list[Row]:
    """A row for each combination of `by`, in the order of the table, with the means of all other columns; none of no table.

    `half` is half of the 95 % t interval of `value` over seeds, None with one seed. Means of `low` and `high` are about the interval over
    test rows of the mean; they are rather too far apart than too near.
    """
    if table is None:
        return []
    groups = table.drop(columns="seed").groupby(by, sort=False)
    found = groups.mean(numeric_only=True)
    seeds = table["seed"].nunique()
    spread = groups[value].std() / np.sqrt(seeds)
    found["half"] = None if seeds == 1 else stdtrit(seeds - 1, 0.975) * spread
    return [{str(name): cell for name, cell in row.items()} for row in found.reset_index().to_dict("records")]
