"""What is said of checkerboards: the energy of feature maps at waves of period 2, beside that of white noise in maps of that size."""

import numpy as np
import pandas as pd

from deconfuse.kernel.words import plural
from deconfuse.reporting.diagnosis import Stack

GROUPS = {
    "transposed convolutions that enlarge their map": ("transposed_conv", True),
    "transposed convolutions of stride 1": ("transposed_conv", False),
    "convolutions": ("conv", None),
}


def excess(stack: Stack, *kinds: str) -> float:
    """Share of waves of period 2 after the last epoch over the share that white noise has: median over the layers of these kinds and seeds;
    NaN where there are none with maps."""
    return middle(last(stack.rows[stack.rows["kind"].isin(kinds)]))


def about_checkerboards(found: list[Stack]) -> list[str]:
    """One sentence on all encoders, by the kinds of their layers; nothing without transposed convolutions' maps."""
    rows = pd.concat([stack.rows.assign(model=stack.name) for stack in found])
    said = []
    for name, (kind, is_enlarging) in GROUPS.items():
        own = rows[(rows["kind"] == kind) & rows["checkerboard"].notna()]
        own = own if is_enlarging is None else own[(own["stride"] > 1) == is_enlarging]
        if not own.empty:
            before, after = middle(own[own["epoch"] == 0]), middle(last(own))
            number = len(own[["model", "layer"]].drop_duplicates())
            said.append(
                f"{name} put {times(before)} (before training) and {times(after)} (after it) as much of their maps into waves of period 2 "
                f"as white noise does ({plural(number, 'layer')})"
            )
    return [f"Checkerboards, medians: {'; '.join(said)}."] if any("transposed" in one for one in said) else []


def last(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of each seed's last epoch."""
    by = ["model", "seed"] if "model" in rows else ["seed"]
    return rows[rows["epoch"] == rows.groupby(by)["epoch"].transform("max")]


def middle(rows: pd.DataFrame) -> float:
    found = (rows["checkerboard"] / rows["checkerboard_noise"]).dropna()
    return float(np.median(found)) if len(found) else float("nan")


def times(value: float) -> str:
    return f"{value:.2g} times"
