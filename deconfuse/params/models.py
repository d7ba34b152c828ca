"""The `models:` section: the line-up, one trained model an entry."""

from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator
from torch.nn import ModuleDict

from deconfuse.kernel.lookup import choice
from deconfuse.kernel.strict import Strict
from deconfuse.params.train import Train

# a name becomes a folder, a DVC stage and an MLflow run
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class Model(Strict):
    """One model: an encoder for each modality it uses, and a fusion where it uses several."""

    encoders: Annotated[dict[Name, choice("encoders")], Field(min_length=1)]  # ty: ignore[invalid-type-form]
    """Modality -> encoder, by name or as a mapping of `name` and options."""
    fusion: choice("fusion") | None = None  # ty: ignore[invalid-type-form]
    """How the modalities become one, by name or as a mapping of `name` and options; for two modalities or more."""
    width: Annotated[int, Field(ge=1, le=65_536)] = 64
    """Size of the embedding that every modality is mapped to."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability with which a feature before the last linear map is zeroed in training."""
    augment: dict[Name, Annotated[list[choice("augmentation")], Field(min_length=1)]] = {}  # ty: ignore[invalid-type-form]
    """Modality -> how its samples are changed in training, one after another, each by name or as a mapping of `name` and options."""
    train: Train = Train()
    """Keys of the `train:` section that this model sets otherwise; what is not written here is taken from there."""

    @field_validator("encoders")
    @classmethod
    def in_order(cls, encoders: dict[str, Any]) -> dict[str, Any]:
        # torch keeps modules by name among its own attributes
        taken = [name for name in encoders if hasattr(ModuleDict, name)]
        if taken:
            raise ValueError(f"a modality cannot be called {taken[0]!r}, a name that torch needs for itself; call it otherwise")
        return dict(sorted(encoders.items()))

    def training(self, common: Train) -> Train:
        """The settings that this model is trained with: the common ones, and its own over them."""
        return common.model_copy(update={name: getattr(self.train, name) for name in self.train.model_fields_set})

    @model_validator(mode="after")
    def fusion_fits(self) -> Self:
        several = ", ".join(self.encoders)
        if self.fusion is not None and len(self.encoders) == 1:
            raise ValueError(
                f"fusion needs two modalities or more, but `encoders` names only {several}; take out `fusion` or add an encoder"
            )
        if self.fusion is None and len(self.encoders) > 1:
            raise ValueError(f"`encoders` names {len(self.encoders)} modalities ({several}), so `fusion` must say how they are joined")
        return self


Models = Annotated[dict[Name, Model], Field(min_length=1)]
