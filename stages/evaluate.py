"""Measure one trained model on the val and test splits.

    python -m stages.evaluate MODEL

Reads `data/models/MODEL/`, the splits under `data/embedded/` and `data/prepared/`; params `evaluate`, `train.device`, `train.threads`,
`models.MODEL`. Writes `reports/models/MODEL/`: `metrics.json` (figures of each seed, and means over them with intervals); `scores.json`
(the few of these means that `dvc metrics show` has room for); `val.csv` and `test.csv` (seed, id, actual, predicted; where there are
classes confidence and the probability of each too); `embeddings.npy`, what the best seed's fusion gives for the test rows, float32 (N, D);
`tables/`, what the analyses of `evaluate.analyses` found.
"""

import csv
import json
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from deconfuse.analyses import Analysis, Row, Subject, Tables
from deconfuse.forked import forked
from deconfuse.kernel.cores import cores
from deconfuse.kernel.errors import command
from deconfuse.kernel.files import read_json, whole, write_json
from deconfuse.kernel.lookup import part
from deconfuse.kernel.params import read as read_params
from deconfuse.kernel.progress import progress
from deconfuse.metrics import Facts, Figures, Metrics, over_seeds
from deconfuse.model.dataset import Dataset
from deconfuse.model.multimodal import Model
from deconfuse.params.evaluate import Evaluate
from deconfuse.params.models import Model as Entry
from deconfuse.params.train import Train
from deconfuse.prepared import lengths, values
from deconfuse.reading.residence import place
from deconfuse.reading.stored import PREPARED, read
from deconfuse.reading.streaming import Streamed
from deconfuse.restoring import restored
from deconfuse.runtime.device import prepare
from deconfuse.runtime.heap import give_back
from deconfuse.runtime.prediction import answers
from deconfuse.runtime.trained import MODELS, read_weights, seeds_of, untrained
from deconfuse.tasks import Task

REPORTS = Path("reports/models")
MEASURED = ("val", "test")


def main(name: str) -> None:
    asked: Evaluate = read_params("evaluate", Evaluate)
    settings: Train = read_params(f"models.{name}", Entry).training(read_params("train", Train))
    device = prepare(settings.device, settings.threads, settings.precision)
    about = read_json(MODELS / name / "model.json")
    facts = read_json(PREPARED / "schema.json")
    task: Task = part("tasks", facts["task"])()
    metrics: Metrics = part("metrics", facts["task"])()
    model = untrained(name, about, task.prior(facts)).to(device)

    @cache
    def data(split: str) -> Dataset | Streamed:
        stored = read(split, about["modalities"], sorted(facts["modalities"]))
        return place({split: stored}, device, settings.resident, lambda text: tell(name, text))[split]

    with whole(REPORTS / name) as folder:
        (folder / "tables").mkdir(parents=True)
        subjects: Callable[[int], Subject] = partial(questioned, name, model, about, task, metrics, facts, data, asked.bootstrap)
        seeds = seeds_of(about)
        with progress(range(len(seeds) * (len(MEASURED) + len(asked.analyses))), f"evaluate {name}", unit="question") as bar:
            figures, tables = measured(subjects, seeds, asked, folder, bar)
        for stem, rows in tables.items():
            write_table(folder / "tables" / f"{stem}.csv", rows)
        kept = {key: about[key] for key in ("modalities", "fusion", "parameters")}
        write_json(folder / "metrics.json", {"model": name, **kept, **figures})
        write_json(folder / "scores.json", few(figures, metrics))


def questioned(
    name: str,
    model: Model,
    about: dict[str, Any],
    task: Task,
    metrics: Metrics,
    facts: Facts,
    data: Callable[[str], Dataset | Streamed],
    resamples: int,
    seed: int,
) -> Subject:
    """The model with the weights of a seed; of all of them only the latest can be asked."""
    model.load_state_dict(read_weights(name, about, seed))
    model.eval()
    return Subject(
        name=name,
        seed=seed,
        is_best=seed == about["best_seed"],
        model=model,
        task=task,
        metrics=metrics,
        facts=facts,
        data=data,
        ids=ids,
        logits={},
        raw=lambda split, modality: (values(split, modality), lengths(split, modality)),
        embedding=cache(lambda modality: restored(about["specs"][modality], facts["modalities"][modality])),
        resamples=resamples,
    )


