"""Network deconvolution: convolutions of decorrelated input (Ye et al. 2020)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-5
ITERATIONS = 5
CHANNELS = 64
"""That are decorrelated together at most, as published."""
APART = 3
"""Pixels between the places that the statistics are taken at, as published."""


class NetworkDeconvolution(nn.Conv2d):
    """A convolution that takes out of its input what neighbouring pixels and channels have in common.

    The patches that the kernel sees are centred and multiplied with D, their covariance to the power -1/2, so that a step of gradient
    descent is the same in all directions; batch norm is not needed then. D is of the batch in training, its running mean later, and the
    gradient passes through it. Instead of the patches the kernel is changed, which is the same: (x - mean) D w = x (D w) - mean (D w).

    Args:
        inputs, outputs: channels.
        kernel: its side.
        padding: zeros around the picture, which count as input.
        momentum: share of a batch in the running statistics.
    """

    # deconfuse/processes can let no other layer see more rows than the process has
    sees_batch = True

    def __init__(self, inputs: int, outputs: int, kernel: int, padding: int = 0, momentum: float = 0.1) -> None:
        super().__init__(inputs, outputs, kernel, padding=padding)
        self.around, self.momentum = padding, momentum
        self.groups_of_channels = next(number for number in range(-(-inputs // CHANNELS), inputs + 1) if inputs % number == 0)
        size = inputs // self.groups_of_channels * kernel * kernel
        self.running_mean: Tensor
        self.running_root: Tensor
        self.register_buffer("running_mean", torch.zeros(self.groups_of_channels, size))
        self.register_buffer("running_root", torch.eye(size).repeat(self.groups_of_channels, 1, 1))

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H2 W2"]:  # noqa: A002  torch's own name
        with torch.autocast(input.device.type, enabled=False):
            mean, root = self.statistics(input.float()) if self.training else (self.running_mean, self.running_root)
            # a patch lies in memory as a kernel does: channel by channel
            kernels = torch.einsum("kgi,gij->kgj", self.weight.flatten(1).unflatten(1, mean.shape), root)
            shift = torch.einsum("kgj,gj->k", kernels, mean)
        bias = -shift if self.bias is None else self.bias - shift
        return F.conv2d(input, kernels.reshape(self.weight.shape), bias, padding=self.around)

    def statistics(self, x: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "G I"], Float[Tensor, "G I I"]]:
        """Mean of the batch's patches and the inverse root of their covariance, by group; the running ones follow."""
        patches = F.unfold(x, self.kernel_size, padding=self.around, stride=APART).movedim(1, 2).flatten(0, 1)
        patches = patches.unflatten(1, self.running_mean.shape)
        mean = patches.mean(0)
        centred = (patches - mean).movedim(1, 0)
        covariance = centred.mT @ centred / len(patches)
        root = inverse_root(covariance + EPSILON * torch.eye(covariance.shape[-1], device=x.device))
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_root.lerp_(root, self.momentum)
        return mean, root


def inverse_root(matrices: Float[Tensor, "G I I"], iterations: int = ITERATIONS) -> Float[Tensor, "G I I"]:
    """Symmetric positive matrices to the power -1/2, nearly: coupled Newton-Schulz iterations (Denman & Beavers 1976; Ye et al. 2020)."""
    scale = matrices.square().sum((-2, -1), keepdim=True).sqrt()
    identity = torch.eye(matrices.shape[-1]).to(matrices)
    near, root = matrices / scale, identity.expand_as(matrices)
    for _ in range(iterations):
        step = 1.5 * identity - 0.5 * root @ near
        near, root = near @ step, step @ root
    return root / scale.sqrt()
