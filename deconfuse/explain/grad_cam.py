"""Grad-CAM."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from deconfuse.explain import Maps, Method, Question


class GradCam(Method):
    """The last map of a convolutional encoder, its channels weighted by their mean gradient and summed, and what is above 0 of that
    (Selvaraju et al. 2017), enlarged to the input's size.

    The map is what the last ReLU over places gives, or the last convolution where there is no such ReLU.
    """

    def reaches(self, question: Question) -> list[str]:
        return sorted(last_maps(question))

    def __call__(self, question: Question) -> Maps:
        from captum.attr import LayerGradCam

        found = {}
        for name, layer in last_maps(question).items():
            cam = LayerGradCam(question, layer)
            made = cam.attribute(question.inputs, additional_forward_args=question.beside, relu_attributions=True)
            found[name] = enlarged(made.detach(), len(question.weight), question.cells(name))
        return found


@torch.no_grad()
def last_maps(question: Question) -> dict[str, nn.Module]:
    """Modality -> the module whose output is its last map, for those whose encoder makes maps of more than one place."""
    found: dict[str, dict[type, nn.Module]] = {name: {} for name in question.modalities}
    handles = []
    for name in question.modalities:
        for part in question.model.encoders[name].modules():
            if isinstance(part, nn.ReLU | nn.Conv2d | nn.ConvTranspose2d):
                # the latest call stands last
                def seen(module: nn.Module, _: object, output: Tensor, at: dict[type, nn.Module] = found[name]) -> None:
                    if output.dim() == 4 and output[0, 0].numel() > 1:
                        at[nn.ReLU if isinstance(module, nn.ReLU) else nn.Conv2d] = module

                handles.append(part.register_forward_hook(seen))
    question(*question.inputs, *question.beside)
    for handle in handles:
        handle.remove()
    return {name: at.get(nn.ReLU) or at[nn.Conv2d] for name, at in found.items() if at}


def enlarged(maps: Float[Tensor, "N 1 h w"], samples: int, cells: tuple[int, ...]) -> Float[Tensor, "B ..."]:
    """Maps of pictures, or of all frames of clips (of fewer steps, maybe), at the size of the input."""
    made = F.interpolate(maps, cells[-2:], mode="bilinear")[:, 0]
    if len(cells) == 2:
        return made
    clips = rearrange(made, "(b t) h w -> b t h w", b=samples)
    steps = torch.arange(cells[0], device=clips.device) * clips.shape[1] // cells[0]
    return clips[:, steps]
