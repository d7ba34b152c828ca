"""What a CPU computes in bf16 is what it computes in fp32, to rounding, whatever the shape and whatever memory held before."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deconfuse.model.bf16 import bf16

torch.set_num_threads(1)
CPU = torch.device("cpu")
# layer, and the sides of the map that it is given; wrong in bf16 without what is spared:
# by AVX-512, where the larger map is smaller than the kernel
SMALL = [
    (nn.Conv1d(32, 128, 3, 3, 1), [1]),
    (nn.Conv1d(64, 32, 7, 2, 3), [1]),
    (nn.Conv2d(256, 64, 5, 2, 2), [16, 1]),
    (nn.Conv2d(32, 8, 3, 2, 1), [2, 1]),
    (nn.Conv2d(16, 128, 3, 3, 1), [8, 1]),
    (nn.Conv2d(64, 128, 3, 2, 1), [6, 2]),
    (nn.Conv3d(16, 64, 3, padding=1), [2, 4, 10]),
    (nn.Conv3d(8, 64, 3, (1, 2, 2), 1), [2, 4, 4]),
    (nn.Conv3d(64, 64, 5, padding=2), [4, 4, 4]),
    (nn.ConvTranspose2d(1, 128, 3, 3, 1), [1, 1]),
    (nn.ConvTranspose2d(128, 128, 7, 2, 3), [10, 1]),
    (nn.ConvTranspose3d(1, 64, 3, padding=1), [2, 1, 10]),
]
# by tiles
TILED = [
    (nn.Conv2d(64, 8, 2, 2), [12, 3]),
    (nn.Conv3d(3, 16, 4, (2, 3, 4), 1), [12, 8, 5]),
    (nn.ConvTranspose3d(1, 24, 5, 4, (2, 3, 0), output_padding=(0, 0, 2)), [8, 5, 1]),
    (nn.ConvTranspose2d(32, 32, 2, 2, output_padding=1), [6, 6]),
    (nn.ConvTranspose2d(8, 24, 3, 4, 1), [5, 5]),
    (nn.ConvTranspose3d(5, 1, (5, 3, 5), 4, (0, 1, 2), output_padding=(3, 0, 0), bias=False), [8, 8, 8]),
    (nn.ConvTranspose2d(32, 16, 4, 4), [6, 6]),
    (nn.Conv2d(24, 3, 4, 4), [12, 12]),
    (nn.Conv2d(8, 128, 8, 2, 3), [18, 26]),
    (nn.ConvTranspose1d(24, 16, 6, 6), [7]),
]
# never
RIGHT = [
    (nn.Conv2d(16, 32, 3, padding=1), [8, 8]),
    (nn.ConvTranspose2d(16, 32, 5, 2, 2, output_padding=1), [8, 8]),
    (nn.Conv2d(16, 32, 3, padding="same"), [8, 8]),
    (nn.ConvTranspose2d(32, 32, 4, 2, 1), [8, 8]),
]
# of no use in bf16
USELESS = [(nn.Conv2d(16, 16, 3, padding=1, groups=16), [8, 8]), (nn.Conv1d(16, 16, 3, padding="same", dilation=2), [8])]


def dirty() -> None:
    """Leave large numbers in memory that is free again."""
    for kind, number in ((torch.float32, 1e35), (torch.bfloat16, 3e38)):
        _ = [torch.full((size,), number, dtype=kind) for size in (2**6, 2**8, 2**10, 2**12, 2**14, 2**16, 2**18) for _ in range(4)]


def learnt(layer: nn.Module, x: Tensor, weigh: Tensor | None) -> tuple[Tensor, list[Tensor]]:
    """What a layer makes of an input, and the gradients of input and weights by a weighted sum of it."""
    given = x.clone().requires_grad_()
    dirty()
    made = layer(given)
    weigh = torch.randn(made.shape, generator=torch.Generator().manual_seed(2)) if weigh is None else weigh
    dirty()
    return made.detach().float(), list(torch.autograd.grad((made.float() * weigh).sum(), [given, *layer.parameters()]))


@pytest.mark.parametrize(("layer", "sides"), [*SMALL, *TILED, *RIGHT, *USELESS], ids=str)
def test_a_convolution_of_any_shape_is_right(layer: Any, sides: list[int]) -> None:
    x = torch.randn(33, layer.in_channels, *sides, generator=torch.Generator().manual_seed(1))
    plain, gradients = learnt(layer, x, None)
    for _ in range(3):
        with bf16(CPU):
            half, halves = learnt(layer, x, None)
        for one, other in zip((half, *halves), (plain, *gradients), strict=True):
            assert torch.linalg.vector_norm(one - other) <= 0.02 * torch.linalg.vector_norm(other)


@pytest.mark.parametrize("has_tiles", [False, True])
def test_no_more_is_spared_than_need_be(has_tiles: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deconfuse.model.bf16.HAS_TILES", has_tiles)
    halves = {True: torch.float32, False: torch.bfloat16}
    for layers, is_spared in ((SMALL, True), (TILED, has_tiles), (RIGHT, False), (USELESS, True)):
        for layer, sides in layers:
            with bf16(CPU):
                assert layer(torch.randn(2, layer.in_channels, *sides)).dtype == halves[is_spared], layer
