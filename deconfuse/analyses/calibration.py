"""Is the model as sure as it is right?"""

import numpy as np

from deconfuse.analyses import Analysis, Subject, Tables

BINS = 15


class Calibration(Analysis):
    """Confidence against accuracy in bins of equal width (Guo et al. 2017)."""

    def __call__(self, subject: Subject) -> Tables:
        if subject.facts["task"] not in ("single_label", "binary"):
            return {}
        predicted, target = subject.predicted("test"), subject.target("test")
        sure, right = predicted.max(1), predicted.argmax(1) == target
        place = np.minimum((sure * BINS).astype(int), BINS - 1)
        rows = [
            {"bin": number, "confidence": float(sure[here].mean()), "accuracy": float(right[here].mean()), "n": int(here.sum())}
            for number in range(BINS)
            if (here := place == number).any()
        ]
        return {"calibration": rows}
