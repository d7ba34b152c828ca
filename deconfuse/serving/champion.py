"""The best model of the data in the registry: alias `champion` of the registered model that bears the experiment's name; it is the
model of its run.

Best is by the validation split. Whoever holds the title keeps it until another is shown to be better on the same validation rows. Each data
set has a champion of its own, with an alias `data-...`: a difference between figures of different rows says nothing. `champion` is
that of the data at hand.
"""

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from deconfuse.kernel.files import digest_json, read_json
from deconfuse.reporting.measures import Measure, of
from deconfuse.reporting.results import read_predictions
from deconfuse.serving.bundle import MODELS, is_current
from deconfuse.serving.packaging import FOLDER
from deconfuse.tracking.faults import FORBIDDEN, permitted

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

EVALUATIONS, SCHEMA, SOURCE = Path("reports/models"), Path("data/prepared/schema.json"), Path("data/raw/source.json")
ALIAS = "champion"
DIGEST_TAG, REASON_TAG, CHALLENGE_TAG = "deconfuse.digest", "deconfuse.reason", "deconfuse.challenge"
SEED_TAG = "seed"
RESAMPLES, SEED = 10_000, 0


@dataclass(frozen=True)
class Contest:
    """What the evaluated models of a line-up are compared by."""

    root: Path
    """Of the project."""
    name: str
    """Of the registered model."""
    schema: dict[str, Any]
    data: str
    """Digest of the rows and their media."""
    figures: dict[str, dict[str, Any]]
    """Model -> the figures on the validation split of its best seed, which is the one that is served."""
    seeds: dict[str, int]
    """Model -> that seed."""
    weights: dict[str, str]
    """Model -> SHA-256 of its weights."""
    trainings: int
    """All seeds of all models."""
    measure: Measure

    @property
    def best(self) -> str:
        return min(self.figures, key=lambda model: (self.measure.order(self.figures[model][self.measure.key]), model))

    @property
    def alias(self) -> str:
        return f"data-{self.data[:12]}"

    def shown(self, model: str) -> str:
        figures = self.figures[model]
        return f"{self.measure.name} {self.measure.show(figures[self.measure.key])} on {figures['n']:,} validation rows"


def crown(client: "MlflowClient", experiment: str, runs: dict[str, str], root: Path = Path()) -> str | None:
    """Register the best of the models where it is the champion; the same again changes nothing.

    Args:
        client: of the store.
        experiment: whose name the registered model takes.
        runs: model -> the id of its run, of those that can be served.
        root: of the project that has their files.

    Returns what was decided, in words; None where no model is evaluated on the data at hand.
    """
    contest = opened(experiment, list(runs), root)
    if contest is None:
        return None
    best = contest.best
    digest = client.get_run(runs[best]).data.tags[DIGEST_TAG]
    present = holder(client, contest.name, contest.alias)
    if present is None:
        reason = f"{best} is champion: the first of this data, the best of {contest.trainings} trainings by {contest.shown(best)}"
    elif present.tags.get(DIGEST_TAG) == digest:
        return entitle(client, contest, present, f"{best} is champion: it was so before")
    else:
        is_better, reason = compared(client, contest, best, present)
        if not is_better:
            tag(client, present, CHALLENGE_TAG, reason)
            return entitle(client, contest, present, reason)
    told = {DIGEST_TAG: digest, REASON_TAG: reason, "deconfuse.data": contest.data, "model": best, SEED_TAG: str(contest.seeds[best])}
    version = register(client, contest, runs[best], told | {"sha256": contest.weights[best]})
    return entitle(client, contest, version, reason)


def opened(experiment: str, models: list[str], root: Path) -> Contest | None:
    ready = [model for model in models if (root / EVALUATIONS / model / "metrics.json").is_file() and is_current(model, root)]
    if not ready:
        return None
    schema, about = read_json(root / SCHEMA), {model: read_json(root / MODELS / model / "model.json") for model in ready}
    seeds = {model: facts["best_seed"] for model, facts in about.items()}
    weights = {model: facts["seeds"][str(seeds[model])]["sha256"] for model, facts in about.items()}
    evaluated = {model: read_json(root / EVALUATIONS / model / "metrics.json")["seeds"] for model in ready}
    figures = {model: each[str(seeds[model])]["val"] for model, each in evaluated.items()}
    trainings = sum(map(len, evaluated.values()))
    data = digest_json({"rows": schema["digest"], "source": read_json(root / SOURCE)["digest"]})
    measure = of(next(iter(figures.values())), str(EVALUATIONS))
    return Contest(root, legal(experiment), schema, data, figures, seeds, weights, trainings, measure)


