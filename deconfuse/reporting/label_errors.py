"""Rows whose label may be wrong: a model that has not learnt from them is sure of another class."""

import warnings

import numpy as np
import pandas as pd

COLUMNS = ["split", "id", "labelled", "suggested", "confidence", "quality"]


def suspects(predictions: pd.DataFrame, splits: np.ndarray, classes: list[str]) -> pd.DataFrame:
    """Likely label errors, the likeliest first (confident learning: Northcutt, Jiang & Chuang 2021, by cleanlab).

    Args:
        predictions: rows that the model has not learnt from: `id`, `actual`, and `p:<class>`, the probability of each class.
        splits: of the same rows.
        classes: in the order of the data.

    Returns:
        COLUMNS; `suggested` is the class that the model gives and `confidence` its probability, `quality` the probability of the label
        itself, 0..1.
    """
    # 1.8 s of CPU that most of this package does without
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    shares = predictions[[f"p:{name}" for name in classes]].to_numpy(float)
    place = {name: number for number, name in enumerate(classes)}
    labels = predictions["actual"].map(place).to_numpy()
    # printed with six digits they need not sum to 1
    shares = shares / shares.sum(1, keepdims=True)
    if len(np.unique(labels)) < 2:
        return pd.DataFrame(columns=COLUMNS)
    with warnings.catch_warnings():
        # a line for every class of few rows, which it does not judge
        warnings.filterwarnings("ignore", message="May not flag all label issues")
        found = find_label_issues(labels, shares, return_indices_ranked_by="self_confidence", n_jobs=1)
    best = shares[found].argmax(1)
    return pd.DataFrame(
        {
            "split": splits[found],
            "id": predictions["id"].to_numpy()[found],
            "labelled": predictions["actual"].to_numpy()[found],
            "suggested": np.array(classes, object)[best],
            "confidence": shares[found, best].round(4),
            "quality": get_label_quality_scores(labels, shares)[found].round(4),
        },
        columns=COLUMNS,
    )
