"""A model in memory that answers rows of raw media and texts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from safetensors.torch import load

from deconfuse.kernel.lookup import part
from deconfuse.model.build import build
from deconfuse.model.dataset import Dataset
from deconfuse.params.models import Model as Entry
from deconfuse.params.preprocess import Decoding
from deconfuse.restoring import restored
from deconfuse.runtime.device import prepare
from deconfuse.runtime.prediction import predict
from deconfuse.serving import bundle
from deconfuse.serving.answers import explained, in_words
from deconfuse.serving.limits import RequestError, Row
from deconfuse.serving.reading import Cells, decoded
from deconfuse.shapley import MOST, shapley
from deconfuse.tasks import Task


class Served:
    """Answers as `evaluate` would for the same rows; one request at a time, from any thread."""

    def __init__(self, folder: Path) -> None:
        """`folder` is a bundle. Raises UserError where its weights are not those that were trained."""
        about, weights = bundle.read(folder)
        self.schema, self.specs, self.digest = about["schema"], about["model"]["specs"], about["run"]
        self.kinds: dict[str, str] = {name: self.schema["modalities"][name]["kind"] for name in about["model"]["modalities"]}
        self.task: Task = part("tasks", self.schema["task"])()
        options = self.schema["params"]["preprocess"]
        self.options = Decoding.model_validate({kind: options[kind] for kind in Decoding.model_fields})
        train = about["train"]
        # the server may have no GPU
        self.device = prepare("cpu" if train["device"] == "cpu" else "auto", train["threads"], train["precision"])
        entry = Entry.model_validate(about["model"]["params"])
        self.model = build(entry, self.specs, self.task.prior(self.schema), about["model"]["name"])
        self.model.load_state_dict(load(weights))
        self.model.bf16 = frozenset(about["model"]["bf16"])
        self.model.to(self.device)
        self.embeddings = {name: restored(self.specs[name], self.schema["modalities"][name]) for name in self.kinds}
        self.lock = Lock()

    def answer(self, rows: Sequence[Row], contributions: bool = False) -> list[dict[str, Any]]:
        """What the model says of each row: `label`, `probabilities` where there are classes, and `modalities`, those that it had.

        Args:
            rows: modality -> its text, or its file in base64; of a row without any the answer is what is known without looking.
            contributions: add `contributions`, what each modality adds, and `prior`, the answer without any.

        Raises RequestError.
        """
        with self.lock:
            return self.of(decoded(rows, self.kinds, self.options), contributions)

    def of(self, cells: list[Cells], contributions: bool = False) -> list[dict[str, Any]]:
        """The same of decoded rows."""
        data = self.data(cells)
        predicted = self.predictions(data)
        found = in_words(predicted, self.schema)
        for answer, row in zip(found, cells, strict=True):
            answer["modalities"] = [name for name, cell in row.items() if cell is not None]
        if contributions:
            for answer, more in zip(found, explained(predicted, *self.parts(data), self.schema), strict=True):
                answer |= more
        return found

    def parts(self, data: Dataset) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """What each modality adds to the predictions, and the predictions without any."""
        if len(self.kinds) > MOST:
            raise RequestError(f"contributions can be told of {MOST} modalities at most; the model reads {len(self.kinds)}")

        def shown(names: frozenset[str]) -> np.ndarray:
            present = {name: has & (name in names) for name, has in data.present.items()}
            return self.predictions(replace(data, present=present))

        return shapley(list(self.kinds), shown)

    def predictions(self, data: Dataset) -> np.ndarray:
        return self.task.predictions(predict(self.model, data), self.schema)

    def data(self, cells: list[Cells]) -> Dataset:
        """Decoded rows as the model reads them."""
        inputs, lengths, present = {}, {}, {}
        for name in self.kinds:
            column = [row[name] for row in cells]
            array, steps = self.embeddings[name](self.values(name, column), self.steps(name, column))
            inputs[name] = torch.from_numpy(np.array(array))
            present[name] = torch.tensor([cell is not None for cell in column])
            if steps is not None:
                lengths[name] = torch.from_numpy(steps).long()
        return Dataset(inputs, lengths, present, torch.zeros(len(cells))).to(self.device)

    def values(self, name: str, column: Sequence[Any]) -> Any:
        """The values of a modality as `preprocess` writes them; zeros where missing."""
        if self.kinds[name] == "text":
            return [cell and cell.value for cell in column]
        form = self.schema["modalities"][name]
        nothing = np.zeros(form["shape"], form["dtype"])
        return np.stack([nothing if cell is None else np.asarray(cell.value) for cell in column])

    def steps(self, name: str, column: Sequence[Any]) -> np.ndarray | None:
        if not self.schema["modalities"][name]["timed"]:
            return None
        return np.array([1 if cell is None else cell.length for cell in column], np.int32)