def legal(name: str) -> str:
    """An experiment's name as the registry takes it."""
    return re.sub(r"[/:'\"]|^\.+$", "_", name)


def holder(client: "MlflowClient", name: str, alias: str) -> "ModelVersion | None":
    """The version that has an alias, if there is one."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        # a server with accounts lets nobody see what is not there
        if error.get_http_status_code() == FORBIDDEN and not client.search_registered_models(f"name = '{name}'"):
            return None
        raise


def compared(client: "MlflowClient", contest: Contest, best: str, present: "ModelVersion") -> tuple[bool, str]:
    """Whether the best model is better than the present champion of the data, and why.

    A paired bootstrap of the validation rows (Efron 1979) decides, one-sided at 2.5 %, divided by the number of trainings that the best was
    chosen from (Bonferroni): the best of many is a little better by luck.
    """
    who = f"{present.tags.get('model', 'the champion')} (version {present.version})"
    ours, theirs = predictions(contest.root / EVALUATIONS / best / "val.csv", contest.seeds[best]), before(client, present)
    if theirs is None or not ours["actual"].equals(theirs["actual"]):
        return True, f"{best} is champion: {who} has left no predictions of these validation rows to be compared with"
    measure = contest.measure
    terms = [measure.terms(table, contest.schema) for table in (ours, theirs)]
    draws = -np.vectorize(measure.order)(measure.differences(*(one[None] for one in terms), RESAMPLES, SEED))
    # of an error less is a gain
    gain = -measure.order(float(measure.figure(terms[0].sum(0)) - measure.figure(terms[1].sum(0))))
    level = 0.025 / contest.trainings
    low, high = np.quantile(draws, [level, 1 - level])
    gained = f"{measure.gain(gain)}{' points' if measure.is_share else ''} of {measure.name}"
    how = (
        f"({measure.gains(float(low), float(high))}: {100 * (1 - 2 * level):.4g} % interval, paired bootstrap of {len(ours):,} validation "
        f"rows, best of {contest.trainings} trainings)"
    )
    if low > 0:
        return True, f"{best} is champion: {gained} gained on {who} {how}"
    return False, f"{who} stays champion: {best} is not shown to be better, {gained} {how}"


def before(client: "MlflowClient", present: "ModelVersion") -> Any:
    """The validation predictions of a champion, from its run; None where they are gone."""
    from mlflow.exceptions import MlflowException

    with TemporaryDirectory() as folder:
        try:
            return predictions(Path(client.download_artifacts(str(present.run_id), "val.csv", folder)), present.tags[SEED_TAG])
        except (MlflowException, OSError, KeyError):
            return None


def predictions(path: Path, seed: int | str) -> "pd.DataFrame":
    """Those of one seed, by id."""
    table = read_predictions(path)
    return table[table["seed"] == str(seed)]


def register(client: "MlflowClient", contest: Contest, run: str, tags: dict[str, str]) -> "ModelVersion":
    """The version of a training, which is the model of its run; made where there is none, one where two do so at the same moment."""
    from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository

    digest = f"name = '{contest.name}' and tags.`{DIGEST_TAG}` = '{tags[DIGEST_TAG]}'"
    if known := client.search_model_versions(digest):
        return min(known, key=number)
    if not client.search_registered_models(f"name = '{contest.name}'"):
        client.create_registered_model(contest.name)
    place = RunsArtifactRepository.get_underlying_uri(f"runs:/{run}/{FOLDER}", client.tracking_uri)
    own = client.create_model_version(contest.name, place, run, tags)
    first = min(client.search_model_versions(digest), key=number)
    if first.version != own.version:
        permitted(partial(client.delete_model_version, own.name, own.version))
    return first


def number(version: "ModelVersion") -> int:
    return int(version.version)


def entitle(client: "MlflowClient", contest: Contest, version: "ModelVersion", decision: str) -> str:
    """Give a version the titles that it does not have yet."""
    for alias in (contest.alias, ALIAS):
        now = holder(client, contest.name, alias)
        if now is None or now.version != version.version:
            client.set_registered_model_alias(contest.name, alias, version.version)
    return decision


def tag(client: "MlflowClient", version: "ModelVersion", key: str, value: str) -> None:
    if version.tags.get(key) != value:
        client.set_model_version_tag(version.name, version.version, key, value)
