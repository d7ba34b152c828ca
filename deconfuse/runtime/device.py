"""Where a model computes, and that it does so repeatably."""

import os

import torch

from deconfuse.kernel.errors import UserError
from deconfuse.runtime.heap import keep_freed


def prepare(device: str, threads: int, precision: str) -> torch.device:
    """The device that params name, with torch set to the same bytes run by run (on a GPU: as far as it can).

    Args:
        device: auto, cpu or cuda.
        threads: of the CPU.
        precision: `fp32` keeps a GPU from TF32, whose products have 10 bits of mantissa; `auto` and `bf16` take it.

    Raises UserError where `cuda` is asked for and none is there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("train.device is 'cuda', but torch finds no GPU; take 'auto' or 'cpu'")
    chosen = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    torch.set_num_threads(threads)
    keep_freed()
    # cuBLAS repeats itself only with a workspace of fixed size
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # the same switch as use_deterministic_algorithms, which also imports the compiler: 1.5 s a process. On a GPU some
    # gradients (adaptive pooling's for one) have no repeatable form: torch warns and goes on
    torch.set_deterministic_debug_mode("error" if chosen.type == "cpu" else "warn")
    # else every new tensor is first filled with NaN, which shows code that reads what nobody wrote, and takes a tenth of the time
    torch.utils.deterministic.fill_uninitialized_memory = False  # ty: ignore[missing-attribute]
    torch.backends.cudnn.benchmark = False
    if chosen.type == "cuda":
        torch.backends.cudnn.allow_tf32 = precision != "fp32"
        torch.set_float32_matmul_precision("highest" if precision == "fp32" else "high")
    return chosen
