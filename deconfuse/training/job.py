"""A model's training as params and data ask for it, before a seed is chosen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from deconfuse.kernel.cores import cores
from deconfuse.kernel.errors import UserError
from deconfuse.model.build import build
from deconfuse.model.dataset import Dataset
from deconfuse.model.multimodal import Model
from deconfuse.params.models import Model as Entry
from deconfuse.params.train import Train
from deconfuse.processes.team import ALONE, Team
from deconfuse.reading.stored import Split, read
from deconfuse.reading.streaming import Streamed
from deconfuse.regularisation.augmenting import Augment
from deconfuse.regularisation.reconstruction import squared_errors
from deconfuse.tasks import Task
from deconfuse.training.compiling import compile_parts
from deconfuse.training.diagnosis import PROBE, Diagnosis
from deconfuse.training.optimisation import factor, l1, optimizer
from deconfuse.training.precision import Precision, decide
from deconfuse.training.recipe import Recipe
from deconfuse.training.recording import Recorder, recorder
from deconfuse.training.side_by_side import SideBySide


@dataclass(frozen=True)
class Job:
    """What the trainings of a model with each of its seeds have in common."""

    name: str
    entry: Entry
    settings: Train
    device: torch.device
    schema: dict[str, Any]
    specs: dict[str, dict[str, Any]]
    task: Task
    splits: dict[str, Dataset | Streamed]
    team: Team = ALONE
    """The processes that share every batch."""

    @property
    def key(self) -> str:
        """Where params name the model."""
        return f"models.{self.name}"

    def begin(self, seed: int, say: Callable[[str], None]) -> tuple[Model, Recipe, Precision]:
        """The model with its first weights, how it is trained, and in which precision it computes: the same for all seeds.

        `say` takes a line for the user, where something is not done as it was asked.
        """
        torch.manual_seed(seed)
        model = build(self.entry, self.specs, self.task.prior(self.schema), self.key)
        self.team.adopt(model, self.device)
        found = decide(self.settings.precision, model, model.parts(), self.splits["train"].batch(slice(0, 8)), self.device)
        model.bf16 = frozenset(found.bf16)
        model.each = self.side_by_side(model)
        return model, self.recipe(seed, model, self.hasten(model, say)), found

    def side_by_side(self, model: Model) -> SideBySide | None:
        """What lets the encoders work on several cores; None where there is one core or encoder, or what looks into their work."""
        settings = self.settings
        workers = min(cores() // settings.threads, len(model.modalities))
        is_plain = not settings.compile and not settings.diagnose and settings.reconstruction == 0
        is_alone = self.team is ALONE and self.device.type == "cpu"
        return SideBySide(workers, settings.threads) if workers > 1 and is_plain and is_alone else None

    def hasten(self, model: Model, say: Callable[[str], None]) -> Recorder | None:
        """Compile the model and give what records its steps, where params ask for it."""
        if self.settings.compile:
            compile_parts(model.parts(), say)
        return recorder(model, self.device, say) if self.settings.cuda_graph else None

    def recipe(self, seed: int, model: Model, made: Recorder | None) -> Recipe:
        """What the params and the task say about the training, as the loop takes it."""
        settings, task, schema, label = self.settings, self.task, self.schema, self.splits["train"].label
        is_changed = self.entry.augment or settings.mixup > 0
        return Recipe(
            seed=seed,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            optimizer=optimizer(settings.optimizer, model, settings.weight_decay, settings.momentum),
            rate=lambda step, steps: settings.learning_rate * factor(settings.schedule, step, steps, settings.warmup),
            loss=task.loss(schema, label if settings.class_weights == "balanced" else None, settings.label_smoothing),
            plain=task.loss(schema, None, 0.0),
            measure=task.measure,
            score=task.score(schema),
            patience=settings.patience,
            modality_dropout=settings.modality_dropout,
            augment=Augment(self.entry, settings.mixup, self.specs, lambda label: task.mixable(label, schema), self.key)
            if is_changed
            else None,
            penalty=(lambda: settings.l1 * l1(model)) if settings.l1 > 0 else None,
            reconstruction=settings.reconstruction,
            errors=squared_errors if settings.reconstruction > 0 else None,
            micro_batch=settings.micro_batch,
            clip=settings.clip,
            average=settings.ema,
            diagnosis=self.diagnosis(model) if settings.diagnose else None,
            recorder=made,
            team=self.team,
        )

    def diagnosis(self, model: Model) -> Diagnosis:
        """What measures the layers; its probe is spread evenly over the train split, and no larger than what is learnt at a time."""
        settings, train = self.settings, self.splits["train"]
        most = min(PROBE, settings.micro_batch or settings.batch_size, len(train))
        rows = torch.linspace(0, len(train) - 1, most).long()
        return Diagnosis(model, train.batch(rows), self.task.loss(self.schema, None, 0.0))

    def about(self, model: Model) -> dict[str, Any]:
        """What model.json says of the model whatever its seed."""
        return {
            "name": self.name,
            "modalities": list(self.entry.encoders),
            "fusion": self.entry.fusion and self.entry.fusion.name,
            "classes": self.schema["classes"],
            "params": self.entry.model_dump(mode="json", exclude={"train"}),
            "specs": self.specs,
            "parameters": sum(value.numel() for value in model.parameters()),
            "bf16": sorted(model.bf16),
        }


def usable(name: str, entry: Entry, known: list[str]) -> dict[str, Split]:
    """The train and val rows that have any of the model's modalities."""
    splits = {split: read(split, list(entry.encoders), known).usable() for split in ("train", "val")}
    for split, data in splits.items():
        if len(data) < 2:
            raise UserError(
                f"models.{name}: 2 or more rows of the {split} split must have any of {', '.join(entry.encoders)}; found {len(data)}"
            )
    return splits
