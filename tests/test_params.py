"""What a wrong params file says, and what a right one means."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.params import load, read
from deconfuse.params.train import Train
from deconfuse.validation import schema, validate

KINDS = {"audio": "audio", "image": "image", "text": "text", "video": "video"}


def changed(tmp_path: Path, key: str, value: Any) -> Path:
    """The project's params with one key set (or, for ..., taken out)."""
    values = load()
    place: Any = values
    steps = key.split(".")
    for step in steps[:-1]:
        if isinstance(place.get(step), str):
            place[step] = {"name": place[step]}
        place = place.setdefault(step, {})
    if value is ...:
        del place[steps[-1]]
    else:
        place[steps[-1]] = value
    path = tmp_path / "params.yaml"
    path.write_text(json.dumps(values))
    return path


def test_the_defaults_are_valid() -> None:
    assert list(validate(KINDS).models)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("models.image_cnn.encoders.image", "cmn", ["models.image_cnn.encoders.image", "'cmn'", "did you mean `cnn`", "lstm"]),
        ("models.image_cnn.encoders.image.chanels", [8], ["encoders.image.chanels", "did you mean `channels`"]),
        ("models.image_cnn.encoders.image.channels", [0], ["encoders.image.channels", "found 0", "greater than or equal to 1"]),
        ("models.image_cnn.encoders.image.channels", "8", ["encoders.image.channels", "found '8'"]),
        ("models.image_cnn.encoders.image.grid", True, ["encoders.image.grid", "found True", "integer"]),
        ("models.image_cnn.encoders.image", "lstm", ["models.image_cnn.encoders.image", "'lstm' reads tokens or frames", "embed.image"]),
        ("models.image_cnn.encoders.image.padding", "valid", ["models.image_cnn.encoders.image", "too small"]),
        ("models.audio_cnn.encoders.audio", {"name": "transformer", "heads": 5}, ["audio_cnn.encoders.audio", "5 heads do not divide"]),
        ("models.image_cnn.train.reconstruction", 1.0, ["models.image_cnn.train.reconstruction", "ddnet"]),
        ("models.image_cnn.encoders", {}, ["models.image_cnn.encoders", "at least 1"]),
        ("models.image_cnn.encoders", {"picture": "cnn"}, ["encoders.picture", "no modality 'picture'", "audio, image, text, video"]),
        ("models.image_cnn.encoders", {"values": "cnn"}, ["models.image_cnn.encoders", "cannot be called 'values'"]),
        ("models.image_cnn.fusion", "concat", ["models.image_cnn", "fusion needs two modalities or more", "only image"]),
        ("models.image_cnn.augment", {"audio": ["crop"]}, ["models.image_cnn.augment.audio", "no modality 'audio'", "it reads: image"]),
        ("models.image_cnn.augment", {"image": ["word_dropout"]}, ["image_cnn.augment.image", "changes tokens", "embed.image gives image"]),
        ("models.image_cnn.augment", {"image": ["crob"]}, ["image_cnn.augment.image.0", "'crob'", "did you mean `crop`"]),
        ("models.image_cnn.augment", {"image": []}, ["models.image_cnn.augment.image", "at least 1"]),
        ("models.image_cnn.train.epochs", 0, ["models.image_cnn.train.epochs", "found 0"]),
        ("models.image_cnn.train.epoch", 1, ["models.image_cnn.train.epoch", "did you mean `epochs`"]),
        ("models.concat.fusion", ..., ["models.concat", "`fusion` must say"]),
        ("models.concat.fusion", "concatenate", ["models.concat.fusion", "did you mean `concat`"]),
        ("models.attention.fusion.heads", 5, ["models.attention.fusion", "5 heads do not divide the width 64"]),
        ("models.a b", {"encoders": {"image": "cnn"}}, ["models.a b", "pattern"]),
        ("models", {}, ["models", "at least 1"]),
        ("models", None, ["models", "found None"]),
        ("train.epochs", -3, ["train.epochs", "found -3", "greater than or equal to 1"]),
        ("train.optimizer", "adamv", ["train.optimizer", "'sgd', 'adam' or 'adamw'"]),
        ("train.mixup", -0.1, ["train.mixup", "greater than or equal to 0"]),
        ("train.epochs", "3", ["train.epochs", "found '3'", "integer"]),
        ("train.epochs", 2.5, ["train.epochs", "found 2.5"]),
        ("train.learning_rate", float("nan"), ["train.learning_rate"]),
        ("train.epoch", 3, ["train.epoch", "did you mean `epochs`"]),
        ("train", ..., ["train: is missing"]),
        ("trian", {}, ["trian", "did you mean `train`"]),
        ("embed.image", "log_mel", ["embed.image", "'log_mel' reads audio", "'image' is image"]),
        ("embed.smell", "pixels", ["embed.smell", "no modality 'smell'"]),
        (
            "report.comparisons",
            [{"model": "concot", "against": "image_cnn"}],
            ["report.comparisons.0.model", "'concot'", "did you mean `concat`"],
        ),
        ("report.comparisons", [{"model": "concat", "against": "x"}], ["report.comparisons.0.against", "no 'x'", "image_cnn, image_dec"]),
        ("report.comparisons", [{"model": "concat", "against": "concat"}], ["report.comparisons", "concat is compared with itself"]),
        ("report.comparisons", [{"model": "concat", "against": "attention"}] * 2, ["concat against attention stands there twice"]),
        ("report.comparisons", [{"model": "concat", "with": "attention"}], ["comparisons.0.with", "allowed here: against, model"]),
        ("report.baselines", ["linnear"], ["report.baselines.0", "did you mean `linear`"]),
        ("report.baselines", [{"name": "neighbours", "k": [0]}], ["report.baselines.0.k.0", "found 0"]),
        ("data.digits.image.coverd", 0.5, ["data.digits.image.coverd", "did you mean `covered`"]),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, key: str, value: Any, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        validate(KINDS, changed(tmp_path, key, value))
    message = str(caught.value)
    assert [word for word in words if word not in message] == [], message


