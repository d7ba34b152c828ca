"""bf16 on a device: by autocast, but for what a CPU gets wrong in it."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

TRANSPOSED = (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)
CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d, *TRANSPOSED)


@contextmanager
def bf16(device: torch.device) -> Generator[None]:
    """A block whose products are of 8 bits of mantissa, summed in 32."""
    with torch.autocast(device.type, torch.bfloat16), Sparing() if device.type == "cpu" else nullcontext():
        yield


class Sparing(TorchFunctionMode):
    """A block in which a convolution of a map that is smaller than its kernel computes in fp32.

    In bf16 with AVX-512 the gradient of its weights holds what happened to be in memory (oneDNN 3.10 to 3.13, torch 2.11 to 2.15).
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        if func not in CONVOLUTIONS or not is_small(func, *args, **named):
            return func(*args, **named)
        with torch.autocast("cpu", enabled=False):
            return func(*map(as_fp32, args), **{name: as_fp32(value) for name, value in named.items()})


def is_small(
    func: Callable[..., Any],
    input: Tensor,  # noqa: A002  torch's own name
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    *others: object,
    **more: object,
) -> bool:
    """Whether the larger of a convolution's two maps is smaller than the kernel along an axis; the arguments are those of torch."""
    kernel = weight.shape[2:]
    sides: Sequence[int] = input.shape[-len(kernel) :]
    if func in TRANSPOSED:
        axes = zip(sides, kernel, each(stride, kernel), each(padding, kernel), each(output_padding, kernel), strict=True)
        sides = [(side - 1) * step - 2 * cut + width + extra for side, width, step, cut, extra in axes]
    return any(side < width for side, width in zip(sides, kernel, strict=True))


def each(value: Any, axes: Sequence[int]) -> Sequence[int]:
    """One number for all axes, or one for each of them."""
    given = (value,) if isinstance(value, int) else tuple(value)
    return given * len(axes) if len(given) == 1 else given


def as_fp32(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) else value
