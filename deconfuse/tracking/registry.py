"""The registry's champions: of the models of the current folder, and in a store that has lost them those of earlier line-ups."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deconfuse.kernel.files import read_json
from deconfuse.tracking import drawing
from deconfuse.tracking.cache import REPORT, Entry, Past, files, source
from deconfuse.tracking.faults import again
from deconfuse.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


def crown(
    client: "MlflowClient", store: Store, experiment_id: str, experiment: str, digests: dict[str, str], root: Path = Path()
) -> str | None:
    """Let the best of these models (name -> digest), whose files are in the project at `root`, be the champion where it is shown to be.

    Returns what was decided, in words; None where no model is evaluated on the data at hand.
    """
    # not above: who only imports this has no need of pandas
    from deconfuse.serving.champion import crown

    with store.alone():
        found = [(model, run) for model, digest in digests.items() for run in drawing.find(client, experiment_id, digest)]
        # one may be missing: someone else on the same server is about to finish it
        whole = [(model, run) for model, run in found if run.info.status == "FINISHED" and drawing.MODEL_TAG in run.data.tags]
        return again(partial(crown, client, experiment, {model: run.info.run_id for model, run in whole}, root))


def crown_earlier(
    client: "MlflowClient", store: Store, experiment_id: str, experiment: str, reports: list[Entry], earlier: list[Past]
) -> None:
    """Decide again, in a registry without champions, what was decided at each report: by what DVC's cache has of its models."""
    from deconfuse.serving.champion import legal

    if client.search_registered_models(f"name = '{legal(experiment)}'"):
        return
    known = {one.digest: one for one in earlier if one.evaluated and one.can_be_served}
    for report in reports:
        compared = {name: digest for name, digest in read_json(report.object(REPORT)).items() if digest in known}
        facts = source(report)
        if compared and facts:
            with files([entry for digest in compared.values() for entry in known[digest].entries], facts) as folder:
                crown(client, store, experiment_id, experiment, compared, folder)
