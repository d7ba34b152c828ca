"""Whether the maps of explanations can be believed: the checks that `evaluate` made of them, joined and in words."""

from typing import Any

import pandas as pd

from deconfuse.reporting.words import listed, percent

METHODS = {"integrated_gradients": "Integrated gradients", "grad_cam": "Grad-CAM", "deconvolution": "Deconvolution pictures"}
"""In the page's order."""
CHECKS = {"all": "all weights random", "head": "last layer random", "class": "another class"}
"""In the page's order."""


def joint(checks: dict[str, str]) -> str:
    """The verdict of both checks by random weights: passed where all of them are random, unless the last layer alone shows a failure."""
    return "fails" if "fails" in checks.values() else checks.get("all", "not shown")


def verdicts(checks: pd.DataFrame) -> dict[tuple[str, str, str], str]:
    """(model, modality, method) -> whether maps change when weights are random."""
    own = checks[checks["check"].isin(("all", "head")) & checks["method"].isin(METHODS)]
    groups: Any = own.groupby(["model", "modality", "method"], sort=False)
    return {key: joint(dict(zip(rows["check"], rows["verdict"], strict=True))) for key, rows in groups}


def table(checks: pd.DataFrame) -> list[dict[str, Any]]:
    """A row a modality and method of one model: by check its verdict, and value with interval as text."""
    maps = checks[checks["modality"] != "all"]
    rows = []
    for modality in sorted(set(maps["modality"])):
        for method, title in METHODS.items():
            own = maps[(maps["modality"] == modality) & (maps["method"] == method)].to_dict("records")
            if own:
                rows.append(
                    {"modality": modality, "method": title, "checks": {one["check"]: (one["verdict"], measured(one)) for one in own}}
                )
    return rows


def measured(check: dict[str, Any]) -> str:
    """A value and its interval; nothing where too few samples have one."""
    value, low, high = (check[name] for name in ("value", "low", "high"))
    # of a table with empty cells all are text
    return "" if value == "" else f"{two(value)}, {two(low)} to {two(high)}"


def two(value: float | str) -> str:
    return f"{round(float(value), 2) + 0:.2f}".replace("-", "\N{MINUS SIGN}")


OTHERS = {"fails": "shown not to in", "not shown": "not shown in"}


def about_weights(found: dict[tuple[str, str, str], str]) -> str:
    """How each method fares over all models and modalities."""
    said = []
    for method, title in METHODS.items():
        own = [verdict for key, verdict in found.items() if key[2] == method]
        if own:
            more = ", ".join(f"{words} {own.count(verdict)}" for verdict, words in OTHERS.items() if verdict in own)
            said.append(f"{title} in {own.count('passes')} of {len(own)}{f' ({more})' if more else ''}")
    return (
        "An explanation must change when a model's weights are replaced by random ones. By modalities and models, this is shown for: "
        f"{'; '.join(said)}."
    )


def about_sums(checks: pd.DataFrame) -> str:
    """How well the cells of integrated gradients add up to the answer."""
    found = checks[(checks["check"] == "completeness") & checks["value"].ne("")]
    if found.empty:
        return ""
    failing = found.loc[found["verdict"] != "passes", "model"].tolist()
    limit = percent(float(found["limit"].iloc[0]))
    but = f", beyond {limit} or not shown to be within it: {listed(failing)}" if failing else ""
    return f"Integrated gradients add up to the answer; their mean error is {percent(found['value'].astype(float).max())} at most{but}."
