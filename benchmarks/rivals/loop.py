"""The loop that one writes by hand: the whole split in memory, batches by index; epoch by epoch the same account as ours.

    python -m benchmarks.rivals.loop PROJECT WORKLOAD [--own MODEL]

With `--own` it trains the project's model of that name, by the same optimiser, in place of the bare layers: what is left between the two
is the engine. On a GPU where there is one.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.rivals.networks import seeded
from benchmarks.rivals.reading import Task, read, tell

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SHIFTS = {"cnn": 2, "conv_deconv": 4}
MIRRORED = {"conv_deconv"}
Batch = tuple[Tensor, Tensor]


def own(folder: Path, name: str) -> tuple[nn.Module, torch.optim.Optimizer, Callable[[Tensor], Tensor]]:
    """The project's model, its optimiser, and how it is asked."""
    from deconfuse.kernel.files import read_json
    from deconfuse.kernel.params import read as read_params
    from deconfuse.model.build import build
    from deconfuse.params.models import Model as Entry
    from deconfuse.params.train import Train
    from deconfuse.training.optimisation import optimizer

    entry = read_params(f"models.{name}", Entry, folder / "params.yaml")
    settings = entry.training(read_params("train", Train, folder / "params.yaml"))
    (modality,) = entry.encoders
    specs = {modality: read_json(folder / f"data/embedded/spec/{modality}.json")}
    torch.manual_seed(0)
    model = build(entry, specs, torch.zeros(10), name).to(DEVICE)
    stepper = optimizer(settings.optimizer, model, settings.weight_decay, settings.momentum)
    return model, stepper, lambda x: model({modality: x}, {}, {modality: torch.ones(len(x), dtype=torch.bool, device=DEVICE)})[0]


def by_hand(name: str, task: Task) -> tuple[nn.Module, torch.optim.Optimizer, Callable[[Tensor], Tensor]]:
    model = seeded(name).to(DEVICE)
    kind = torch.optim.Adam if task.settings.get("optimizer") == "adam" else torch.optim.AdamW
    stepper = kind(model.parameters(), lr=task.settings["learning_rate"], weight_decay=task.settings.get("weight_decay", 0.01))
    return model, stepper, lambda x: model((x.float() - task.mean) / task.std)


def changed(x: Tensor, name: str) -> Tensor:
    """Each picture moved by a few pixels, its border repeated, and half of them mirrored, where the workload has it so."""
    if name not in SHIFTS:
        return x
    side, rows = x.shape[-1], torch.arange(len(x), device=x.device)
    moved = torch.arange(side, device=x.device) + torch.randint(-SHIFTS[name], SHIFTS[name] + 1, (2, len(x), 1), device=x.device)
    down, right = moved.clamp(0, side - 1)
    channels = torch.arange(x.shape[1], device=x.device)
    x = x[rows[:, None, None, None], channels[:, None, None], down[:, None, :, None], right[:, None, None]]
    return torch.where(torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5, x.flip(-1), x) if name in MIRRORED else x


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("project", type=Path)
    parser.add_argument("workload")
    parser.add_argument("--own")
    chosen = parser.parse_args()
    task = read(chosen.project)
    model, stepper, ask = by_hand(chosen.workload, task) if chosen.own is None else own(chosen.project, chosen.own)
    x, y = torch.from_numpy(task.values["train"]).to(DEVICE), torch.from_numpy(task.label["train"]).to(DEVICE)

    def batches() -> Iterator[Batch]:
        for index in torch.randperm(len(y), device=DEVICE).split(task.settings["batch_size"]):
            yield changed(x[index], chosen.workload), y[index]

    learn(model, stepper, ask, batches, task)


def learn(
    model: nn.Module,
    stepper: torch.optim.Optimizer,
    ask: Callable[[Tensor], Tensor],
    batches: Callable[[], Iterable[Batch]],
    task: Task,
) -> None:
    """Train and print the result; the weights of the best epoch are kept."""
    steps = task.settings["epochs"] * math.ceil(len(task.label["train"]) / task.settings["batch_size"])
    val = torch.from_numpy(task.values["val"]).to(DEVICE), torch.from_numpy(task.label["val"]).to(DEVICE)
    started, ended, accuracy, best, step = time.time(), [], [], math.inf, 0
    kept = {}
    for _ in range(task.settings["epochs"]):
        model.train()
        total, right = 0.0, 0
        for batch in batches():
            x, label = (part.to(DEVICE, non_blocking=True) for part in batch)
            rate = task.settings["learning_rate"] * (1.0 if task.settings.get("schedule") == "constant" else cosine(step, steps))
            for group in stepper.param_groups:
                group["lr"] = rate
            logits = ask(x)
            loss = F.cross_entropy(logits, label)
            stepper.zero_grad()
            loss.backward()
            stepper.step()
            total += loss.detach() * len(label)
            right += (logits.argmax(1) == label).sum()
            step += 1
        _ = float(total), int(right)
        loss, correct = assess(model, ask, *val)
        accuracy.append(correct)
        if loss < best:
            best, kept = loss, {name: value.clone() for name, value in model.state_dict().items()}
        ended.append(time.time())
    model.load_state_dict(kept)
    tell(started, ended, accuracy)


def cosine(step: int, steps: int) -> float:
    """Share of the learning rate: a straight climb over a tenth of all steps, then half a cosine."""
    climb = round(0.1 * steps)
    return (step + 1) / climb if step < climb else 0.5 * (1 + math.cos(math.pi * (step - climb) / (steps - climb)))


@torch.inference_mode()
def assess(model: nn.Module, ask: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> tuple[float, float]:
    """Loss and accuracy on val."""
    model.eval()
    logits = torch.cat([ask(part) for part in x.split(512)])
    return F.cross_entropy(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


if __name__ == "__main__":
    main()
