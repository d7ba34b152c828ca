"""Integrated gradients."""

from deconfuse.explain import Maps, Method, Question
from deconfuse.model.room import differentiated_at_once

STEPS, FEW = 24, 8
"""Points of the way, by Gauss-Legendre quadrature; and of one roughly followed."""
AT_ONCE = 500_000
"""Values of all inputs in one pass through the model."""


class IntegratedGradients(Method):
    """The gradient's mean on the straight way from a baseline to the input, times that way (Sundararajan, Taly & Yan 2017).

    All modalities go from their baselines at once, so that all cells sum to the answer less that to the baselines, but for the error of
    a sum over few steps.
    """

    adds_up = True

    def __init__(self, *, steps: int = STEPS) -> None:
        self.steps = steps

    def rough(self) -> Method:
        return IntegratedGradients(steps=FEW)

    def reaches(self, question: Question) -> list[str]:
        return list(question.modalities)

    def __call__(self, question: Question) -> Maps:
        # half a second
        from captum.attr import IntegratedGradients as Reference

        samples = len(question.weight)
        size = sum(x[0].numel() for x in question.inputs)
        found = Reference(question).attribute(
            question.inputs,
            question.baselines,
            additional_forward_args=question.beside,
            n_steps=self.steps,
            internal_batch_size=max(samples, min(AT_ONCE // size, differentiated_at_once(question.model, question.batch))),
        )
        return {name: question.folded(name, x.detach()) for name, x in zip(question.modalities, found, strict=True)}
