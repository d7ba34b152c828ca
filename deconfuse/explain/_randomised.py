"""Copies of a model that have forgotten what they learnt, for the test of explanations by randomised weights (Adebayo et al. 2018)."""

from copy import deepcopy
from typing import Literal

import torch
from torch import nn

from deconfuse.model.multimodal import Model

Level = Literal["head", "all"]
LEVELS: tuple[Level, ...] = ("head", "all")
"""What is randomised: the last layer alone, or every weight."""

APART = 1_000_003
"""Added to a seed: the weights must not be those that a training with the same seed began with."""


@torch.no_grad()
def randomised(model: Model, level: Level, seed: int) -> Model:
    """A copy with weights drawn as before training: by each layer's own rule, and where there is none (single tokens and the like) by
    shuffling what it had."""
    copy = deepcopy(model).cpu()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(APART + seed)
        for module in (copy.head if level == "head" else copy).modules():
            drawn(module)
    return copy.to(model.log_prior.device)


def drawn(module: nn.Module) -> None:
    own_rule = getattr(module, "reset_parameters", None)
    if callable(own_rule):
        own_rule()
        return
    for parameter in module.parameters(recurse=False):
        parameter.copy_(parameter.flatten()[torch.randperm(parameter.numel())].view_as(parameter))
