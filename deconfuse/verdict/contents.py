"""What the decoder saw of each row, as arrays in which equal content is an equal number."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from deconfuse.manifest import SPLITS

DIGEST, LOOK = 16, 32
MISSING = -1


@dataclass(frozen=True)
class Contents:
    """N rows; every list has an entry a row."""

    ids: Sequence[str]
    splits: Sequence[str]
    labels: Sequence[str]
    kinds: dict[str, str]
    """Modality -> kind of media."""
    digests: dict[str, list[bytes | None]]
    """Modality -> 16 bytes that are equal where the content is equal; None where it is missing."""
    looks: dict[str, list[bytes]]
    """Modality of pictures -> 32 bytes of which similar pictures share most bits; b"" where there is nothing to compare."""

    @cached_property
    def split(self) -> np.ndarray:
        """(N,) where each row's split stands in SPLITS."""
        places = {name: place for place, name in enumerate(SPLITS)}
        return np.fromiter((places[name] for name in self.splits), np.int8, len(self.splits))

    @cached_property
    def codes(self) -> dict[str, np.ndarray]:
        """Modality -> (N,) numbers that are equal where the content is equal; MISSING where there is none."""
        return {name: coded(self.digests[name]) for name in self.kinds}

    @cached_property
    def present(self) -> np.ndarray:
        """(N, modalities) whether a row has each."""
        return np.stack([code != MISSING for code in self.codes.values()], 1)

    @cached_property
    def media(self) -> np.ndarray:
        """(N,) whether a row has a picture, a sound or a clip."""
        kinds = np.array(list(self.kinds.values()))
        return np.asarray(self.present[:, kinds != "text"].any(1))

    @cached_property
    def whole(self) -> np.ndarray:
        """(N,) numbers that are equal where every modality of two rows is equal, or missing in both."""
        return combined(self.codes.values())

    def looks_of(self, name: str) -> np.ndarray:
        """(N, 4) of 64 bits each; zeros where a modality has no look."""
        joined = b"".join(look or bytes(LOOK) for look in self.looks[name])
        return np.frombuffer(joined, np.uint64).reshape(-1, LOOK // 8)

    def kept(self, mask: np.ndarray) -> "Contents":
        """Only the rows (N,) for which `mask` holds."""
        if mask.all():
            return self
        rows = np.flatnonzero(mask).tolist()
        return Contents(
            [self.ids[row] for row in rows],
            [self.splits[row] for row in rows],
            [self.labels[row] for row in rows],
            self.kinds,
            {name: [held[row] for row in rows] for name, held in self.digests.items()},
            {name: [held[row] for row in rows] for name, held in self.looks.items()},
        )


def coded(digests: list[bytes | None]) -> np.ndarray:
    # text of a set number of bytes is what numpy sorts fast; that it ignores zeros at the end makes no two of one length equal
    joined = np.frombuffer(b"".join(digest or bytes(DIGEST) for digest in digests), f"S{DIGEST}")
    missing = np.fromiter((digest is None for digest in digests), bool, len(digests))
    return np.where(missing, MISSING, numbered(joined))


def combined(codes: Iterable[np.ndarray]) -> np.ndarray:
    """Numbers (N,) that are equal where all `codes` are."""
    first, *others = codes
    both = first
    for code in others:
        # numbered anew each time: a product of many counts would not fit
        both = numbered(both * (int(code.max(initial=0)) + 2) + code)
    return both


def numbered(values: np.ndarray) -> np.ndarray:
    """0, 1, 2 ... by value."""
    return np.unique(values, return_inverse=True)[1]
