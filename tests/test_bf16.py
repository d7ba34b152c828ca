"""What a CPU computes in bf16 is what it computes in fp32, to rounding, whatever the shape and whatever memory held before."""

import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deconfuse.model.bf16 import bf16

torch.set_num_threads(1)
CPU = torch.device("cpu")
# layer, and the sides of the map that it is given: wrong, by AVX-512 or by AMX, without what spares or forbids them; the last are not
SHAPES = [
    (nn.Conv1d(32, 128, 3, 3, 1), [1]),
    (nn.Conv1d(64, 32, 7, 2, 3), [1]),
    (nn.Conv2d(256, 64, 5, 2, 2), [16, 1]),
    (nn.Conv2d(32, 8, 3, 2, 1), [2, 1]),
    (nn.Conv2d(16, 128, 3, 3, 1), [8, 1]),
    (nn.Conv2d(64, 128, 3, 2, 1), [6, 2]),
    (nn.Conv2d(64, 8, 2, 2), [12, 3]),
    (nn.Conv3d(16, 64, 3, padding=1), [2, 4, 10]),
    (nn.Conv3d(8, 64, 3, (1, 2, 2), 1), [2, 4, 4]),
    (nn.Conv3d(64, 64, 5, padding=2), [4, 4, 4]),
    (nn.ConvTranspose2d(1, 128, 3, 3, 1), [1, 1]),
    (nn.ConvTranspose2d(128, 128, 7, 2, 3), [10, 1]),
    (nn.ConvTranspose2d(32, 16, 4, 4), [6, 6]),
    (nn.ConvTranspose2d(32, 32, 2, 2, output_padding=1), [6, 6]),
    (nn.ConvTranspose3d(1, 64, 3, padding=1), [2, 1, 10]),
    (nn.Conv2d(16, 32, 3, padding=1), [8, 8]),
    (nn.ConvTranspose2d(16, 32, 5, 2, 2, output_padding=1), [8, 8]),
]


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


@pytest.mark.parametrize(("layer", "sides"), SHAPES, ids=str)
def test_a_convolution_of_any_shape_is_right(layer: Any, sides: list[int]) -> None:
    x = torch.randn(33, layer.in_channels, *sides, generator=torch.Generator().manual_seed(1))
    plain, gradients = learnt(layer, x, None)
    for _ in range(3):
        with bf16(CPU):
            half, halves = learnt(layer, x, None)
        for one, other in zip((half, *halves), (plain, *gradients), strict=True):
            assert torch.linalg.vector_norm(one - other) <= 0.02 * torch.linalg.vector_norm(other)


def test_only_small_maps_are_spared() -> None:
    kinds = {}
    for layer, sides in SHAPES:
        with bf16(CPU):
            kinds[str(layer)] = layer(torch.randn(2, layer.in_channels, *sides)).dtype
    assert list(kinds.values())[-2:] == [torch.bfloat16] * 2
    assert kinds[str(SHAPES[0][0])] == kinds[str(SHAPES[7][0])] == kinds[str(SHAPES[10][0])] == torch.float32


@pytest.mark.parametrize(("said", "kept"), [(None, "AVX512_CORE_BF16"), ("AVX2", "AVX2")])
def test_amx_is_not_taken_unless_it_is_asked_for(said: str | None, kept: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ONEDNN_MAX_CPU_ISA"}
    environment |= {} if said is None else {"ONEDNN_MAX_CPU_ISA": said}
    script = "import deconfuse, os; print(os.environ['ONEDNN_MAX_CPU_ISA'])"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == kept
