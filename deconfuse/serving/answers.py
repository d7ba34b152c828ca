"""Predictions in words, as JSON."""

from typing import Any

import numpy as np

Facts = dict[str, Any]


def in_words(predicted: np.ndarray, facts: Facts) -> list[dict[str, Any]]:
    """What a task's predictions say of each row: `label`, and where there are classes the `probabilities` of all of them.

    Args:
        predicted: probabilities (N, classes) or numbers (N,).
        facts: schema.json.

    A label is a class, a number, or where a sample may have several classes the list of those that are more likely than not.
    """
    if predicted.ndim == 1:
        return [{"label": float(number)} for number in predicted]
    classes = facts["classes"]
    return [
        {
            "label": [classes[place] for place in chosen(shares, facts)] if several(facts) else classes[chosen(shares, facts)[0]],
            "probabilities": dict(zip(classes, shares.tolist(), strict=True)),
        }
        for shares in predicted
    ]


def several(facts: Facts) -> bool:
    """Whether a sample may have several classes."""
    return "separator" in facts


def chosen(shares: np.ndarray, facts: Facts) -> list[int]:
    """The classes (their places) that a row's probabilities speak for."""
    return np.flatnonzero(shares > 0.5).tolist() if several(facts) else [int(shares.argmax())]


def explained(predicted: np.ndarray, parts: dict[str, np.ndarray], prior: np.ndarray, facts: Facts) -> list[dict[str, Any]]:
    """What each modality adds to each row's answer: to the probability of its class, of each of its classes, or to its number.

    Args:
        predicted: as in `in_words`.
        parts: modality -> its share of `predicted`, of the same shape.
        prior: what is predicted of nothing, of the same shape.
    """
    if predicted.ndim == 1:
        return [{"contributions": one(parts, row, ...), "prior": float(prior[row])} for row in range(len(predicted))]
    return [of_classes(row, chosen(shares, facts), parts, prior, facts) for row, shares in enumerate(predicted)]


def of_classes(row: int, places: list[int], parts: dict[str, np.ndarray], prior: np.ndarray, facts: Facts) -> dict[str, Any]:
    found = {facts["classes"][place]: (one(parts, row, place), float(prior[row, place])) for place in places}
    if several(facts):
        return {"contributions": {name: pair[0] for name, pair in found.items()}, "prior": {name: pair[1] for name, pair in found.items()}}
    (shares, before) = next(iter(found.values()))
    return {"contributions": shares, "prior": before}


def one(parts: dict[str, np.ndarray], row: int, place: Any) -> dict[str, float]:
    return {name: float(part[row][place]) for name, part in parts.items()}
