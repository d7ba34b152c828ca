"""A name is a file: `fusion: attention` is the class `Attention` of `deconfuse/fusion/attention.py`.

The keyword-only parameters of that class are its options: their annotations, bounds and defaults are the one place
from which `params.yaml` is checked and its JSON schema is made.
"""

import importlib
import inspect
import pkgutil
from functools import cache, reduce
from operator import or_
from types import ModuleType
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model
from pydantic.json_schema import GetJsonSchemaHandler
from pydantic_core import CoreSchema

from deconfuse.kernel.errors import UserError


def names(package: str) -> list[str]:
    """The parts that a folder of the package offers, sorted: one a file, but for files that parts share (`_shared.py`)."""
    folder: ModuleType = importlib.import_module(f"deconfuse.{package}")
    return sorted(module.name for module in pkgutil.iter_modules(folder.__path__) if not module.name.startswith("_"))


def part(package: str, name: str) -> Any:
    """The class that `name` stands for in a folder, e.g. `part("encoders", "cnn_lstm")` is `CnnLstm`.

    Raises UserError with the right names for a wrong one.
    """
    if name not in names(package):
        raise UserError(f"there is no {package} part {name!r}; there are: {', '.join(names(package))}")
    module = importlib.import_module(f"deconfuse.{package}.{name}")
    return getattr(module, "".join(word.capitalize() for word in name.split("_")))


class Options(BaseModel):
    """A part named in params, with its options; `{name: cnn}` and plain `cnn` are the same."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    name: str

    def arguments(self) -> dict[str, Any]:
        """The options as keyword arguments for the part's class."""
        return self.model_dump(exclude={"name"})


@cache
def options(package: str, name: str) -> type[Options]:
    """The pydantic model of a part's options, read off its class's keyword-only parameters."""
    if name == "auto":
        return create_model(f"{package}_auto", __base__=Options, __doc__="Chosen by the data.", name=(Literal["auto"], "auto"))
    kind = part(package, name)
    hints = get_type_hints(kind.__init__, include_extras=True)
    fields: dict[str, Any] = {
        parameter.name: (hints[parameter.name], parameter.default)
        for parameter in inspect.signature(kind).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    fields["name"] = (Literal[name], name)  # ty: ignore[invalid-type-form]
    doc = (inspect.getdoc(kind) or "").splitlines()[0]
    return create_model(f"{package}_{name}", __base__=Options, __doc__=doc, **fields)


@cache
def choice(package: str, *further: str) -> Any:
    """The pydantic type of "one part of this folder", or `auto` if that is among `further`: its bare name, or a mapping with `name`
    and options."""
    allowed = sorted([*names(package), *further])
    one_of = reduce(or_, (options(package, name) for name in allowed))

    class Either:
        @staticmethod
        def __get_pydantic_json_schema__(core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
            return {"anyOf": [{"enum": allowed}, handler(core)]}

    return Annotated[
        one_of,  # ty: ignore[invalid-type-form]
        Field(discriminator="name"),
        BeforeValidator(lambda value: {"name": value} if isinstance(value, str) else value),
        Either,
    ]
