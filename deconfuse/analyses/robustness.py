"""What if the data gets worse?"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from deconfuse.analyses import Analysis, Row, Subject, Tables
from deconfuse.analyses._encoded import Encoded
from deconfuse.analyses._intervals import around, interval, terms, worths
from deconfuse.corruptions import Corruption
from deconfuse.kernel.lookup import names, part
from deconfuse.model.room import at_once

TOGETHER = "all at once"
LARGE = 5_000_000
"""Weights of an encoder from which on rows are few."""
FEW = 50
Level = Annotated[float, Field(gt=0, le=1)]
Tokens = tuple[Float[Tensor, "N L D"], Tensor]


@dataclass(frozen=True)
class Curve:
    """What gets worse, and how."""

    modality: str
    corruption: str


class Robustness(Analysis):
    """The main figure against the level at which raw values are corrupted (Liang et al. 2021, MultiBench).

    Each corruption of `deconfuse/corruptions` is put to each modality of its kinds alone, and the chief ones to all modalities at once.
    Raw values are corrupted, embedded and encoded anew; the luck of an item hangs on its id, the modality and the level, so all models meet
    the same values. `robustness`: a row for each curve, level and noise seed. `robustness_summary`: the relative robustness of each curve,
    the area under it by the trapezoidal rule, divided by the span of the levels: it is in the figure's unit, and not normalised
    otherwise; and `lost`, what it is worse by than the clean figure. Intervals (95 %) are over rows, each of which has luck of its own.
    """

    def __init__(
        self,
        *,
        levels: Annotated[list[Level], Field(min_length=1, description="How bad it gets; 0, the data as it is, comes first.")] = [  # noqa: B006
            *(0.25, 0.5, 0.75, 1.0)
        ],
        rows: Annotated[int, Field(ge=30, description="Test rows asked at most; 50 where a modality goes through a large network.")] = 200,
        noise_seeds: Annotated[int, Field(ge=1, le=100, description="How often all luck is drawn.")] = 1,
    ) -> None:
        self.levels, self.rows, self.noise_seeds = sorted({0.0, *levels}), rows, noise_seeds

    def __call__(self, subject: Subject) -> Tables:
        encoded = subject.encoded.first(min(self.rows, FEW) if is_large(subject) else self.rows)
        target = subject.target("test")[encoded.rows]
        clean = terms(subject, target, subject.logits["test"][torch.from_numpy(encoded.rows)])
        found: dict[tuple[Curve, int], list[np.ndarray]] = {}
        for curve, seed, logits in self.answers(subject, encoded):
            found.setdefault((curve, seed), [clean]).append(terms(subject, target, logits))
        each = np.stack([one for curve in found.values() for one in curve])
        worth, resampled = worths(subject, each)
        shape = len(found), len(self.levels)
        points = self.points(subject, list(found), each, np.abs(worth), np.abs(resampled))
        summary = self.summary(list(found), worth.reshape(shape), resampled.reshape(-1, *shape), len(encoded))
        return {"robustness": points, "robustness_summary": summary}

    def answers(self, subject: Subject, encoded: Encoded) -> Iterator[tuple[Curve, int, Float[Tensor, "N K"]]]:
        """The logits of every curve at every level above 0, in the order of the levels, with each noise seed."""
        kinds = {name: subject.facts["modalities"][name]["kind"] for name in subject.modalities}
        corruptions: dict[str, Corruption] = {name: part("corruptions", name)() for name in names("corruptions")}
        for seed in range(self.noise_seeds):
            for level in self.levels[1:]:
                together: dict[str, Tokens] = {}
                for modality in subject.modalities:
                    for name, corruption in corruptions.items():
                        if kinds[modality] not in corruption.kinds:
                            continue
                        tokens = worse(subject, encoded, modality, corruption, level, seed)
                        together |= {modality: tokens} if corruption.is_chief else {}
                        yield Curve(modality, name), seed, joined(encoded, {modality: tokens})
                if len(together) > 1:
                    yield Curve(TOGETHER, TOGETHER), seed, joined(encoded, together)

    def points(
        self,
        subject: Subject,
        curves: list[tuple[Curve, int]],
        each: Float[np.ndarray, "P N F"],
        figure: Float[np.ndarray, " P"],
        resampled: Float[np.ndarray, "R P"],
    ) -> list[Row]:
        """A row for each point of each curve; `curves` go with noise seeds."""
        table = []
        for place, ((curve, seed), level) in enumerate(product(curves, self.levels)):
            low, high = around(subject, each[place], resampled[:, place])
            about = {"modality": curve.modality, "corruption": curve.corruption, "level": level}
            table.append({**about, "figure": float(figure[place]), "low": low, "high": high, "n": each.shape[1], "noise_seed": seed})
        return table

    def summary(
        self, curves: list[tuple[Curve, int]], worth: Float[np.ndarray, "C L"], resampled: Float[np.ndarray, "R C L"], rows: int
    ) -> list[Row]:
        """A row for each curve, the mean over noise seeds."""
        table = []
        for curve in dict.fromkeys(curve for curve, _ in curves):
            mine = [place for place, (other, _) in enumerate(curves) if other == curve]
            value, drawn = worth[mine].mean(0)[None], resampled[:, mine].mean(1)
            row: Row = {"modality": curve.modality, "corruption": curve.corruption, "clean": abs(float(value[0, 0]))}
            low, high = interval(np.abs(area(self.levels, drawn)))
            row |= {"relative_robustness": abs(float(area(self.levels, value)[0])), "low": low, "high": high}
            low, high = interval(drawn[:, 0] - area(self.levels, drawn))
            row |= {"lost": float((value[:, 0] - area(self.levels, value))[0]), "lost_low": low, "lost_high": high}
            table.append({**row, "n": rows, "noise_seeds": self.noise_seeds})
        return table


def is_large(subject: Subject) -> bool:
    """Whether a modality goes through a network that takes long for each row."""
    sizes = [sum(x.numel() for x in subject.model.encoders[name].parameters()) for name in subject.modalities]
    return max(sizes) > LARGE or any(subject.embedding(name).is_slow for name in subject.modalities)


@torch.inference_mode()
def worse(subject: Subject, encoded: Encoded, modality: str, corruption: Corruption, level: float, seed: int) -> Tokens:
    """Tokens of corrupted values of a modality, and which of them are valid."""
    values, lengths = subject.raw("test", modality)
    ids = subject.ids("test")
    parts: list[Tokens] = []
    number = at_once(subject.model, subject.data("test"))
    for start in range(0, len(encoded), number):
        rows = encoded.rows[start : start + number]
        here: Any = values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]
        steps = None if lengths is None else lengths[rows]
        changed = corruption(here, steps, [f"{modality}/{ids[row]}" for row in rows], level, seed)
        array, valid = subject.embedding(modality)(changed, steps)
        device = subject.model.log_prior.device
        length = None if valid is None else torch.from_numpy(valid).long().to(device)
        parts.append(subject.model.encode_one(modality, torch.from_numpy(np.ascontiguousarray(array)).to(device), length)[:2])
    tokens, valid_tokens = zip(*parts, strict=True)
    return torch.cat(tokens), torch.cat(valid_tokens)


def joined(encoded: Encoded, changed: dict[str, Tokens]) -> Float[Tensor, "N K"]:
    """What the model says where some modalities have other tokens."""
    asked = encoded.having(changed)
    return asked.answers(dict.fromkeys(asked.tokens, asked.places()))


def area(levels: list[float], figure: Float[np.ndarray, "... L"]) -> Float[np.ndarray, " ..."]:
    """The mean of a figure over the levels, linear in between."""
    return np.trapezoid(figure, levels, axis=-1) / (levels[-1] - levels[0])
