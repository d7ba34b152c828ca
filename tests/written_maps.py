"""Which maps a compiled block writes to memory, forwards and backwards; for a process whose types are not checked, which cuts what is
compiled into pieces."""

import json
import math
import re

import torch
from torch import nn
from torch._inductor.utils import run_fw_bw_and_get_code

from deconfuse.encoders._grid import Mean
from deconfuse.training.compiling import compile_parts


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers = [nn.ConvTranspose2d(8, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), Mean()]
    block = nn.Sequential(*layers).to(memory_format=torch.channels_last)
    x = torch.randn(2, 8, 16, 16).to(memory_format=torch.channels_last).bfloat16().requires_grad_()
    compile_parts({"block": block}, print)

    def answer() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return block(x)

    _, codes = run_fw_bw_and_get_code(answer)
    found = [re.findall(r"empty_strided_cpu\(\(([\d, ]+)\), .*, torch\.(\w+)\)", code) for code in codes]
    # of 2 samples 8 channels of 32 x 32 places, or somewhat more with a border
    maps = [[kind for shape, kind in each if math.prod(map(int, re.findall(r"\d+", shape))) >= 2 * 8 * 32 * 32] for each in found]
    print(json.dumps(maps))


if __name__ == "__main__":
    main()
