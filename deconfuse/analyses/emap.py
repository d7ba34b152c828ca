"""Do the modalities act on each other in the model, or does it only add up what each says?"""

from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from deconfuse.analyses import Analysis, Subject, Tables
from deconfuse.analyses._encoded import Encoded
from deconfuse.analyses._intervals import interval, terms, worth, worths

SEED = 0


class Emap(Analysis):
    """Empirical multimodally-additive projection of the model's logits (EMAP: Hessel & Lee 2020).

    It is the closest function that only adds up one term a modality, sum_m E[f | x_m] - (M - 1) E[f], the modalities being drawn
    independently of each other. `gap` is the main figure less that of the projection (of an error what the projection's is greater by):
    about 0 where nothing is gained by interaction. Of two modalities all pairs of the rows are asked; of more the expectations are means
    over `draws` combinations of modalities of different rows, the same for every term, so that an additive model is met exactly.
    Missing counts as a value. The interval (95 %, paired bootstrap) is over rows.
    """

    def __init__(
        self,
        *,
        rows: Annotated[int, Field(ge=30, description="Test rows asked at most; fewer where a model has many tokens.")] = 200,
        draws: Annotated[int, Field(ge=2, description="Combinations that stand for all, of three modalities or more.")] = 12,
    ) -> None:
        self.rows, self.draws = rows, draws

    def __call__(self, subject: Subject) -> Tables:
        number = len(subject.modalities)
        if number < 2:
            return {}
        if number == 2:
            encoded = subject.encoded.first(self.rows, self.rows)
            projected, drawn = exact(encoded), len(encoded)
        else:
            encoded = subject.encoded.first(self.rows, number * self.draws)
            drawn = min(self.draws, len(encoded))
            projected = estimated(encoded, drawn)
        target = subject.target("test")[encoded.rows]
        logits = subject.logits["test"][torch.from_numpy(encoded.rows)]
        each = np.stack([terms(subject, target, one) for one in (logits, projected.to(logits.dtype))])
        figure, projection = np.abs(worth(subject, each.sum(1)))
        gap, resampled = (values[..., 0] - values[..., 1] for values in worths(subject, each))
        low, high = interval(resampled)
        method = "all pairs" if number == 2 else "Monte Carlo"
        row = {"figure": float(figure), "emap": float(projection), "gap": float(gap), "low": low, "high": high, "n": len(encoded)}
        return {"emap": [{**row, "method": method, "draws": drawn}]}


def exact(encoded: Encoded) -> Float[Tensor, "N K"]:
    """The projection of two modalities, from all pairs."""
    one, other = encoded.model.modalities
    rows, places = len(encoded), encoded.places()
    pairs = encoded.answers({one: places.repeat_interleave(rows), other: places.repeat(rows)}).double().unflatten(0, (rows, rows))
    return pairs.mean(1) + pairs.mean(0) - pairs.mean((0, 1))


def estimated(encoded: Encoded, draws: int) -> Float[Tensor, "N K"]:
    """The projection of any number of modalities, from combinations drawn at random."""
    modalities, rows = encoded.model.modalities, len(encoded)
    draw = np.random.default_rng(SEED)
    others = {name: drawn(draw.permutation(rows)[:draws], encoded) for name in modalities}
    total = -(len(modalities) - 1) * encoded.answers(others).double().mean(0)
    for name in modalities:
        taken = {other: places.repeat(rows) for other, places in others.items()}
        taken[name] = encoded.places().repeat_interleave(draws)
        total = total + encoded.answers(taken).double().unflatten(0, (rows, draws)).mean(1)
    return total


def drawn(places: Int[np.ndarray, " D"], encoded: Encoded) -> Int[Tensor, " D"]:
    return torch.from_numpy(places).to(encoded.places().device)