def ids(split: str) -> list[str]:
    return json.loads((PREPARED / split / "rows" / "id.json").read_text(encoding="utf-8"))


def measured(
    subjects: Callable[[int], Subject], seeds: list[int], asked: Evaluate, folder: Path, bar: tqdm
) -> tuple[dict[str, Any], dict[str, list[Row]]]:
    """The figures of metrics.json and the analyses' tables; predictions and embeddings are written into the folder, and the bar goes on
    by one for each split and analysis of each seed."""
    each: dict[str, dict[str, Any]] = {}
    parts: dict[str, list[np.ndarray]] = {split: [] for split in MEASURED}
    predictions: dict[str, list[list[str]]] = {split: [] for split in MEASURED}
    tables: dict[str, list[Row]] = {}
    analyses: list[Analysis] = [part("analyses", one.name)(**one.arguments()) for one in asked.analyses]
    for seed in seeds:
        subject = subjects(seed)
        each[str(seed)] = {}
        for split in MEASURED:
            bar.set_postfix_str(split)
            subject.logits[split], fused = answered(subject, split)
            target, predicted = subject.target(split), subject.predicted(split)
            each[str(seed)][split] = subject.metrics.figures(target, predicted)
            parts[split].append(subject.metrics.parts(target, predicted))
            rows = subject.metrics.rows(target, predicted, subject.facts)
            predictions[split] += [[str(seed), identity, *row] for identity, row in zip(subject.ids(split), rows, strict=True)]
            bar.update()
        if subject.is_best:
            np.save(folder / "embeddings.npy", fused.cpu().numpy())
        bar.set_postfix_str("analyses")
        put = [partial(answer, analysis, subject) for analysis in analyses if subject.is_best or analysis.of_every_seed]
        bar.update(len(analyses) - len(put))
        for found in forked(put, at_a_time(subject)):
            for stem, rows in found.items():
                tables.setdefault(stem, []).extend({"seed": seed, **row} for row in rows)
            bar.update()
    for split, rows in predictions.items():
        with (folder / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
            table.writerow(["seed", "id", *subject.metrics.header(subject.facts)])
            table.writerows(rows)
    bounds = {split: subject.metrics.bounds(np.stack(parts[split]), asked.bootstrap) for split in MEASURED}
    means = {split: over_seeds([one[split] for one in each.values()], bounds[split]) for split in MEASURED}
    return {**means, "seeds": each}, tables


def answer(analysis: Analysis, subject: Subject) -> Tables:
    # what one is done with would lie beside what the next one needs
    give_back()
    return analysis(subject)


def at_a_time(subject: Subject) -> int:
    """How many analyses: as many as there are cores. One where operations have several threads, which a fork has not, and on a GPU."""
    is_plain = torch.get_num_threads() == 1 and next(subject.model.parameters()).device.type == "cpu"
    return cores() if is_plain else 1


def few(figures: dict[str, Figures], metrics: Metrics) -> dict[str, Figures]:
    """The main figure of the val split, and of the test split those that tell most: a row that a terminal has room for."""
    shown = {"val": (metrics.main,), "test": metrics.shown}
    return {split: {name: figures[split][name] for name in names if name in figures[split]} for split, names in shown.items()}


@torch.inference_mode()
def answered(subject: Subject, split: str) -> tuple[Tensor, Tensor]:
    """Of all rows of a split the logits (N, K), and what the fusion gives (N, D)."""
    data = subject.data(split)
    found = [(logits, out["fused"]) for _, logits, out in answers(subject.model, data, slice(0, len(data)))]
    logits, fused = zip(*found, strict=True)
    return torch.cat(logits), torch.cat(fused)


def write_table(path: Path, rows: list[Row]) -> None:
    """Rows of the same keys as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def tell(name: str, text: str) -> None:
    tqdm.write(f"evaluate {name}: {text}", file=sys.stderr)


if __name__ == "__main__":
    command(main, *sys.argv[1:])
