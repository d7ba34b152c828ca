"""bf16 on a device: by autocast, but for what a CPU gets wrong in it."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

TRANSPOSED = (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)
CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d, *TRANSPOSED)
HAS_TILES = bool(torch.cpu.get_capabilities().get("amx_bf16"))
"""Whether the processor multiplies bf16 by tiles (AMX)."""


@contextmanager
def bf16(device: torch.device) -> Generator[None]:
    """A block whose products are of 8 bits of mantissa, summed in 32."""
    with torch.autocast(device.type, torch.bfloat16), Sparing() if device.type == "cpu" else nullcontext():
        yield


class Axis(NamedTuple):
    """Of a convolution, by torch's names."""

    kernel: int
    stride: int
    padding: int
    output_padding: int
    smaller: int
    """Places of the map that a transposed convolution is given, and that a plain one makes."""
    larger: int
    """Places of the other map."""


class Sparing(TorchFunctionMode):
    """A block in which some convolutions compute in fp32: what may be wrong in bf16, silently, see `is_wrong`, and those with groups or
    dilation, which gain nothing by it."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        if func not in CONVOLUTIONS or not is_spared(func, *args, **named):
            return func(*args, **named)
        with torch.autocast("cpu", enabled=False):
            return func(*map(as_fp32, args), **{name: as_fp32(value) for name, value in named.items()})


def is_spared(
    func: Callable[..., Any],
    input: Tensor,  # noqa: A002  torch's own name
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    *others: Any,
    **named: Any,
) -> bool:
    """Whether a convolution computes in fp32; the arguments are those of torch."""
    is_transposed = func in TRANSPOSED
    given = dict(zip(("output_padding", "groups", "dilation") if is_transposed else ("dilation", "groups"), others, strict=False)) | named
    kernel = tuple(weight.shape[2:])
    dimensions = len(kernel)
    if given.get("groups", 1) != 1 or max(each(given.get("dilation", 1), dimensions)) > 1:
        return True
    # "same" is for a stride of 1, for which padding is not looked at
    settings = (stride, 0 if isinstance(padding, str) else padding, given.get("output_padding", 0))
    of_axes = zip(kernel, *(each(value, dimensions) for value in settings), tuple(input.shape[-dimensions:]), strict=True)
    axes = []
    for width, step, cut, extra, side in of_axes:
        made = (side - 1) * step - 2 * cut + width + extra if is_transposed else (side + 2 * cut - width) // step + 1
        axes.append(Axis(width, step, cut, extra, *((side, made) if is_transposed else (made, side))))
    # a transposed convolution is the adjoint of a plain one, which sums over the channels that come out of it
    return is_wrong(weight.shape[1], axes)


def is_wrong(channels: int, axes: Sequence[Axis]) -> bool:
    """Whether oneDNN (3.10 to 3.13, torch 2.11 to 2.15) may compute a convolution's map or gradients in bf16 from what happens to be in
    memory, or without the bias. Found by drawing layers by chance; somewhat wider than the faults that were seen.

    Args:
        channels: over which each value of the smaller map is a sum.
        axes: all of the kernel.
    """
    # with AVX-512: the gradient of the weights
    if any(axis.larger < axis.kernel for axis in axes):
        return True
    if not HAS_TILES:
        return False
    # with tiles: a map that a stride leaves one place wide, places that no tap reaches, and few channels, which are taken together with
    # the taps of a row
    strided = [axis for axis in axes if axis.stride > 1]
    if any(axis.smaller == 1 or axis.kernel < axis.stride or axis.output_padding > axis.padding for axis in strided):
        return True
    return channels < 32 and axes[-1].kernel >= 4


def each(value: int | Sequence[int], dimensions: int) -> tuple[int, ...]:
    """One number for all axes, or one for each of them."""
    given = (value,) if isinstance(value, int) else tuple(value)
    return given * dimensions if len(given) == 1 else given


def as_fp32(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) else value
