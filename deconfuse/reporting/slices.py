"""Groups of test rows on which a model is worse than on the rest."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import ndtr

from deconfuse.reporting.significance import holm

LEAST = 10
"""Rows of a group, below which nothing is said of it."""
MOST = 30
"""Values of a column, above which it names rows rather than groups them."""
COLUMNS = ["column", "value", "n", "score", "rest", "p", "p_holm"]


def worst(table: pd.DataFrame, score: Float[np.ndarray, " N"]) -> pd.DataFrame:
    """All groups, the likeliest to be worse first.

    Args:
        table: a column a property of the rows, as text; numbers of many values are cut at their quartiles.
        score: of each row, larger is better.

    Returns:
        COLUMNS: means of the group and of all other rows; `p` one-sided, of a group so bad if its rows were drawn from all by chance
        (hypergeometric where scores are 0 and 1, Fisher 1935; else the normal approximation for a sample from a finite population,
        Cochran 1977), and adjusted for the number of groups (Holm 1979).
    """
    rows = []
    for name in table:
        for value, here in groups(table[name]):
            if LEAST <= here.sum() <= len(here) - LEAST:
                rows.append([name, value, int(here.sum()), score[here].mean(), score[~here].mean(), chance(score, here)])
    found = pd.DataFrame(rows, columns=COLUMNS[:-1]).sort_values(["p", "column", "value"], ignore_index=True)
    found["p_holm"] = holm(found["p"].tolist())
    return found


def groups(column: pd.Series) -> Iterator[tuple[str, np.ndarray]]:
    """The values of a column and which rows have each."""
    if column.nunique() > MOST:
        column = quartiles(column)
    if 2 <= column.nunique() <= MOST:
        for value in sorted(column.unique()):
            yield value or "(empty)", (column == value).to_numpy()


def quartiles(column: pd.Series) -> pd.Series:
    """Numbers as the quarter of the rows that they are in; what is no number stays."""
    numbers = pd.to_numeric(column.replace("", None), errors="coerce")
    if numbers.notna().sum() < (column != "").sum():
        return column
    ends = np.unique(numbers.quantile([0, 0.25, 0.5, 0.75, 1]))
    if len(ends) < 3:
        return column
    names = [f"{low:g} to {high:g}" for low, high in pairwise(ends)]
    return pd.cut(numbers, ends, labels=names, include_lowest=True).astype(object).fillna("")


def chance(score: Float[np.ndarray, " N"], here: np.ndarray) -> float:
    """How likely a group of this size would be as bad or worse, were it drawn from all rows by chance."""
    total, size = len(score), int(here.sum())
    if set(np.unique(score)) <= {0.0, 1.0}:
        from scipy.stats import hypergeom

        return float(hypergeom.cdf(score[here].sum(), total, score.sum(), size))
    spread = score.std() * np.sqrt((total - size) / (total - 1) / size)
    return 1.0 if spread == 0 else float(ndtr((score[here].mean() - score.mean()) / spread))
