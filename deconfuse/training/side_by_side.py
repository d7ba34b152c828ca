"""The encoders of a model at work side by side, each on one of the processor's cores, to the bytes of one after the other."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

T = TypeVar("T")
Encoded = tuple[Tensor, Tensor, dict[str, object]]
"""Tokens, which of them are there, and more that the encoder tells."""
Work = Mapping[str, Callable[[], Encoded]]

TRIED = 3
"""Steps in which the encoders are timed one after the other; the first also fills caches."""
WORTH = 1e-3
"""Seconds that must be saved of the encoders' way forwards, a third of all; handing work to threads takes a tenth of that."""


class SideBySide:
    """Works through the encoders of training steps, and of validation.

    No operation knows of the others, and each still has `train.threads` threads, so neither the number of cores nor the order in which
    they end changes a byte. Encoders that draw random numbers are left one after the other: they would draw them in any order. So are
    those that take too little time. Backwards each goes on its own way once all that is behind the tokens is done.

    Args:
        workers: how many work at a time.
        threads: of each operation.
    """

    def __init__(self, workers: int, threads: int) -> None:
        self.pool = ThreadPoolExecutor(workers, "encoder", initializer=partial(begin, threads))
        self.seconds: dict[str, float] = {}
        """The least time that each encoder took alone."""
        self.tried, self.pays = 0, True

    def __call__(self, work: Work) -> dict[str, Encoded]:
        """What each encoder gives; the gradients of its weights come with the backward pass through the tokens."""
        is_asked = torch.is_inference_mode_enabled()
        if self.tried < TRIED and not is_asked:
            return self.timed(work)
        if self.tried < TRIED or not self.pays:
            return {name: encode() for name, encode in work.items()}
        encoded = self.all(work)
        tokens = {name: found[0] for name, found in encoded.items() if found[0].requires_grad}
        leaves = [value.detach().requires_grad_() for value in tokens.values()]
        handed = dict(zip(tokens, Handed.apply(self, tokens, *leaves), strict=True)) if tokens else {}
        return {name: (handed.get(name, found[0]), *found[1:]) for name, found in encoded.items()}

    def timed(self, work: Work) -> dict[str, Encoded]:
        """One after the other, to see how long each takes and whether any draws random numbers."""
        before, found = torch.get_rng_state(), {}
        for name, encode in work.items():
            begun = perf_counter()
            found[name] = encode()
            self.seconds[name] = min(perf_counter() - begun, self.seconds.get(name, float("inf")))
        self.tried += 1
        is_drawn = not torch.equal(before, torch.get_rng_state())
        self.pays = self.pays and not is_drawn
        if self.tried == TRIED:
            saved = sum(self.seconds.values()) - max(self.seconds.values())
            self.pays = self.pays and saved >= WORTH
        return found

    def all(self, work: Mapping[str, Callable[[], T]]) -> dict[str, T]:
        """The results in the order of `work`; the longest begins first, so that none is left alone at the end."""
        way = torch.is_inference_mode_enabled()
        waited = {name: self.pool.submit(partial(under, way, work[name])) for name in sorted(work, key=lambda name: -self.seconds[name])}
        try:
            return {name: waited[name].result() for name in work}
        finally:
            # nobody else does, and the weights will move
            wait(waited.values())
            torch.clear_autocast_cache()


def begin(threads: int) -> None:
    """Make a thread ready for encoders.

    What autocast has cast it keeps for all threads, and forgets when the outermost autocast of any thread ends: here none does.
    """
    torch.set_num_threads(threads)
    torch.autocast("cpu", enabled=False).__enter__()


class Handed(torch.autograd.Function):
    """Tokens as what comes next sees them: no more than values, whose gradients are then taken back to the encoders, side by side."""

    @staticmethod
    def forward(ctx: Any, owner: SideBySide, tokens: dict[str, Tensor], *leaves: Float[Tensor, "B _ D"]) -> tuple[Tensor, ...]:
        ctx.owner, ctx.tokens = owner, tokens
        return tuple(leaf.view_as(leaf) for leaf in leaves)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[None, ...]:
        came = {name: gradient for name, gradient in zip(ctx.tokens, gradients, strict=True) if gradient is not None}
        ctx.owner.all({name: partial(back, ctx.tokens[name], gradient) for name, gradient in came.items()})
        return (None,) * (2 + len(gradients))


def under(is_asked: bool, work: Callable[[], T]) -> T:
    """In a thread: as who waits for it, in inference mode or not."""
    with torch.inference_mode(is_asked):
        return work()


def back(tokens: Float[Tensor, "B _ D"], gradient: Float[Tensor, "B _ D"]) -> None:
    """Take a gradient on: by a number whose gradient it is, since torch imports sympy where it is given one."""
    (tokens * gradient).sum().backward()
