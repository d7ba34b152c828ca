"""The loop of the tutorials: a DataLoader that stacks samples, pictures changed one by one by torchvision.

python -m benchmarks.rivals.loader PROJECT WORKLOAD
"""

import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from benchmarks.rivals.loop import DEVICE, MIRRORED, SHIFTS, by_hand, learn
from benchmarks.rivals.reading import Task, read


class Pictures(Dataset):
    """Each picture is made an image and changed when it is asked for, as torchvision's own sets do."""

    def __init__(self, task: Task, name: str) -> None:
        from torchvision import transforms

        values = task.values["train"].transpose(0, 2, 3, 1).copy()
        self.values, self.label = values[..., 0] if values.shape[3] == 1 else values, task.label["train"]
        changes: list[Any] = [transforms.RandomCrop(values.shape[1], padding=SHIFTS[name], padding_mode="edge")]
        changes += [transforms.RandomHorizontalFlip()] if name in MIRRORED else []
        channels = values.shape[3]
        normal = transforms.Normalize([task.mean / 255] * channels, [task.std / 255] * channels)
        self.change = transforms.Compose([*changes, transforms.ToTensor(), normal])

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        return self.change(Image.fromarray(self.values[index])), int(self.label[index])


def loader(task: Task, name: str) -> DataLoader:
    """On a GPU by worker processes, into pinned memory."""
    if name in SHIFTS:
        samples: Dataset = Pictures(task, name)
    else:
        x = (torch.from_numpy(task.values["train"]).float() - task.mean) / task.std
        samples = TensorDataset(x, torch.from_numpy(task.label["train"]))
    is_gpu = DEVICE.type == "cuda"
    workers = min(8, os.cpu_count() or 1) if is_gpu else 0
    return DataLoader(
        samples, batch_size=task.settings["batch_size"], shuffle=True, num_workers=workers, pin_memory=is_gpu, persistent_workers=is_gpu
    )


def main(folder: str, name: str) -> None:
    task = read(Path(folder))
    model, stepper, ask = by_hand(name, task)
    batches = loader(task, name)
    # training batches come normalised, those of val do not
    learn(model, stepper, lambda x: model(x) if model.training else ask(x), lambda: batches, task)


if __name__ == "__main__":
    main(*sys.argv[1:])
