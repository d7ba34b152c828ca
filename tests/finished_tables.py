"""The tables that the analyses of what modalities do, of robustness and of calibration would leave of a model of a finished project."""

import csv
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]

KINDS = {"audio": ["audio_noise"], "image": ["blur", "image_noise", "occlusion"], "text": ["typos"], "video": ["dropped_frames"]}
LEVELS = (0.0, 0.5, 1.0)
ROWS = 40
HALF = 0.05


def write(folder: Path, modalities: Sequence[str], kinds: Mapping[str, str], right: float, seeds: Sequence[int], chance: float) -> None:
    """Each modality adds the same, but the last, which adds nothing; all is lost at level 1. Seeds after the first are worse by a row."""
    found: dict[str, Rows] = {}
    for turn, seed in enumerate(seeds):
        best = right - turn / ROWS
        tables = robustness(sorted(modalities), kinds, best, chance) | calibration(best)
        tables |= shares(sorted(modalities), best, chance) if len(modalities) > 1 else {}
        for name, rows in tables.items():
            found.setdefault(name, []).extend({"seed": seed, **row} for row in rows)
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in found.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(rows)


def around(value: float, name: str = "figure") -> dict[str, float]:
    return {name: value, "low": value - HALF, "high": value + HALF}


def shares(modalities: Sequence[str], best: float, chance: float) -> dict[str, Rows]:
    """What subsets, shapley, perceptual and emap hold."""
    silent = modalities[-1]
    each = (best - chance) / (len(modalities) - 1)
    subsets = [
        {
            **{"subset": "+".join(some), "shown": len(some)},
            **around(chance + each * len(set(some) - {silent})),
            **{"loss": 1 - len(some) / 10, "n": ROWS},
        }
        for size in range(len(modalities) + 1)
        for some in combinations(modalities, size)
    ]
    added = {name: each * (name != silent) for name in modalities}
    shapley = [{"modality": name, **around(value, "value"), "n": ROWS} for name, value in added.items()]
    perceptual = [
        {
            **{"modality": name, "permuted": among, "figure": best, "permuted_figure": best - lost},
            **around(lost, "drop"),
            **{"normalised": lost / best, "normalised_low": 0.0, "normalised_high": 1.0, "permutations": 10, "n": ROWS},
        }
        for name, value in added.items()
        for among, lost in (("all rows", value), ("each class", 0.0))
    ]
    emap = [{"figure": best, "emap": best - 0.01, **around(0.01, "gap"), "n": ROWS, "method": "Monte Carlo", "draws": 12}]
    return {"subsets": subsets, "shapley": shapley, "perceptual": perceptual, "emap": emap}


def robustness(modalities: Sequence[str], kinds: Mapping[str, str], best: float, chance: float) -> dict[str, Rows]:
    """What robustness and robustness_summary hold: of a part of the modalities a part is lost."""
    curves = [(name, corruption, 1 / len(modalities)) for name in modalities for corruption in KINDS[kinds[name]]]
    curves += [("all at once", "all at once", 1.0)] if len(modalities) > 1 else []
    points, summary = [], []
    for name, corruption, part in curves:
        lost = part * (best - chance)
        about = {"modality": name, "corruption": corruption}
        points += [{**about, "level": level, **around(best - level * lost), "n": ROWS, "noise_seed": 0} for level in LEVELS]
        ends = {"lost": lost / 2, "lost_low": lost / 2 - 0.02, "lost_high": lost / 2 + 0.02}
        summary.append({**about, "clean": best, **around(best - lost / 2, "relative_robustness"), **ends, "n": ROWS, "noise_seeds": 1})
    return {"robustness": points, "robustness_summary": summary}


def calibration(best: float) -> dict[str, Rows]:
    """What calibration, reliability and risk_coverage hold: every model is three quarters sure; chance may make that 8 points too much."""
    summary, bins = [], []
    for scaled, temperature, sure in (("no", 1.0, 0.75), ("yes", 1.5 if best < 0.75 else 0.8, best + 0.01)):
        error, wrong = abs(sure - best), 1 - best
        row = {"scaled": scaled, "temperature": temperature, "rows": ROWS, "decisions": ROWS, "accuracy": best, "confidence": sure}
        for name in ("ece", "adaptive_ece"):
            row |= {name: error, f"{name}_low": max(0.0, error - HALF), f"{name}_high": error + HALF, f"{name}_chance": 0.08}
        row["mce"] = 2 * error
        for name in ("brier", "loss", "aurc"):
            row |= {name: wrong / 2, f"{name}_low": wrong / 3, f"{name}_high": wrong}
        summary.append(row)
        for place, shift, number in ((9, -0.1, 10), (11, 0.0, 20), (12, 0.1, 10)):
            right = min(1.0, max(0.0, best + shift))
            ends = {"accuracy": right, "accuracy_low": right - HALF, "accuracy_high": right + HALF}
            bins.append({"scaled": scaled, "bin": place, "confidence": min(1.0, sure + shift), **ends, "n": number})
    curve = [
        {"coverage": n / ROWS, "risk": (1 - best) * n / ROWS, "risk_low": 0.0, "risk_high": 0.6, "confidence": 1 - n / 100, "n": n}
        for n in (10, 20, 30, ROWS)
    ]
    return {"calibration": summary, "reliability": bins, "risk_coverage": curve}
