"""Print the name of the GPU that torch finds, or nothing.

    python -m benchmarks.gpu_name

A program of its own, since the comparing ones stay without torch: what they hold in memory would count for those that they start.
"""

import torch

if __name__ == "__main__":
    print(torch.cuda.get_device_name() if torch.cuda.is_available() else "")
