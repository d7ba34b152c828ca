"""The networks of the workloads as one writes them by hand, and what they cost.

    python -m benchmarks.rivals.networks WORKLOAD

prints the floating point operations that a sample takes.
"""

import sys

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Lstm(nn.Module):
    """LSTM(64) - LSTM(64) - 10 over 28 steps of 28 values; the last state is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(28, 64, 2, batch_first=True)
        self.head = nn.Linear(64, 10)

    def forward(self, x: Float[Tensor, "B T F"]) -> Float[Tensor, "B K"]:
        return self.head(self.rnn(x)[1][0][-1])


def head(features: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(features, width), nn.Linear(width, 10))


def cnn() -> nn.Module:
    """conv 32 - pool - conv 64 - pool - conv 64 - FC 64 - 10 on 28 x 28."""
    pool, relu = nn.MaxPool2d(2), nn.ReLU()
    features = [nn.Conv2d(1, 32, 3), relu, pool, nn.Conv2d(32, 64, 3), relu, pool, nn.Conv2d(64, 64, 3), relu, nn.Flatten()]
    return nn.Sequential(*features, nn.Linear(576, 64), relu, nn.Linear(64, 10))


def deconv(is_pooled: bool, is_linear: bool) -> nn.Module:
    """conv - transposed conv in turn, 32, 64 and 128 channels, 3 x 32 x 32 to 128 x 256 x 256, each with batch norm and ReLU; the
    whole map is classified or, `is_pooled`, its mean; `is_linear` leaves the last transposed convolution bare."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128)):
        last = is_linear and outputs == 128
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        layers += [nn.ConvTranspose2d(outputs, outputs, 4, stride=2, padding=1, bias=last)]
        layers += [] if last else [nn.BatchNorm2d(outputs), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(1)] if is_pooled else []
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 if is_pooled else 128 * 256 * 256, 10))


def conv_deconv() -> nn.Module:
    """Blocks of [conv of stride 2, transposed conv], 32, 64 and 128 channels, that keep 32 x 32; the mean of each channel is classified."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        layers += [nn.ConvTranspose2d(outputs, outputs, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 64), nn.Linear(64, 10))


NETWORKS = {
    "head": lambda: head(64, 32),
    "wide_head": lambda: head(512, 64),
    "cnn": cnn,
    "conv_deconv": conv_deconv,
    "printed_cnn": cnn,
    "printed_lstm": Lstm,
    "printed_deconv": lambda: deconv(False, False),
    "printed_pooled": lambda: deconv(True, False),
    "pooled_deconv": lambda: deconv(True, True),
}
SHAPES = {"head": (1, 64), "wide_head": (1, 512), "cnn": (1, 28, 28), "printed_cnn": (1, 28, 28), "printed_lstm": (28, 28)}


def flops(model: nn.Module, x: Tensor) -> float:
    """Floating point operations a sample, forwards and backwards, of matrix products and convolutions.

    torch's counter knows no recurrent layers; they are counted as the matrix products that they are: a step of a layer multiplies its
    input and its state by 4 x hidden columns, and the gradient does so twice more.
    """
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        model(x).sum().backward()
    recurrent = sum(
        3 * 2 * x.shape[1] * 4 * layer.hidden_size * ((layer.input_size if level == 0 else layer.hidden_size) + layer.hidden_size)
        for layer in model.modules()
        if isinstance(layer, nn.LSTM)
        for level in range(layer.num_layers)
    )
    return counter.get_total_flops() / len(x) + recurrent


def seeded(name: str) -> nn.Module:
    torch.manual_seed(0)
    return NETWORKS[name]()


if __name__ == "__main__":
    print(flops(seeded(sys.argv[1]), torch.randn(2, *SHAPES.get(sys.argv[1], (3, 32, 32)))))
