"""What is written down of a model's trainings, one with each seed: where they ended, when, and how fast."""

from typing import Any

from deconfuse.training.state import State


def summary(state: State) -> dict[str, Any]:
    """What model.json says of a seed."""
    return {"best_epoch": state.best_epoch, "val_loss": state.best, "epochs": len(state.rows), "pieces": state.pieces}


def best(about: dict[str, Any]) -> int:
    """The seed with the lowest validation loss, which chooses the epoch, too; the least of equal ones."""
    return min((each["val_loss"], int(seed)) for seed, each in about.items())[1]


def timing(state: State, samples: int) -> dict[str, Any]:
    """When things happened (unix seconds), and how fast."""
    return {
        "started": state.started,
        "ended": state.ended[-1],
        "epoch_ended": state.ended,
        # what was saved after its end has waited for the other seeds
        "pauses": [pause for pause in state.pauses if pause[0] < state.ended[-1]],
        "train_seconds": state.seconds,
        "samples_per_second": len(state.rows) * samples / state.seconds,
    }


def total(seeds: list[dict[str, Any]]) -> dict[str, float]:
    """The times of all seeds together."""
    seconds = sum(each["train_seconds"] for each in seeds)
    return {
        "started": min(each["started"] for each in seeds),
        "ended": max(each["ended"] for each in seeds),
        "train_seconds": seconds,
        "samples_per_second": sum(each["samples_per_second"] * each["train_seconds"] for each in seeds) / seconds,
    }
