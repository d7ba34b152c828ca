"""A weighted sum of the features."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import numpy as np
from jaxtyping import Float
from pydantic import Field

from deconfuse.baselines import Baseline, Predict

Answer = Callable[[np.ndarray], np.ndarray]

STEPS = 200
"""Of L-BFGS at most: where they do not suffice for the last digits, the answer hardly depends on them."""


class Linear(Baseline):
    """Logistic regression with an L2 penalty of weight 1/C, of several classes at once one for each; of a number ridge regression
    (Hoerl & Kennard 1970)."""

    def __init__(
        self,
        *,
        c: Annotated[
            Sequence[Annotated[float, Field(gt=0, le=1e9)]],
            Field(min_length=1, description="Values of C, the inverse of the penalty, that validation chooses from."),
        ] = (0.1, 1.0, 10.0, 100.0, 1000.0),
    ) -> None:
        self.c = sorted(set(c))

    def title(self, task: str) -> str:
        return "ridge regression" if task == "regression" else "logistic regression"

    def fit(self, x: Float[np.ndarray, "N D"], target: Float[np.ndarray, "N K"], task: str) -> Predict:
        kind = {"regression": ridge, "multi_label": each_class}.get(task, one_class)
        fits = [(f"C = {c:g}", kind(x, target, c)) for c in self.c]

        def predict(x: Float[np.ndarray, "N D"]) -> Iterator[tuple[str, Float[np.ndarray, "N K"]]]:
            for setting, found in fits:
                yield setting, found(x)

        return predict


def ridge(x: Float[np.ndarray, "N D"], target: Float[np.ndarray, "N 1"], c: float) -> Answer:
    from sklearn.linear_model import Ridge

    # so that C weighs half the squared error, as it weighs the loss of logistic regression
    model = Ridge(alpha=1 / c).fit(x, target)
    return lambda x: model.predict(x).reshape(len(x), -1)


def one_class(x: Float[np.ndarray, "N D"], target: Float[np.ndarray, "N K"], c: float) -> Answer:
    """Classes that exclude each other."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    label = target.argmax(1)
    there = np.unique(label)

    def answer(x: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N K"]:
        found = np.zeros((len(x), target.shape[1]))
        found[:, there] = model.predict_proba(x) if len(there) > 1 else 1.0
        return found

    if len(there) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression(C=c, max_iter=STEPS, tol=1e-3).fit(x, label)
    return answer


def each_class(x: Float[np.ndarray, "N D"], target: Float[np.ndarray, "N K"], c: float) -> Answer:
    """Any number of classes at once: whether each is there."""
    answers = [one_class(x, np.stack([1 - column, column], 1), c) for column in target.T]
    return lambda x: np.stack([answer(x)[:, 1] for answer in answers], 1)
