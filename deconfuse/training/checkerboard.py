"""Checkerboards: the pattern of period 2 that transposed convolutions can leave in what they make (Odena et al. 2016)."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.modules.conv import _ConvTransposeNd

LEAST = 4
"""Pixels along a side from which on a map has other waves than those of period 2."""


def energies(maps: Float[Tensor, "*M H W"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Energy of all maps at the waves of period 2 (along one axis or both, whatever they do along the other), and at all waves.

    The mean of each map is no wave. Of an odd side the last row or column is left out, since its waves miss that period. The lines of
    the spectrum are found without a Fourier transform: along an axis the wave of period 2 is +1, -1, +1 ... (Parseval).
    """
    height, width = (side - side % 2 for side in maps.shape[-2:])
    maps = maps[..., :height, :width].double()
    maps = maps - maps.mean((-2, -1), keepdim=True)
    down, across = (1 - 2 * (torch.arange(side, device=maps.device) % 2).double() for side in (height, width))
    rows, columns = torch.einsum("...yx,y->...x", maps, down), torch.einsum("...yx,x->...y", maps, across)
    both = torch.einsum("...x,x->...", rows, across)
    lines = rows.square().sum() / height + columns.square().sum() / width - both.square().sum() / (height * width)
    return lines, maps.square().sum()


def share(lines: float, energy: float) -> float:
    """The share of the energy at the waves of period 2, 0 to 1; 0 where maps are flat."""
    return lines / energy if energy > 0 else 0.0


def noise(height: int, width: int) -> float:
    """The share that white noise has: that of the waves of period 2 in all waves, which is large for small maps."""
    height, width = height - height % 2, width - width % 2
    return (height + width - 1) / (height * width - 1)


def unevenness(layer: _ConvTransposeNd) -> float:
    """Standard deviation over mean of how many taps of the kernel reach a place, edges left out: 0 where the stride divides the kernel."""
    counts = torch.ones(())
    for kernel, stride, dilation in zip(layer.kernel_size, layer.stride, layer.dilation, strict=True):
        taps = torch.bincount(torch.arange(kernel) * dilation % stride, minlength=stride).double()
        counts = counts[..., None] * taps
    return float(counts.std(correction=0) / counts.mean())
