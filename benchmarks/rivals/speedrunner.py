"""Networks made to be trained fast on CIFAR-10 (after Jordan 2024, https://arxiv.org/abs/2404.00498), in our loop.

    python -m benchmarks.rivals.speedrunner NETWORK MODEL SEED

Run in a project's folder, where NETWORK takes the place of the encoder of the model of that name, with its settings; prints its times as
JSON. Of the paper they have the frozen first convolution that whitens 2 x 2 patches, the widths, GELU, the narrow head and the initial
weights that pass their input on; not its alternating flip and its optimisers.
"""

import sys
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from benchmarks.rivals.reading import tell
from deconfuse.processes.team import ALONE
from deconfuse.runtime.device import prepare
from deconfuse.training.loop import fit
from deconfuse.training.optimisation import optimizer
from stages.train import params, prepared

WIDTHS = {"airbench94": (64, 256, 256), "airbench96": (128, 384, 512)}
DEEP = "airbench96"
PATCHES = 5000


class Speedrunner(nn.Module):
    """Of the contract of encoders: one token a picture. `pictures` are normalised ones to whiten by."""

    def __init__(self, network: str, pictures: Float[Tensor, "N 3 H W"], width: int) -> None:
        super().__init__()
        self.filters: Tensor
        self.register_buffer("filters", whitening(pictures))
        self.shift = nn.Parameter(torch.zeros(len(self.filters)))
        widths = WIDTHS[network]
        inputs = (len(self.filters), *widths[:-1])
        self.groups = nn.Sequential(*(Group(a, b, network == DEEP) for a, b in zip(inputs, widths, strict=True)))
        self.project = nn.Linear(widths[-1], width, bias=False)

    def forward(self, x: Float[Tensor, "B 3 H W"], length: None = None) -> tuple[Float[Tensor, "B 1 D"], dict[str, object]]:
        x = nn.functional.gelu(nn.functional.conv2d(x, self.filters, self.shift))
        x = self.groups(x).amax((2, 3))
        mask = torch.ones(len(x), 1, dtype=torch.bool, device=x.device)
        return self.project(x)[:, None] / 9, {"mask": mask}


@torch.no_grad()
def whitening(pictures: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "24 3 2 2"]:
    """The principal axes of patches, each to variance 1, and their negatives."""
    patches = pictures.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12)
    patches = patches[torch.linspace(0, len(patches) - 1, min(PATCHES, len(patches))).long()].double()
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    axes = (vectors / (values + 5e-4).sqrt()).T.reshape(12, 3, 2, 2).float()
    return torch.cat([axes, -axes])


class Group(nn.Module):
    """conv - pool - norm - GELU - conv - norm - GELU; a deep one has two of the latter convolutions, with a residual around both."""

    def __init__(self, inputs: int, outputs: int, is_deep: bool) -> None:
        super().__init__()
        self.is_deep = is_deep
        self.first = nn.Sequential(conv(inputs, outputs), nn.MaxPool2d(2), norm(outputs), nn.GELU())
        more = [nn.GELU(), conv(outputs, outputs), norm(outputs)] if is_deep else []
        self.rest = nn.Sequential(conv(outputs, outputs), norm(outputs), *more)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K h w"]:
        x = self.first(x)
        made = self.rest(x)
        return nn.functional.gelu(made + x if self.is_deep else made)


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    made = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    # as many channels as come in go on as they are
    nn.init.dirac_(made.weight[:inputs])
    return made


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, momentum=0.4)


def main(network: str, name: str, seed: str) -> None:
    _, wanted = params(name)
    job = prepared(name, ALONE, prepare(wanted.device, wanted.threads, wanted.precision))
    model, recipe, _ = job.begin(int(seed), print)
    some = job.splits["train"].batch(slice(0, 512)).inputs["image"]
    encoder = Speedrunner(network, model.normalised("image", some).cpu(), job.entry.width)
    model.encoders["image"] = encoder.to(job.device).to(memory_format=torch.channels_last)
    model.bf16 = frozenset(["encoders.image"] if job.device.type == "cuda" else [])
    stepper = optimizer(wanted.optimizer, model, wanted.weight_decay, wanted.momentum)
    recipe = replace(recipe, optimizer=stepper, recorder=job.hasten(model, print))
    state = fit(model, job.splits["train"], job.splits["val"], recipe, lambda row: None)
    tell(state.started, state.ended, [float(row["val_accuracy"]) for row in state.rows])


if __name__ == "__main__":
    main(*sys.argv[1:])
