"""What it costs to get samples and augment them: ours against torchvision's transforms in a DataLoader.

    python -m benchmarks.loading [--rounds 5] [--scale 1.0]

Pictures of CIFAR-10's size, shifted by up to 4 pixels, mirrored, normalised, in batches of 128; processor time of one thread, all in one
process in turn. Ours is the engine's own way: a batch of the split in memory, the augmentations of params, the model's normalising.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as Samples
from torchvision import transforms

from benchmarks.measuring import arguments, head, ratios, spread, table, turns
from benchmarks.project import spec
from benchmarks.workloads import colours
from deconfuse.kernel.params import check
from deconfuse.model.build import build
from deconfuse.model.dataset import Dataset
from deconfuse.params.models import Model as Entry
from deconfuse.regularisation.augmenting import Augment
from deconfuse.runtime.device import prepare
from deconfuse.training.draws import order, stream

SIZE = 128
ENTRY = {"encoders": {"image": {"name": "cnn", "channels": [1]}}, "augment": {"image": [{"name": "crop", "shift": 4}, "flip"]}}
OURS = "engine"


class Pictures(Samples):
    """As torchvision's own CIFAR-10: an array, each picture made an image when it is asked for."""

    def __init__(self, values: np.ndarray, mean: float, std: float) -> None:
        self.values = values.transpose(0, 2, 3, 1).copy()
        changes = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
        self.change: Any = transforms.Compose([*changes, transforms.Normalize([mean / 255] * 3, [std / 255] * 3)])

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.change(Image.fromarray(self.values[index])), 0


def ours(values: np.ndarray, about: dict[str, Any], is_augmented: bool) -> Callable[[], None]:
    """A pass over all samples."""
    entry = check(ENTRY, Entry)
    change = Augment(entry, 0.0, {"image": about}, lambda label: label, "model")
    model = build(entry, {"image": about}, torch.zeros(10), "model")
    rows = torch.ones(len(values), dtype=torch.bool)
    data = Dataset({"image": torch.from_numpy(values)}, {}, {"image": rows}, torch.zeros(len(values), dtype=torch.long))

    def work() -> None:
        for step, index in enumerate(order(len(values), 0, 1).split(SIZE)):
            batch = data.batch(index)
            if is_augmented:
                batch = change(batch, torch.Generator().manual_seed(stream(0, 1, -2 - step)))
            model.normalised("image", batch.inputs["image"])

    return work


def by_torchvision(values: np.ndarray, about: dict[str, Any]) -> Callable[[], None]:
    loader = DataLoader(Pictures(values, about["mean"], about["std"]), batch_size=SIZE, shuffle=True)

    def work() -> None:
        for _ in loader:
            pass

    return work


def microseconds(work: Callable[[], None], samples: int) -> float:
    begun = time.process_time()
    work()
    return (time.process_time() - begun) / samples * 1e6


def main() -> None:
    chosen = arguments(__doc__ or "", 5).parse_args()
    prepare("cpu", 1, "fp32")
    samples = max(SIZE, round(8192 * chosen.scale))
    values = colours(samples, 1, None)[0]["train"]["image"]
    about = spec("image", values)
    works = {
        OURS: ours(values, about, True),
        "engine, not augmented": ours(values, about, False),
        "DataLoader and torchvision": by_torchvision(values, about),
    }
    for work in works.values():
        work()
    head(chosen, ("torch", "torchvision", "pillow"))
    found = turns({name: partial(microseconds, work, samples) for name, work in works.items()}, chosen.rounds)
    rows = [[name, spread(taken), spread(ratios(found[OURS], taken))] for name, taken in found.items()]
    table([f"{samples} pictures", "us a sample", "x engine"], rows)


if __name__ == "__main__":
    main()
