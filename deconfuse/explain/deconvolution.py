"""Deconvolution pictures."""

import warnings

from torch import nn

from deconfuse.explain import Maps, Method, Question


class Deconvolution(Method):
    """The answer led back to the input by transposed filters, pools undone by their switches, and a ReLU on the signal wherever the
    network has one (Zeiler & Fergus 2014): the gradient but for that last rule, which lets pass what is positive now instead of what
    was positive on the way up.

    A picture of what the filters on the way react to, no explanation: it partly restores the input whatever the class (Nie, Zhang &
    Patel 2018). Only convolutional encoders have one; in what follows them the rule holds where there is a ReLU, too.
    """

    def reaches(self, question: Question) -> list[str]:
        encoders = question.model.encoders
        return [name for name in question.modalities if any(isinstance(part, nn.ReLU) for part in encoders[name].modules())]

    def __call__(self, question: Question) -> Maps:
        from captum.attr import Deconvolution as Reference

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="(Setting backward hooks|Input Tensor .* did not already require)")
            found = Reference(question).attribute(question.inputs, additional_forward_args=question.beside)
        maps = dict(zip(question.modalities, found, strict=True))
        return {name: question.folded(name, maps[name].detach()) for name in self.reaches(question)}