def test_all_wrong_values_are_named_at_once(tmp_path: Path) -> None:
    path = changed(tmp_path, "train.epochs", -1)
    values = json.loads(path.read_text())
    values["models"]["concat"]["widht"] = 3
    path.write_text(json.dumps(values))
    with pytest.raises(UserError, match="2 wrong values") as caught:
        validate(KINDS, path)
    assert "train.epochs" in str(caught.value) and "did you mean `width`" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: 1\na: 2\n", "duplicate"), ("a: [1\n", "line"), ("- 1\n", "sections"), ("", "sections"), ("\xff", "cannot be read")],
)
def test_a_file_that_is_no_params_file(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=words):
        load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="params.yaml is missing"):
        load(tmp_path / "params.yaml")


def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path) -> None:
    from dvc.utils.serialize import load_yaml

    path = tmp_path / "params.yaml"
    path.write_text("a: 1e-3\nb: 010\nc: no\nd: 12:30\ne: 1_000\nf: 0x10\ng: .5\nh: 1.\ni: ~\n")
    assert load(path) == load_yaml(str(path))
    assert load(path)["a"] == 0.001


def test_a_section_is_read_alone(tmp_path: Path) -> None:
    path = changed(tmp_path, "models", {})
    assert read("train", Train, path).epochs == load()["train"]["epochs"]
    with pytest.raises(UserError, match="`models.concat` is missing"):
        read("models.concat", Train, path)


def test_a_name_and_a_mapping_of_it_are_the_same(tmp_path: Path) -> None:
    plain, mapped = validate(KINDS), validate(KINDS, changed(tmp_path, "models.image_cnn.encoders.image", {"name": "cnn"}))
    assert plain == mapped


def test_a_list_is_taken_for_a_sequence(tmp_path: Path) -> None:
    params = validate(KINDS, changed(tmp_path, "models.image_cnn.encoders.image.channels", [4, 8]))
    assert list(params.models["image_cnn"].encoders["image"].channels) == [4, 8]


def test_a_model_sets_its_own_training(tmp_path: Path) -> None:
    params = validate(KINDS, changed(tmp_path, "models.image_cnn.train.learning_rate", 0.5))
    own = params.models["image_cnn"].training(params.train)
    assert (own.learning_rate, own.epochs) == (0.5, params.train.epochs)


def test_the_schema_in_git_is_the_schema_of_the_code() -> None:
    assert json.loads(Path("params.schema.json").read_text()) == schema(), "run `make schema`"


def test_the_params_file_names_its_schema_and_fits_it() -> None:
    first = Path("params.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=params.schema.json"
    written = json.loads(Path("params.schema.json").read_text())
    jsonschema.validate(load(), written)
    wrong = load() | {"trian": {}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, written)


def test_every_key_of_the_schema_is_described() -> None:
    described = json.loads(Path("params.schema.json").read_text())
    bare = [
        f"{name}.{key}"
        for name, model in described["$defs"].items()
        for key, field in model.get("properties", {}).items()
        if "description" not in field and "$ref" not in field and key != "name"
    ]
    assert bare == []
