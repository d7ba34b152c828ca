"""Why does the model answer some test rows as it does?"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from deconfuse.analyses import Analysis, Row, Subject, Tables
from deconfuse.analyses._attended import attended
from deconfuse.analyses._chosen import asked, drawn, evened, is_right
from deconfuse.analyses._sanity import ALIKE, ERROR, Check, checked, likeness
from deconfuse.explain import Maps, Method, Question
from deconfuse.explain._cells import STEPS, reduced
from deconfuse.explain._question import still
from deconfuse.explain._randomised import LEVELS, randomised
from deconfuse.kernel.lookup import names, part
from deconfuse.model.room import differentiated_at_once


class Explanations(Analysis):
    """Maps of what single answers rest on, by every method in `deconfuse/explain`, and whether they can be believed.

    Half of the rows are the same for every model, the others make up what lacks of right or wrong answers. Explained is the model's
    output for the class that it predicts, before any softmax.
    """

    of_every_seed = False

    def __init__(
        self,
        *,
        samples: Annotated[int, Field(ge=1, le=24, description="Test rows whose maps are kept.")] = 4,
        checked: Annotated[
            int,
            Field(
                ge=2,
                le=1000,
                description="Test rows that the methods are checked on, those kept among them; fewer where maps are too large.",
            ),
        ] = 12,
        seed: Annotated[int, Field(ge=0, lt=2**31, description="Of the draw of the rows and of the weights of randomised models.")] = 0,
    ) -> None:
        self.samples, self.checked, self.seed = samples, checked, seed

    def __call__(self, subject: Subject) -> Tables:
        order = drawn(subject, self.seed)
        if not len(order):
            return {}
        kept = evened(order, is_right(subject), self.samples)
        more = min(self.checked, differentiated_at_once(subject.model, subject.data("test"))) - len(kept)
        rows = torch.tensor([*kept, *[int(row) for row in order if row not in kept][: max(0, more)]])
        weight, other, classes = asked(subject, subject.logits["test"][rows])
        question = Question(still(subject.model), subject.data("test").batch(rows), weight)
        forgetful = {level: randomised(question.model, level, self.seed) for level in LEVELS}
        others: dict[str, Question] = {level: Question(model, question.batch, weight) for level, model in forgetful.items()}
        if other is not None:
            others["class"] = Question(question.model, question.batch, other)
        ids = [subject.ids("test")[row] for row in kept]
        cells, checks = list(told(subject, "input", inputs(subject, question), question, ids)), []
        for name in names("explain"):
            method: Method = part("explain", name)()
            maps = method(question)
            cells += told(subject, name, maps, question, ids)
            checks += sane(name, method, maps, question, others)
        means, each, check = attended(subject, question.model, forgetful["all"], order, kept)
        tables = {
            "explained": about(question, ids, classes),
            "explanations": cells,
            "explained_tokens": list(tokens(subject, ids, kept)),
            "attention": means,
            "attended": each,
            "sanity": [one._asdict() for one in [*checks, *check]],
        }
        return {name: rows for name, rows in tables.items() if rows}


def about(question: Question, ids: list[str], classes: list[str]) -> list[Row]:
    """What is explained of each row: the answer for a class, and what it is for the baseline."""
    answers, baselines = (values.tolist() for values in ends(question))
    return [
        {"id": identity, "class": name, "answer": round(answer, 4), "baseline": round(baseline, 4)}
        for identity, name, answer, baseline in zip(ids, classes, answers, baselines, strict=False)
    ]


@torch.no_grad()
def ends(question: Question) -> tuple[torch.Tensor, torch.Tensor]:
    """The answers to the input and to the baseline."""
    return question(*question.inputs, *question.beside), question(*question.baselines, *question.beside)


def inputs(subject: Subject, question: Question) -> Maps:
    """What maps are laid over: pictures without their colours, and sounds."""
    drawable = [name for name in question.modalities if question.layout(name) == "image" or is_sound(subject, name)]
    values = {name: question.inputs[question.modalities.index(name)] for name in drawable}
    return {name: x.mean(1) if x.dim() == 4 else x for name, x in values.items()}


def is_sound(subject: Subject, name: str) -> bool:
    return subject.facts["modalities"][name]["kind"] == "audio"


def told(subject: Subject, method: str, maps: Maps, question: Question, ids: list[str]) -> Iterator[Row]:
    """The cells of the maps of the rows kept, as far as the row has the modality: of what is no picture up to its length."""
    for name, found in maps.items():
        layout, valid = question.layout(name), question.valid(name)
        for place, identity in enumerate(ids):
            steps = int(valid[place].flatten(1).any(1).sum()) if valid.dim() > 2 else int(valid[place].sum())
            if not steps:
                continue
            kept = found[place, :steps].cpu().double().numpy()
            values = reduced(kept, layout, is_sound(subject, name))
            if method == "input":
                # the mean of what falls into a cell
                values = values / reduced(np.ones_like(kept), layout, is_sound(subject, name))
            for (row, column), value in np.ndenumerate(values):
                yield {
                    "id": identity,
                    "modality": name,
                    "method": method,
                    "row": row,
                    "column": column,
                    "value": float(f"{value:.4g}"),
                }


def tokens(subject: Subject, ids: list[str], kept: list[int]) -> Iterator[Row]:
    """What the steps of texts stand for."""
    for name in subject.modalities:
        if subject.facts["modalities"][name]["kind"] != "text":
            continue
        texts, _ = subject.raw("test", name)
        for identity, row in zip(ids, kept, strict=True):
            pieces = subject.embedding(name).tokens(texts[row] or "")
            for column, piece in enumerate(pieces[:STEPS]):
                # half a character, which JSON may hold, can be in no file
                yield {"id": identity, "modality": name, "column": column, "token": piece.encode("utf-8", "replace").decode()}


def sane(name: str, method: Method, maps: Maps, question: Question, others: dict[str, Question]) -> Iterator[Check]:
    """How maps change where the weights are random, the last layer's (head) or all, or another class is asked for; and whether they
    add up."""
    rough = method.rough()
    for check, other in others.items():
        changed = rough(other)
        for modality in maps:
            yield checked(modality, name, check, likeness(maps[modality], changed[modality], question.valid(modality)), ALIKE)
    if method.adds_up:
        answer, baseline = ends(question)
        total = torch.stack([found.flatten(1).sum(1) for found in maps.values()]).sum(0)
        error = (total - (answer - baseline)).abs() / (answer - baseline).abs().mean()
        yield checked("all", name, "completeness", error.cpu().numpy(), ERROR)
