"""How much of the model's figure comes from perceiving a modality?"""

from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field

from deconfuse.analyses import Analysis, Row, Subject, Tables
from deconfuse.analyses._encoded import Encoded
from deconfuse.analyses._intervals import interval, terms, worths

SEED = 0
ALL, WITHIN = "all rows", "each class"


class Perceptual(Analysis):
    """Perceptual score: by how much the main figure falls where rows have a modality of other rows (Gat, Schwing & Schwartz 2021).

    A permutation moves a modality among the rows that have it: among all of them, and where there are classes also among those of the
    same class, which leaves what the modality says of the class and breaks its ties with the other modalities. `drop` is the figure less
    the mean figure over permutations (of an error what it grows by), `normalised` is its share of the figure. The published code
    permutes for both terms of the difference; here the first is the figure of the rows as they are.

    Intervals (95 %, bootstrap) are over rows and permutations together.
    """

    def __init__(
        self,
        *,
        rows: Annotated[int, Field(ge=30, description="Test rows asked at most; fewer where a model has many tokens.")] = 150,
        permutations: Annotated[int, Field(ge=10, le=1000, description="Permutations of each modality.")] = 10,
    ) -> None:
        self.rows, self.permutations = rows, permutations

    def __call__(self, subject: Subject) -> Tables:
        if len(subject.modalities) < 2:
            return {}
        asked = [(name, way) for name in subject.modalities for way in ways(subject)]
        encoded = subject.encoded.first(self.rows, len(asked) * self.permutations)
        target = subject.target("test")[encoded.rows]
        draw = np.random.default_rng(SEED)
        each = [terms(subject, target, subject.logits["test"][torch.from_numpy(encoded.rows)])[None]]
        each += [self.permuted(subject, encoded, target, name, way, draw) for name, way in asked]
        worth, resampled = worths(subject, np.concatenate(each))
        # how often each permutation is in a resample, the same for all modalities
        chosen = draw.multinomial(self.permutations, np.full(self.permutations, 1 / self.permutations), size=len(resampled))
        table = []
        for place, (name, way) in enumerate(asked):
            here = slice(1 + place * self.permutations, 1 + (place + 1) * self.permutations)
            again = (resampled[:, here] * chosen).sum(1) / self.permutations
            row = score(float(worth[0]), float(worth[here].mean()), resampled[:, 0], again)
            table.append({"modality": name, "permuted": way, **row, "permutations": self.permutations, "n": len(encoded)})
        return {"perceptual": table}

    def permuted(
        self, subject: Subject, encoded: Encoded, target: np.ndarray, name: str, way: str, draw: np.random.Generator
    ) -> Float[np.ndarray, "P N F"]:
        """The terms of all rows under every permutation of a modality."""
        has = encoded.present[name].cpu().numpy().astype(int)
        groups = has if way == ALL else np.unique(np.stack([has, target]), axis=1, return_inverse=True)[1]
        places = shuffled(groups, self.permutations, draw)
        taken = {other: encoded.places().repeat(len(places)) for other in subject.modalities}
        taken[name] = torch.from_numpy(places.ravel()).to(taken[name].device)
        found = terms(subject, np.concatenate([target] * len(places)), encoded.answers(taken))
        return found.reshape(*places.shape, -1)


def ways(subject: Subject) -> list[str]:
    """Among which rows a modality is moved."""
    return [ALL, WITHIN] if subject.facts["task"] in ("single_label", "binary") else [ALL]


def score(worth: float, permuted: float, resampled: Float[np.ndarray, " R"], again: Float[np.ndarray, " R"]) -> Row:
    """The columns of a perceptual score, from what the rows are worth as they are and with a modality permuted, and both in resamples."""
    drops = resampled - again
    low, high = interval(drops)
    # rows that are worth nothing lose nothing
    least, most = interval(drops / np.where(resampled == 0, np.inf, np.abs(resampled)))
    share = (worth - permuted) / abs(worth) if worth else 0.0
    raw = {"figure": abs(worth), "permuted_figure": abs(permuted), "drop": worth - permuted, "low": low, "high": high}
    return {**raw, "normalised": share, "normalised_low": least, "normalised_high": most}


def shuffled(groups: Int[np.ndarray, " N"], permutations: int, draw: np.random.Generator) -> Int[np.ndarray, "P N"]:
    """Permutations of N places, each of which stays within its group."""
    home = np.argsort(groups, kind="stable")
    places = np.empty((permutations, len(groups)), int)
    for row in places:
        row[home] = np.lexsort((draw.random(len(groups)), groups))
    return places
