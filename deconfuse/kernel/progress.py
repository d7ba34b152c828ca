"""A progress bar on long work: on a terminal only."""

from collections.abc import Iterable

from tqdm import tqdm


def progress(items: Iterable, label: str, total: int | None = None, unit: str = "it", hidden: bool = False) -> tqdm:
    """Wrap an iterable in a bar on standard error; nothing is drawn where that is not a terminal, or the bar is `hidden`."""
    # disable=None is tqdm's own word for "only on a terminal"
    return tqdm(items, desc=label, total=total, unit=unit, disable=hidden or None, leave=False, dynamic_ncols=True)
