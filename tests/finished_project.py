"""A small finished project, as the stages would leave it: four modalities, four models, sixty rows, real media."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import finished_explanations
import finished_tables
import numpy as np

from deconfuse.kernel.files import digest_data
from deconfuse.metrics import over_seeds
from deconfuse.metrics.single_label import SingleLabel

SPLITS = {"train": 12, "val": 8, "test": 40}
KINDS = {"audio": "audio", "image": "image", "text": "text", "video": "video"}
CLASSES = ("circle", "square", "triangle")
TEXTS = ("a round one", "four corners", "three corners")
STARTED = 1_760_000_000.0
EPOCHS = 5


class Fake(NamedTuple):
    """A model as planted: of the rows in the order that `luck` shuffles, the first `right` share is predicted rightly, with each seed
    after the first one row less."""

    modalities: tuple[str, ...]
    fusion: str | None
    right: float
    luck: int
    seeds: tuple[int, ...] = (7,)
    encoder: str = "cnn"


MODELS = {
    "audio_cnn": Fake(("audio",), None, 0.6, 1),
    "image_cnn": Fake(("image",), None, 0.7, 2),
    "text_lstm": Fake(("text",), None, 0.5, 3),
    "concat": Fake(("audio", "image", "text", "video"), "concat", 0.95, 4),
}


def build(
    root: Path,
    classes: Sequence[str] = CLASSES,
    texts: Sequence[str] = TEXTS,
    models: Mapping[str, Fake] = MODELS,
    kinds: Mapping[str, str] = KINDS,
    identifier: str = "row-{}",
    telling: Sequence[str] = (),
) -> list[str]:
    """Write data/raw, data/prepared (without media), data/embedded, data/models and reports/models below `root`; return the models' names.

    What is embedded is noise, but of the modalities of `telling`, which tell the class.

    Row i is of class i modulo the number of classes, has the text of the same index, and lacks one modality when i is a multiple
    of 7. Equal arguments give equal bytes.
    """
    rows = [(identifier.format(i), split, i % len(classes)) for i, split in enumerate(s for s, n in SPLITS.items() for _ in range(n))]
    write_raw(root / "data/raw", rows, classes, texts, kinds)
    write_prepared(root / "data/prepared", rows, classes, kinds)
    write_embedded(root / "data/embedded", rows, kinds, telling)
    for name, fake in models.items():
        write_model(root / "data/models" / name, name, fake, classes)
        write_evaluation(root / "reports/models" / name, name, fake, rows, classes)
        chance = 1 / len(classes)
        finished_tables.write(root / "reports/models" / name / "tables", fake.modalities, kinds, fake.right, fake.seeds, chance)
        write_explanations(root, name, fake, kinds)
    return list(models)


# ---------------------------------------------------------------- data


def write_raw(
    folder: Path, rows: list[tuple[str, str, int]], classes: Sequence[str], texts: Sequence[str], kinds: Mapping[str, str]
) -> None:
    """The table and its media."""
    table: list[list[object]] = [["line", "id", "split", "label", *sorted(kinds)]]
    for i, (identifier, split, label) in enumerate(rows):
        cells = [cell(folder, name, kind, i, label, texts) for name, kind in sorted(kinds.items())]
        if i % 7 == 0:
            cells[i // 7 % len(cells)] = ""
        table.append([i + 2, identifier, split, classes[label], *cells])
    write_csv(folder / "manifest.csv", table)
    write_json(
        folder / "source.json",
        {
            "name": "shapes",
            "title": "Three shapes",
            "licence": "CC0-1.0",
            "citation": "Drawn by the test itself.",
            "modalities": {name: {"kind": kind, "media": ""} for name, kind in kinds.items()},
            "notes": [],
            "params": {"source": "shapes", "seed": 0},
            "digest": sha256(b"shapes").hexdigest(),
        },
    )


def cell(folder: Path, name: str, kind: str, i: int, label: int, texts: Sequence[str]) -> str:
    """Make the medium of one row; return its path from the media folder, or the text itself."""
    if kind == "text":
        return texts[i % len(texts)]
    ending, write = {"image": ("png", write_image), "audio": ("flac", write_audio), "video": ("mp4", write_video)}[kind]
    path = f"{sorted_place(name)}/{i:04}.{ending}"
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    write(folder / path, i, label)
    return path


def sorted_place(name: str) -> str:
    """A folder name for a modality of any name."""
    return name if name.isidentifier() else sha256(name.encode()).hexdigest()[:8]


def picture(label: int, shift: int, side: int = 24) -> np.ndarray:
    """A bright polygon-like blob on black: uint8 (side, side)."""
    y, x = np.mgrid[:side, :side] - side / 2 + 0.5
    x = x - shift
    radius = np.abs(x) ** (1 + label % 3) + np.abs(y) ** (1 + label % 3)
    return np.where(radius < (side / 3) ** (1 + label % 3), 230, 20).astype(np.uint8)


def write_image(path: Path, i: int, label: int) -> None:
    from PIL import Image

    Image.fromarray(picture(label, i % 5 - 2)).save(path)


def write_audio(path: Path, i: int, label: int) -> None:
    """A quarter of a second of one tone: 8 kHz, 16 bit."""
    import soundfile

    seconds = np.arange(2000) / 8000
    soundfile.write(path, 0.4 * np.sin(2 * math.pi * (300 + 150 * label + i) * seconds), 8000, subtype="PCM_16")


def write_video(path: Path, i: int, label: int) -> None:
    """Four frames of the shape drifting, H.264."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8, options={"threads": "1", "preset": "ultrafast"})
        stream.width = stream.height = 24
        stream.pix_fmt = "yuv420p"
        for step in range(4):
            frame = av.VideoFrame.from_ndarray(np.repeat(picture(label, step * 2 - 3)[..., None], 3, axis=2), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_prepared(folder: Path, rows: list[tuple[str, str, int]], classes: Sequence[str], kinds: Mapping[str, str]) -> None:
    """What the report reads of the prepared data; the arrays of media are not made."""
    shapes = {"audio": [2000], "image": [1, 24, 24], "text": [], "video": [4, 3, 24, 24]}
    counts = {s: {c: sum(split == s and label == k for _, split, label in rows) for k, c in enumerate(classes)} for s in SPLITS}
    modalities = {
        name: {"kind": kind, "shape": shapes[kind], "dtype": "int16" if kind == "audio" else "uint8", "mean": 0.1, "std": 0.3}
        for name, kind in kinds.items()
    }
    params = {"data": {"source": "shapes"}, "preprocess": {}}
    digest = {"train": sha256(b"train").hexdigest(), "val": sha256(b"val").hexdigest()}
    schema = {"task": "single_label", "classes": list(classes), "train_counts": list(counts["train"].values())}
    write_json(folder / "schema.json", schema | {"modalities": modalities, "params": params, "digest": digest})
    coverage = {s: dict.fromkeys(kinds, 0) for s in SPLITS}
    for i, (_, split, _) in enumerate(rows):
        missing = sorted(kinds)[i // 7 % len(kinds)] if i % 7 == 0 else None
        for name in kinds:
            coverage[split][name] += name != missing
    source = {"name": "shapes", "title": "Three shapes", "licence": "CC0-1.0", "citation": "Drawn by the test itself."}
    found = {
        "task": {"name": "single_label", "reason": "3 different labels, one a row"},
        "split": "the table's own",
        "sizes": {"image": {"width": [24, 24, 24], "height": [24, 24, 24]}},
        "reasons": [{"column": "image", "reason": "\N{HORIZONTAL ELLIPSIS} is empty", "rows": 1}],
        "notes": ["12 labels had spaces around them: taken off"],
        "warnings": [{"code": "imbalance", "text": "one class has ten times the rows of another", "rows": 30}],
    }
    write_json(folder / "summary.json", {"source": source, "rows": SPLITS, "classes": counts, "coverage": coverage, "rejected": 1, **found})
    write_csv(folder / "rejected.csv", [["line", "id", "column", "reason"], ["61", "row-60", "image", "not a picture"]])

    for split in SPLITS:
        part = [(i, identifier, label) for i, (identifier, s, label) in enumerate(rows) if s == split]
        write_json(folder / split / "rows/id.json", [identifier for _, identifier, _ in part])
        np.save(folder / split / "rows/label.npy", np.array([label for *_, label in part]))
        has = [[i % 7 > 0 or place != i // 7 % len(kinds) for place in range(len(kinds))] for i, *_ in part]
        np.save(folder / split / "rows/present.npy", np.array(has))


def write_embedded(folder: Path, rows: list[tuple[str, str, int]], kinds: Mapping[str, str], telling: Sequence[str]) -> None:
    """What `embed` gives: six numbers a row, or four token ids."""
    draw = np.random.default_rng(0)
    for name, kind in kinds.items():
        is_text = kind == "text"
        layout = {"text": "tokens", "audio": "frames"}.get(kind, kind)
        write_json(folder / "spec" / f"{name}.json", {"layout": layout, "vocabulary": 9 if is_text else 0, "shape": [4 if is_text else 6]})
        for split in SPLITS:
            label = np.array([label for _, s, label in rows if s == split])
            place = folder / split / name
            place.mkdir(parents=True)
            if is_text:
                tokens = draw.integers(2, 9, (len(label), 4)).astype(np.int32)
                if name in telling:
                    tokens = np.where(np.arange(4) == 0, 2 + label[:, None] % 4, tokens % 3 + 6).astype(np.int32)
                np.save(place / "length.npy", np.full(len(label), 4, np.int32))
                np.save(place / "values.npy", tokens)
            else:
                signal = 3 * np.eye(6)[label % 6] * (name in telling)
                np.save(place / "values.npy", (draw.normal(size=(len(label), 6)) + signal).astype(np.float32))


# ---------------------------------------------------------------- models


def write_model(folder: Path, name: str, fake: Fake, classes: Sequence[str]) -> None:
    """What the train stage leaves, without weights that would load."""
    params = {
        "encoders": {modality: {"name": fake.encoder} for modality in fake.modalities},
        "fusion": None if fake.fusion is None else {"name": fake.fusion},
    }
    model = {
        "name": name,
        "modalities": sorted(fake.modalities),
        "fusion": fake.fusion,
        "classes": list(classes),
        "params": params,
        "specs": {},
    }
    best, seeds = EPOCHS - 1, {}
    history = [["seed", "epoch", "learning_rate", "train_loss", "train_accuracy", "val_loss", "val_accuracy"]]
    for turn, seed in enumerate(fake.seeds):
        weights = f"weights of {name} with seed {seed}".encode()
        path = folder / "seeds" / str(seed) / "weights.safetensors"
        path.parent.mkdir(parents=True)
        path.write_bytes(weights)
        # the second is the best where there are several
        loss = 0.66 + abs(turn - 1) / 100
        seeds[str(seed)] = {"best_epoch": best, "val_loss": loss, "epochs": EPOCHS, "pieces": 1, "sha256": sha256(weights).hexdigest()}
        for epoch in range(1, EPOCHS + 1):
            share = epoch / EPOCHS
            validation = [1.3 - 0.8 * share + 0.1 * (share > 0.9) + turn / 50, fake.right * share]
            history.append([seed, epoch, 1e-3, 1.2 - share, fake.right * share + 0.04, *validation])
    write_json(
        folder / "model.json", model | {"parameters": parameters(fake), "best_seed": fake.seeds[len(fake.seeds) > 1], "seeds": seeds}
    )
    write_csv(folder / "history.csv", history)
    write_csv(folder / "diagnosis.csv", [["seed", "epoch", "part", "layer"]])
    write_json(folder / "run.json", run(name, fake, params))


def parameters(fake: Fake) -> int:
    """The planted number of weights."""
    return 1000 * len(fake.modalities) + 17


def run(name: str, fake: Fake, model: dict) -> dict:
    """The record of a model's trainings: some seconds each on an imagined processor."""
    digests = {part: sha256(f"{part} {name} {fake}".encode()).hexdigest() for part in ("params", "data", "code")}
    seconds = 1.0 + len(fake.modalities)
    digest = sha256(json.dumps(digests).encode()).hexdigest()
    seeds, is_one = {}, len(fake.seeds) == 1
    for turn, seed in enumerate(fake.seeds):
        start = STARTED + 10 * turn
        seeds[str(seed)] = {
            "digest": digest if is_one else sha256(f"{digest} {seed}".encode()).hexdigest(),
            "started": start,
            "ended": start + seconds + 0.5,
            "epoch_ended": [start + seconds * (epoch + 1) / EPOCHS for epoch in range(EPOCHS)],
            "pauses": [],
            "train_seconds": seconds,
            "samples_per_second": EPOCHS * SPLITS["train"] / seconds,
        }
    return {
        "digest": digest,
        "digests": digests,
        "params": {
            "data": {"source": "shapes"},
            "preprocess": {"image": {"size": 24}},
            "embed": {"image": {"representation": "pixels"}},
            "train": {"epochs": EPOCHS, "learning_rate": 1e-3, "batch": 32, "seeds": list(fake.seeds)},
            "model": model,
        },
        "seeds": seeds,
        "started": STARTED,
        "ended": STARTED + 10 * (len(fake.seeds) - 1) + seconds + 0.5,
        "train_seconds": len(fake.seeds) * seconds,
        "samples_per_second": EPOCHS * SPLITS["train"] / seconds,
        "environment": {"python": "3.11.7", "torch": "2.11.0", "platform": "Linux", "processor": "a CPU", "device": "cpu", "threads": 1},
        "git": {"commit": sha256(b"commit").hexdigest()[:40], "dirty": False},
        "dvc": {"stage": f"train@{name}", "experiment": None, "baseline": None},
    }


def make_servable(root: Path, models: Mapping[str, Fake] = MODELS) -> None:
    """Let the models be of the prepared data and of the code at hand, so that MLflow gets them as models; they have no real weights."""
    schema, source = json.loads((root / "data/prepared/schema.json").read_text()), "deconfuse/kernel/lookup.py"
    for name in models:
        for file, changes in {
            "model.json": {"params": {"encoders": {modality: {"name": "cnn"} for modality in models[name].modalities}}},
            "run.json": {"sources": {source: sha256((Path(__file__).parents[1] / source).read_bytes()).hexdigest()}},
        }.items():
            path = root / "data/models" / name / file
            about = json.loads(path.read_text()) | changes
            if file == "run.json":
                about["digests"]["data"] = digest_data(schema, {})
                about["params"]["train"] |= {"device": "cpu", "threads": 1, "precision": "fp32"}
            write_json(path, about)


def write_evaluation(folder: Path, name: str, fake: Fake, rows: list[tuple[str, str, int]], classes: Sequence[str]) -> None:
    """Predictions as planted, and the measures that follow from them; the luck of a seed is that of its place."""
    measures, each = {}, {str(seed): {} for seed in fake.seeds}
    for split in ("val", "test"):
        part = [(identifier, label) for identifier, s, label in rows if s == split]
        actual = np.array([label for _, label in part])
        table = [["seed", "id", "actual", "predicted", "confidence", *(f"p:{c}" for c in classes)]]
        metrics, parts = SingleLabel(), []
        for turn, seed in enumerate(fake.seeds):
            order = np.random.default_rng(fake.luck + 100 * turn).permutation(len(part))
            right = np.isin(np.arange(len(part)), order[: round(fake.right * len(part)) - turn])
            predicted = np.where(right, actual, (actual + 1) % len(classes))
            confidence = 0.6 + 0.3 * np.random.default_rng(fake.luck).random(len(part))
            shares = np.repeat((1 - confidence[:, None]) / max(1, len(classes) - 1), len(classes), 1)
            shares[np.arange(len(part)), predicted] = confidence
            for (identifier, a), p, row in zip(part, predicted, shares, strict=True):
                table.append([seed, identifier, classes[a], classes[p], *(f"{share:.6f}" for share in (row[p], *row))])
            each[str(seed)][split] = metrics.figures(actual, shares)
            parts.append(metrics.parts(actual, shares))
        write_csv(folder / f"{split}.csv", table)
        # what is near each other is of one class
        fused = np.eye(len(classes))[actual] + np.random.default_rng(fake.luck).normal(0, 0.2, (len(part), len(classes)))
        np.save(folder / "embeddings.npy", fused.astype(np.float32))
        measures[split] = over_seeds([figures[split] for figures in each.values()], metrics.bounds(np.stack(parts), 200))
    write_json(
        folder / "metrics.json",
        {
            "model": name,
            "modalities": sorted(fake.modalities),
            "fusion": fake.fusion,
            "parameters": parameters(fake),
            "seeds": each,
            **measures,
        },
    )


def write_explanations(root: Path, name: str, fake: Fake, kinds: Mapping[str, str]) -> None:
    """Of three test rows, the first of which lacks a modality: they are explained as the best seed answers."""
    if not (root / "data/raw/manifest.csv").exists():
        # some tests do without raw rows: there is nothing to show then
        return
    with (root / "data/raw/manifest.csv").open(encoding="utf-8", newline="") as file:
        manifest = {row["id"]: row for row in csv.DictReader(file)}
    seed = fake.seeds[len(fake.seeds) > 1]
    with (root / "reports/models" / name / "test.csv").open(encoding="utf-8", newline="") as file:
        said = [row for row in csv.DictReader(file) if row["seed"] == str(seed)][1:4]
    samples = [(row["id"], row["predicted"], manifest[row["id"]]) for row in said]
    own = {modality: kinds[modality] for modality in fake.modalities}
    finished_explanations.write(root / "reports/models" / name / "tables", seed, own, fake.fusion is not None, samples)


# ---------------------------------------------------------------- files


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, sort_keys=True, indent=1) + "\n", encoding="utf-8")


def write_csv(path: Path, table: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(table)
