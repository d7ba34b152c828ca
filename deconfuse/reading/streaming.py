"""A split whose largest arrays stay on disk and are read ahead of the model."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from jaxtyping import Bool, Shaped
from torch import Tensor

from deconfuse.kernel.errors import UserError
from deconfuse.model.dataset import Dataset, Index, Parts
from deconfuse.reading.stored import Stored

WORKERS = 2
AHEAD = 4
# bytes of batches that wait for the model; one is always let in
WAITING = 256 * 2**20


class Streamed:
    """What a model can be trained on as on a `Dataset`, with the same batches.

    Args:
        resident: all samples, with the inputs that lie in memory, on the model's device.
        arrays: the inputs that lie on disk.
    """

    def __init__(self, resident: Dataset, arrays: dict[str, Stored]) -> None:
        self.resident, self.arrays = resident, arrays
        self.device = resident.label.device
        # pinned, so that the copy to a GPU goes on while the model computes
        self.is_pinned = self.device.type == "cuda"

    def __len__(self) -> int:
        return len(self.resident)

    @property
    def label(self) -> Shaped[Tensor, " N ..."]:
        return self.resident.label

    @property
    def present(self) -> dict[str, Bool[Tensor, " N"]]:
        return self.resident.present

    def batch(self, index: Index) -> Dataset:
        """The samples at `index`, in its order."""
        return self.joined(index, self.gather(index))

    def batches(self, parts: Parts) -> Iterator[Dataset]:
        """The samples at each of `parts`, one batch after another; threads read the next ones meanwhile.

        They end with the generator: when it is exhausted, closed or dropped. Raises UserError.
        """
        waiting: deque[tuple[Index, Future[dict[str, Tensor]]]] = deque()
        threads = ThreadPoolExecutor(WORKERS, "gather")
        try:
            for part in parts:
                waiting.append((part, threads.submit(self.gather, part)))
                if len(waiting) > self.ahead(part):
                    yield self.arrived(*waiting.popleft())
            while waiting:
                yield self.arrived(*waiting.popleft())
        finally:
            threads.shutdown(cancel_futures=True)

    def ahead(self, part: Index) -> int:
        """How many batches like this one may wait for the model."""
        return max(1, min(AHEAD, WAITING // max(1, self.nbytes(part))))

    def nbytes(self, part: Index) -> int:
        """What is read for a batch."""
        samples = len(range(*part.indices(len(self)))) if isinstance(part, slice) else len(part)
        return samples * sum(stored.nbytes for stored in self.arrays.values()) // max(1, len(self))

    def gather(self, index: Index) -> dict[str, Tensor]:
        return {name: stored.gather(index, self.is_pinned) for name, stored in self.arrays.items()}

    def arrived(self, part: Index, future: Future[dict[str, Tensor]]) -> Dataset:
        try:
            found = future.result()
        except (OSError, MemoryError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"a batch of {self.nbytes(part):,} bytes cannot be read from disk into memory: {reason}; lower train.batch_size"
            ) from None
        return self.joined(part, found)

    def joined(self, index: Index, found: dict[str, Tensor]) -> Dataset:
        batch = self.resident.batch(index)
        inputs = batch.inputs | {name: x.to(self.device, non_blocking=True) for name, x in found.items()}
        # in the order of the modalities, which random draws follow
        return replace(batch, inputs={name: inputs[name] for name in batch.present})
