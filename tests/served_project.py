"""A small project that the stages themselves have made, raw media to evaluated models: what serving starts from."""

import base64
import csv
import json
from contextlib import chdir
from pathlib import Path
from typing import Any

import finished_project

from deconfuse.kernel.files import write_json
from deconfuse.manifest import places, stream
from stages import embed, evaluate, preprocess, train

EMBED = {"audio": "log_mel", "image": "pixels", "text": "words", "video": "pixels"}
MODELS = {
    "all": {"encoders": {"audio": "cnn", "image": "cnn", "text": "lstm", "video": "cnn_lstm"}, "fusion": "concat", "width": 8},
    "image_cnn": {"encoders": {"image": "cnn"}, "width": 8},
}
PREPROCESS = {
    "image": {"height": 12, "width": 12},
    "audio": {"rate": 4000, "seconds": 0.2},
    "video": {"frames": 3, "height": 12, "width": 12},
}


def build(root: Path, preprocess_params: dict[str, Any] = PREPROCESS, embed_params: Any = EMBED, models: Any = MODELS) -> None:
    """Three shapes in four modalities, sixty rows of real media of which some lack one; models of two epochs."""
    rows = [
        (f"row-{i}", split, i % 3) for i, split in enumerate(s for s, n in {"train": 24, "val": 12, "test": 24}.items() for _ in range(n))
    ]
    finished_project.write_raw(root / "data/raw", rows, finished_project.CLASSES, finished_project.TEXTS, finished_project.KINDS)
    make(root, preprocess_params, embed_params, models)


def of_table(root: Path, labels: list[str], task: Any = "auto") -> None:
    """Texts alone, with labels of any task: row i has the label i modulo their number, and its text says so."""
    (root / "data/raw").mkdir(parents=True)
    rows = [
        [i + 2, f"row-{i}", ("train", "train", "val", "test")[i // len(labels) % 4], labels[i % len(labels)], f"word{i % len(labels)} a{i}"]
        for i in range(16 * len(labels))
    ]
    finished_project.write_csv(root / "data/raw/manifest.csv", [["line", "id", "split", "label", "text"], *rows])
    write_json(
        root / "data/raw/source.json",
        {
            **{"name": "words", "title": "Words", "licence": "CC0-1.0", "citation": "", "notes": [], "params": {"source": "words"}},
            **{"modalities": {"text": {"kind": "text", "media": ""}}, "digest": "0"},
        },
    )
    make(root, {"task": task}, {"text": "words"}, {"text_lstm": {"encoders": {"text": "lstm"}, "width": 8}})


def make(root: Path, preprocess_params: Any, embed_params: Any, models: Any) -> None:
    (root / "data/raw/rejected.csv").write_text('"line","id","column","reason"\n')
    params = {"preprocess": {**preprocess_params, "workers": 1}, "embed": embed_params, "models": models, "evaluate": {"analyses": []}}
    (root / "params.yaml").write_text(json.dumps(params | {"train": {"epochs": 2, "learning_rate": 0.02}, "tracking": {}}))
    with chdir(root):
        preprocess.main()
        for modality in embed_params:
            embed.main(modality)
        for model in models:
            train.main(model)
            evaluate.main(model)


def requests(root: Path, model: str, split: str = "test") -> tuple[list[dict[str, str | None]], list[dict[str, str]]]:
    """The raw rows of a split as a person would send them, and the rows of the table that `evaluate` wrote."""
    raw = root / "data/raw"
    with chdir(root):
        where = places(Path("data/raw"))
    cells = {row.id: row.cells for row in stream(raw / "manifest.csv", list(where))}
    with (root / "reports/models" / model / f"{split}.csv").open(newline="") as file:
        expected = list(csv.DictReader(file))

    def packed(name: str, cell: str) -> str | None:
        if not cell or where[name].kind == "text":
            return cell or None
        return base64.b64encode((root / where[name].media / cell).read_bytes()).decode()

    read = json.loads((root / "data/models" / model / "model.json").read_text())["modalities"]
    return [{name: packed(name, cells[row["id"]][name]) for name in read} for row in expected], expected
