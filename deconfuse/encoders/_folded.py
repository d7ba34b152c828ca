"""The mean of a transposed convolution's map, without the map."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class MeanOfTransposed(nn.Module):
    """The mean over all places of a transposed convolution's map, exactly, in forward and gradients.

    A tap of the kernel adds the input, times its weight, to each place that it reaches. The sum over all places is the tap's weight
    times the sum of the input, less the edge rows and columns from which that tap reaches beyond the map: what is left to do is
    little more than to read the input once.

    Args:
        layer: the transposed convolution, without groups and dilation.
    """

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K 1 1"]:
        layer = self.layer
        rows, height = self._reach(x, 0)
        columns, breadth = self._reach(x, 1)
        # one contraction after the other, along axes that are in this order in memory (channels last)
        within = torch.matmul(columns, x.permute(0, 2, 3, 1))
        sums = torch.matmul(rows, within.flatten(2)).unflatten(2, within.shape[2:])
        mean = torch.einsum("bijc,ckij->bk", sums, layer.weight) / (height * breadth)
        return (mean if layer.bias is None else mean + layer.bias)[:, :, None, None]

    def _reach(self, x: Tensor, axis: int) -> tuple[Float[Tensor, "kernel size"], int]:
        """For each tap 1 where the input's place lands on the map and 0 where beyond it, and the size of the map."""
        size, layer = x.shape[2 + axis], self.layer
        kernel, stride, padding = layer.kernel_size[axis], layer.stride[axis], int(layer.padding[axis])
        made = (size - 1) * stride + kernel - 2 * padding + int(layer.output_padding[axis])
        lands = torch.arange(size, device=x.device) * stride + torch.arange(kernel, device=x.device)[:, None] - padding
        return ((lands >= 0) & (lands < made)).to(x.dtype), made
