"""Who trains a model: one process, or several that share every batch (`deconfuse/processes/distributed.py`)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Team:
    """One process, which does all by itself; the contract of those that are several.

    All processes draw the same samples, augmentations and hidden modalities for the whole batch, and each then takes its own rows. What
    belongs to the batch (its logits, its loss) all of them know, so that all decide alike.
    """

    rank = 0
    """Which of the processes this one is, from 0."""
    size = 1
    here = 1
    """Processes on this machine."""

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes files and speaks to the user."""
        return self.rank == 0

    def adopt(self, model: nn.Module, device: torch.device) -> None:
        """Bring a model, the same one in each process, to the device on which this process trains it."""
        model.to(device)

    def own(self, rows: slice) -> slice:
        """This process's share of the rows of a batch. Raises TrainingError where there are fewer rows than processes."""
        return rows

    def share(self, samples: int) -> tuple[slice, int]:
        """This process's share of a split that is not learnt from: as many rows for each of them and at least one.

        Returns the rows, and how many of the first of them belong to another's share.
        """
        return slice(0, samples), 0

    def draws_apart(self, seed: int) -> None:
        """After what all processes draw alike in a step: from here on what layers draw for their rows must not be the others'."""

    def joined(self, x: Tensor, rows: slice, samples: int) -> Tensor:
        """What all processes found, `samples` rows, of which `x` is this one's `rows`; the gradient goes back to each."""
        return x

    def total(self, x: Tensor) -> Tensor:
        """The sum over the processes; the gradient goes back to each."""
        return x

    def add_gradients(self, model: nn.Module) -> None:
        """Give all processes the sum of their gradients."""

    def agreed(self, *flags: int) -> list[int]:
        """For each flag the greatest that a process holds."""
        return list(flags)

    def are_alike(self, key: str) -> None:
        """Raise UserError where the processes do not hold the same words, which say what they train."""

    def out_of_memory(self, error: BaseException) -> None:
        """Tell the others, who then raise torch.OutOfMemoryError too, wherever they are in the step."""

    def is_orphan(self) -> bool:
        """Whether the process that started this one is gone."""
        return False

    def told(self, give: Callable[[], bytes]) -> bytes:
        """What the first process gives, which is the only one that is asked."""
        return give()


ALONE = Team()
