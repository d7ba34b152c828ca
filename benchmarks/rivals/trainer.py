"""Lightning's Trainer on the bare layers.

    python -m benchmarks.rivals.trainer PROJECT WORKLOAD barest|resident|default

`barest` is `barebones=True`; `resident` the same with batches by index in place of a DataLoader; `default` is what a Trainer does if it is
told nothing but the number of epochs: a logger, checkpoints, a progress bar.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.rivals.loader import loader
from benchmarks.rivals.loop import DEVICE, assess, by_hand, changed, cosine
from benchmarks.rivals.reading import Task, read, tell


class Resident:
    """Batches by index."""

    def __init__(self, task: Task, name: str) -> None:
        self.x, self.y = (torch.from_numpy(arrays["train"]).to(DEVICE) for arrays in (task.values, task.label))
        self.size, self.mean, self.std, self.name = task.settings["batch_size"], task.mean, task.std, name

    def __len__(self) -> int:
        return -(-len(self.y) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for index in torch.randperm(len(self.y), device=DEVICE).split(self.size):
            yield (changed(self.x[index], self.name).float() - self.mean) / self.std, self.y[index]


class Module(lightning.LightningModule):
    """What a user of Lightning writes, val included."""

    def __init__(self, model: nn.Module, stepper: torch.optim.Optimizer, steps: int, logs: bool) -> None:
        super().__init__()
        self.model, self.stepper, self.steps, self.logs = model, stepper, steps, logs

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        loss = F.cross_entropy(self.model(batch[0]), batch[1])
        if self.logs:
            self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        schedule = torch.optim.lr_scheduler.LambdaLR(self.stepper, lambda step: cosine(min(step, self.steps - 1), self.steps))
        return {"optimizer": self.stepper, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Clock(lightning.Callback):
    """When epochs end. What is said of val then is not Lightning's, and costs the same for all."""

    def __init__(self, val: tuple[Tensor, Tensor]) -> None:
        self.val, self.ended, self.accuracy = val, [], []

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        self.accuracy.append(assess(module.model, module.model, *self.val)[1])
        module.model.train()
        self.ended.append(time.time())


def main(folder: str, name: str, kind: str) -> None:
    task = read(Path(folder))
    model, stepper, _ = by_hand(name, task)
    batches: Any = Resident(task, name) if kind == "resident" else loader(task, name)
    val = torch.from_numpy(task.values["val"]).to(DEVICE)
    clock = Clock(((val.float() - task.mean) / task.std, torch.from_numpy(task.label["val"]).to(DEVICE)))
    module = Module(model, stepper, task.settings["epochs"] * len(batches), kind == "default")
    with tempfile.TemporaryDirectory() as place:
        said: dict[str, Any] = {"default_root_dir": place} if kind == "default" else {"barebones": True}
        on = "gpu" if DEVICE.type == "cuda" else "cpu"
        trainer = lightning.Trainer(max_epochs=task.settings["epochs"], accelerator=on, devices=1, callbacks=[clock], **said)
        started = time.time()
        trainer.fit(module, batches)
    tell(started, clock.ended, clock.accuracy)


if __name__ == "__main__":
    main(*sys.argv[1:])
