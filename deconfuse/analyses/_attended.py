"""What share each modality gets of a fusion's attention or gates."""

from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int

from deconfuse.analyses import Row, Subject
from deconfuse.analyses._sanity import Check, checked
from deconfuse.fusion import Fusion
from deconfuse.metrics import half_width
from deconfuse.model.multimodal import Model
from deconfuse.model.room import at_once

ROWS = 200
"""Test rows behind a mean, at most."""
SAME = 0.95
"""Overlap from which on two divisions count as the same."""


def attended(
    subject: Subject, model: Model, untrained: Model, order: Int[np.ndarray, " R"], kept: list[int]
) -> tuple[list[Row], list[Row], list[Check]]:
    """The mean share of each modality, over test rows that have all of them, beside that in a model with random weights; the shares of
    the rows kept; and the check whether training has changed them. Nothing where the fusion weighs none.

    Args:
        subject: whose rows they are.
        model, untrained: of the same parts, in fp32.
        order: the test rows as drawn.
        kept: those whose own shares are told.
    """
    present = torch.stack([subject.data("test").present[name] for name in subject.modalities], 1).all(1).cpu().numpy()
    rows = order[present[order]][:ROWS]
    own = shares(subject, model, np.array(kept))
    if not own or len(rows) < 2:
        return [], [], []
    found, random = (shares(subject, one, rows) for one in (model, untrained))
    ids, table, each = subject.ids("test"), [], []
    for name in subject.modalities:
        mean, half = found[name].mean(), half_width(found[name])
        means = {"share": mean, "low": mean - half, "high": mean + half, "untrained": random[name].mean()}
        table.append({"modality": name, **{key: round(float(value), 4) for key, value in means.items()}, "n": len(rows)})
        each += [{"id": ids[row], "modality": name, "share": round(float(share), 4)} for row, share in zip(kept, own[name], strict=True)]
    overlap = np.sum([np.minimum(found[name], random[name]) for name in found], axis=0)
    return table, each, [checked("all", "attention", "all", overlap, SAME)]


@torch.no_grad()
def shares(subject: Subject, model: Model, rows: Int[np.ndarray, " N"]) -> dict[str, Float[np.ndarray, " N"]]:
    """Modality -> its share in some test rows; nothing where the fusion weighs no modality against another."""
    data, found = subject.data("test"), {}
    for batch in data.batches(torch.from_numpy(rows).split(at_once(model, data))):
        tokens, masks, _ = model.encode(batch.inputs, batch.lengths, batch.present)
        for name, share in (cast(Fusion, model.fusion).shares(tokens, masks) or {}).items():
            found.setdefault(name, []).append(share.double().cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}
