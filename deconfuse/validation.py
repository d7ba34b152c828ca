"""All of `params.yaml`, and what its sections must agree on."""

from itertools import islice
from pathlib import Path
from typing import Any

from deconfuse.encoders import Spec
from deconfuse.kernel.errors import UserError
from deconfuse.kernel.explain import nearest
from deconfuse.kernel.files import write_json
from deconfuse.kernel.lookup import part
from deconfuse.kernel.params import FILE, check, load
from deconfuse.kernel.strict import Strict
from deconfuse.model.build import check as check_build
from deconfuse.params.data import Data
from deconfuse.params.embed import Embed
from deconfuse.params.evaluate import Evaluate
from deconfuse.params.lineup import LineUp
from deconfuse.params.models import Models
from deconfuse.params.preprocess import Preprocess
from deconfuse.params.report import Report
from deconfuse.params.search import Search
from deconfuse.params.space import beside, changed, check_keys, tried
from deconfuse.params.tracking import Tracking
from deconfuse.params.train import Train
from deconfuse.regularisation.augmenting import check as check_augment
from deconfuse.regularisation.reconstruction import check as check_reconstruction
from deconfuse.tasks._auto import resolve

PAIRINGS = 100
"""With how many values of other keys a value is tried that does not do."""


class Params(Strict):
    """The params of the whole pipeline."""

    data: Data
    preprocess: Preprocess
    embed: Embed
    train: Train
    models: Models
    evaluate: Evaluate = Evaluate()
    report: Report
    tracking: Tracking
    lineup: LineUp = LineUp()
    search: Search | None = None


def schema() -> dict[str, Any]:
    """The JSON schema of `params.yaml`, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "params.yaml of deconfuse", **Params.model_json_schema()}


def validate(kinds: dict[str, str], path: Path = FILE) -> Params:
    """All params, checked one by one and against each other.

    Args:
        kinds: modality -> kind of media of the data set.
        path: the params file.

    Raises UserError.
    """
    values = load(path)
    params: Params = check(values, Params, path=path)
    agree(params, kinds, path)
    check_comparisons(params, path)
    if params.search is not None:
        check_search(values, params.search, kinds, path)
    return params


def check_search(values: dict[str, Any], search: Search, kinds: dict[str, str], path: Path) -> None:
    """Raise UserError where a value that a search may try does not do, whatever the others are."""
    check_keys(search, values, str(path))
    # the other models are checked once, as they are
    alone = values | {"models": {search.model: values["models"][search.model]}}
    for key, value in tried(search):
        errors = []
        for others in islice(beside(search, key), PAIRINGS):
            try:
                agree(check(changed(alone, others | {key: value}), Params, path=path), kinds, path)
                break
            except UserError as error:
                errors.append(error)
        else:
            raise UserError(f"{path}: search.space.{key}: {value!r} does not do: {errors[0]}")


def agree(params: Params, kinds: dict[str, str], path: Path) -> None:
    """Raise UserError where sections do not agree."""
    layouts = {name: layout(name, chosen.name, kinds, path) for name, chosen in params.embed.items()}
    for name, model in params.models.items():
        key = f"models.{name}"
        for modality, encoder in model.encoders.items():
            where = f"{path}: {key}.encoders.{modality}"
            if modality not in layouts:
                raise UserError(f"{where}: `embed` has no modality {modality!r}; it has: {', '.join(layouts)}")
            reads = part("encoders", encoder.name).layouts
            if layouts[modality] not in reads:
                raise UserError(f"{where}: {encoder.name!r} reads {' or '.join(reads)}, but embed.{modality} gives {layouts[modality]}")
        check_build(model, pictures(params, kinds), f"{path}: {key}")
        check_reconstruction(model, model.training(params.train).reconstruction, f"{path}: {key}")
        check_augment(model, layouts, f"{path}: {key}")


def check_comparisons(params: Params, path: Path) -> None:
    """Raise UserError where a model that is to be compared is not in the line-up."""
    for place, pair in enumerate(params.report.comparisons or []):
        for key, name in (("model", pair.model), ("against", pair.against)):
            if name not in params.models:
                where = f"{path}: report.comparisons.{place}.{key}"
                known = f"{nearest(name, list(params.models))}; there are: {', '.join(params.models)}"
                raise UserError(f"{where}: `models` has no {name!r}{known}")


def pictures(params: Params, kinds: dict[str, str]) -> dict[str, Spec]:
    """What pictures and clips will look like that stay as they are."""
    image, video = params.preprocess.image, params.preprocess.video
    specs = {
        "image": Spec("image", (image.channels, image.height, image.width)),
        "video": Spec("video", (video.frames, video.channels, video.height, video.width)),
    }
    return {name: specs[kinds[name]] for name, chosen in params.embed.items() if chosen.name == "pixels"}


def validate_task(params: Params, labels: list[str], path: Path = FILE) -> None:
    """Raise UserError where a model's settings do not fit what the labels ask."""
    task = resolve(params.preprocess.task, labels).name
    for name, model in params.models.items():
        trainable(model.training(params.train), task, f"{path}: models.{name}")


def trainable(settings: Train, task: str, key: str) -> None:
    """Raise UserError where a model's settings are for classes, and its task has none."""
    if part("tasks", task).has_classes:
        return
    for name, idle in (("class_weights", "none"), ("label_smoothing", 0)):
        value = getattr(settings, name)
        if value != idle:
            raise UserError(f"{key}: train.{name} is {value}, but preprocess.task is {task}, which has no classes; set it to {idle}")


def layout(name: str, embedding: str, kinds: dict[str, str], path: Path) -> str:
    """The layout that an entry of `embed:` gives."""
    if name not in kinds:
        known = f"{', '.join(kinds)} (data.columns.modalities says which columns are)"
        raise UserError(f"{path}: embed.{name}: the data has no modality {name!r}; it has: {known}")
    given = part("embeddings", embedding).layouts
    if kinds[name] not in given:
        raise UserError(f"{path}: embed.{name}: {embedding!r} reads {' or '.join(given)}, but {name!r} is {kinds[name]}")
    return given[kinds[name]]


if __name__ == "__main__":
    write_json(Path("params.schema.json"), schema())
