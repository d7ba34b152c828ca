"""The tables that the analysis of single answers would leave of a model of a finished project."""

import csv
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]

METHODS = {
    "image": ("input", "deconvolution", "grad_cam", "integrated_gradients"),
    "audio": ("input", "deconvolution", "grad_cam", "integrated_gradients"),
    "video": ("deconvolution", "grad_cam", "integrated_gradients"),
    "text": ("integrated_gradients",),
}
SIZES = {"image": (6, 6), "audio": (4, 8), "video": (1, 4)}
VERDICTS = {"integrated_gradients": (0.0, "passes"), "grad_cam": (0.45, "not shown"), "deconvolution": (0.9, "fails")}
WEIGHS = 0.7
"""Share of the first modality in the attention of a fusion."""


def write(
    folder: Path, seed: int, kinds: Mapping[str, str], is_fusion: bool, samples: Sequence[tuple[str, str, Mapping[str, str]]]
) -> None:
    """Of each map the first cell is for the answer, by 3, and the last one against it, by 1; the others are 0.

    Args:
        folder: `tables/` of the model.
        seed: the best of its seeds.
        kinds: of the model's modalities.
        is_fusion: whether it has attention.
        samples: id, class explained, and the cells of the manifest.
    """
    tables: dict[str, Rows] = {"explained": [], "explanations": [], "explained_tokens": [], "sanity": checks(kinds)}
    for identity, name, cells in samples:
        tables["explained"].append({"id": identity, "class": name, "answer": 5.25, "baseline": -1.5})
        for modality, kind in kinds.items():
            if not cells[modality]:
                continue
            words = cells[modality].split()
            if kind == "text":
                tables["explained_tokens"] += [
                    {"id": identity, "modality": modality, "column": place, "token": word} for place, word in enumerate(words)
                ]
            for method in METHODS[kind]:
                size = (1, len(words)) if kind == "text" else SIZES[kind]
                tables["explanations"] += [{"id": identity, "modality": modality, "method": method, **cell} for cell in planted(size)]
    if is_fusion:
        shares = {name: WEIGHS if place == 0 else (1 - WEIGHS) / (len(kinds) - 1) for place, name in enumerate(sorted(kinds))}
        spread = {"untrained": 1 / len(kinds), "n": 30}
        tables["attention"] = [
            {"modality": name, "share": share, "low": share - 0.02, "high": share + 0.02, **spread} for name, share in shares.items()
        ]
        tables["attended"] = [
            {"id": identity, "modality": name, "share": share} for identity, *_ in samples for name, share in shares.items()
        ]
        tables["sanity"].append(check("all", "attention", "all", 0.6, "passes", 30))
    for name, rows in tables.items():
        if rows:
            with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                table = csv.DictWriter(file, ["seed", *rows[0]], lineterminator="\n")
                table.writeheader()
                table.writerows({"seed": seed, **row} for row in rows)


def planted(size: tuple[int, int]) -> Rows:
    last = (size[0] - 1, size[1] - 1)
    return [
        {"row": row, "column": column, "value": 3 * ((row, column) == (0, 0)) - ((row, column) == last)}
        for row, column in product(*map(range, size))
    ]


def checks(kinds: Mapping[str, str]) -> Rows:
    found = [
        check(modality, method, one, *VERDICTS[method], 12)
        for modality, kind in kinds.items()
        for method in METHODS[kind]
        if method != "input"
        for one in ("head", "all", "class")
    ]
    return [*found, check("all", "integrated_gradients", "completeness", 0.012, "passes", 12)]


def check(modality: str, method: str, one: str, value: float, verdict: str, n: int) -> dict[str, Any]:
    ends = {"value": value, "low": value - 0.1, "high": value + 0.1, "limit": 0.05 if one == "completeness" else 0.5}
    return {"modality": modality, "method": method, "check": one, **ends, "verdict": verdict, "n": n}
