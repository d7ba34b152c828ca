"""The pipeline against a team's server: real PostgreSQL, MLflow's server with passwords, both set up by the project's own command."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import finished_project
import pytest
import requests
from clone import ROOT, Clone
from team_server import MAKER, PROGRAMS, Postgres, command, free_port, postgres, tracking_server

pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL is installed")

SMALL = {
    "data.limit": 120,
    "train.epochs": 2,
    "tracking.live": 0,
    "embed": {"image": "pixels", "text": "characters"},
    "models": {"image_cnn": {"encoders": {"image": "cnn"}}, "text_lstm": {"encoders": {"text": "lstm"}, "train": {"seeds": [0, 1]}}},
}
RUNS = ["image_cnn", "report", "text_lstm", "text_lstm, seed 0", "text_lstm, seed 1"]
# random, for this file itself is in the clone that is searched for them
MEMBERS = {name: f"{name}'s {token_urlsafe(12)}" for name in ("ann", "bob")}


@dataclass(frozen=True)
class Team:
    """A running server, and how its members reach it."""

    address: str
    folder: Path
    log: Path
    database: Postgres

    def variables(self, member: str, password: str | None = None) -> dict[str, str]:
        return {
            "MLFLOW_TRACKING_URI": self.address,
            "MLFLOW_TRACKING_USERNAME": member,
            "MLFLOW_TRACKING_PASSWORD": password or MEMBERS[member],
            # many tests at a time make a machine slow
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
        }

    def secret(self, name: str) -> str:
        return (self.folder / name).read_text().strip().rpartition(":")[2]

    def get(self, path: str, member: str = "ann") -> Any:
        reply = requests.get(f"{self.address}/api/2.0/mlflow/{path}", auth=(member, MEMBERS[member]), timeout=60)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def runs(self, experiment: str = "deconfuse") -> dict[str, list[dict[str, Any]]]:
        """The active runs of an experiment by name."""
        number = self.get(f"experiments/get-by-name?experiment_name={experiment}")["experiment"]["experiment_id"]
        query = {"experiment_ids": [number], "max_results": 1000}
        reply = requests.post(f"{self.address}/api/2.0/mlflow/runs/search", json=query, auth=("bob", MEMBERS["bob"]), timeout=60)
        found: dict[str, list[dict[str, Any]]] = {}
        for run in reply.json().get("runs", []):
            found.setdefault(run["info"]["run_name"], []).append(run)
        return found


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    root = tmp_path_factory.mktemp("team")
    with postgres() as database:
        done = command("setup", root / "server", **database.variables, PGUSER=MAKER)
        assert done.returncode == 0, done.stderr
        with tracking_server(root / "server", free_port(), root / "log") as address:
            found = Team(address, root / "server", root / "log", database)
            for name, password in MEMBERS.items():
                account = {"username": name, "password": password}
                made = requests.post(
                    f"{address}/api/2.0/mlflow/users/create", json=account, auth=("admin", found.secret("admin_password")), timeout=60
                )
                assert made.status_code == 200, made.text
            yield found


@pytest.fixture(scope="module")
def clone(team: Team, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A project whose pipeline has run once, as ann."""
    clone = Clone.make(tmp_path_factory.mktemp("clone"))
    clone.edit(SMALL)
    assert "warning: tracking" not in clone.run("dvc", "repro", **team.variables("ann")).out
    return clone


def test_the_pipeline_leaves_its_runs_on_the_server(team: Team, clone: Clone) -> None:
    runs = team.runs()
    assert sorted(runs) == RUNS
    assert all(len(same) == 1 and same[0]["info"]["status"] == "FINISHED" for same in runs.values())
    tags = {name: {tag["key"]: tag["value"] for tag in same[0]["data"]["tags"]} for name, (*same,) in runs.items()}
    for seed in (0, 1):
        assert tags[f"text_lstm, seed {seed}"]["mlflow.parentRunId"] == runs["text_lstm"][0]["info"]["run_id"]
    assert not (clone.root / "mlflow.db").exists()
    assert not (clone.root / "mlruns").exists()


def test_files_come_back_through_the_server_as_they_were(team: Team, clone: Clone) -> None:
    (run,) = team.runs()["text_lstm"]
    for path in ("seeds/0/weights.safetensors", "seeds/1/weights.safetensors", "history.csv"):
        sent = (clone.root / "data/models/text_lstm" / path).read_bytes()
        place = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
        reply = requests.get(f"{team.address}/api/2.0/mlflow-artifacts/artifacts/{place}/{path}", auth=("bob", MEMBERS["bob"]), timeout=60)
        assert (reply.status_code, reply.content) == (200, sent), path
        assert (team.folder / "artifacts" / place / path).read_bytes() == sent


def test_the_champion_is_loaded_from_the_server_and_answers(team: Team, clone: Clone) -> None:
    code = """
import json, mlflow
model = mlflow.pyfunc.load_model("models:/deconfuse@champion")
print(json.dumps(model.predict([{"text": "a line of three", "image": None}, {"text": "four"}])))
"""
    done = clone.run(sys.executable, "-W", "ignore", "-c", code, **team.variables("bob"), MLFLOW_ALLOW_PICKLE_DESERIALIZATION="false")
    answers = json.loads(done.out.splitlines()[-1])
    assert [abs(sum(answer["probabilities"].values()) - 1) < 1e-4 for answer in answers] == [True, True]


def test_the_same_again_changes_nothing_on_the_server(team: Team, clone: Clone) -> None:
    before = dump(team)
    assert "0 runs written, 2 already there" in clone.run("python", "-m", "deconfuse.tracking", **team.variables("bob")).out
    assert dump(team) == before


def test_a_wrong_password_costs_a_line(team: Team, clone: Clone) -> None:
    clone.edit({"models.image_cnn.width": 16})
    known = team.runs()
    done = clone.run("dvc", "repro", **team.variables("ann", "no such password"))
    assert [line for line in done.out.splitlines() if "warning: tracking" in line] == [
        "warning: tracking: the server knows no such name and password (401): set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; "
        "the outputs are whole; run `make sync` later"
    ]
    assert "Traceback" not in done.out and "no such password" not in done.out.replace("no such name and password", "")
    # whole, and what DVC takes them for
    assert clone.run("dvc", "repro").ran == []
    assert team.runs() == known
    assert "1 runs written" in clone.run("python", "-m", "deconfuse.tracking", **team.variables("ann")).out
    assert sorted(team.runs()) == RUNS
    assert len(team.runs()["image_cnn"]) == 2


def test_a_champion_that_cannot_be_fetched_is_an_error_of_one_line(team: Team, clone: Clone) -> None:
    wrong = clone.run("python", "-m", "deconfuse.serving", code=1, **team.variables("ann", "wrong")).out
    assert wrong.startswith(f"error: the champion cannot be had from {team.address}: the server knows no such name and password")
    dead = team.variables("ann") | {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"}
    assert clone.run("python", "-m", "deconfuse.serving", code=1, **dead).out.count("\n") == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
def test_strangers_are_refused(team: Team, method: str) -> None:
    for path in (
        "",
        "api/2.0/mlflow/experiments/search",
        "api/2.0/mlflow-artifacts/artifacts/1/x",
        "ajax-api/2.0/mlflow/runs/search",
        "graphql",
    ):
        for account in (None, ("ann", "wrong"), ("admin", "")):
            reply = requests.request(method, f"{team.address}/{path}", auth=account, timeout=60)
            assert reply.status_code == 401, (path, account, reply.text)


def test_members_do_not_make_accounts(team: Team) -> None:
    account = {"username": "eve", "password": "long enough a password"}
    reply = requests.post(f"{team.address}/api/2.0/mlflow/users/create", json=account, auth=("ann", MEMBERS["ann"]), timeout=60)
    assert reply.status_code == 403


def test_other_sites_are_refused(team: Team) -> None:
    own = ("ann", MEMBERS["ann"])
    assert requests.get(team.address, headers={"Host": "evil.example"}, auth=own, timeout=60).status_code == 403
    path, origin = f"{team.address}/api/2.0/mlflow/experiments/create", {"Origin": "https://evil.example"}
    assert requests.post(path, json={"name": "stolen"}, headers=origin, auth=own, timeout=60).status_code == 403


def test_two_who_draw_the_same_at_once_leave_it_once(team: Team, tmp_path: Path) -> None:
    processes = []
    for member in MEMBERS:
        root = tmp_path / member
        models = finished_project.build(root)
        (root / "params.yaml").write_text(json.dumps({"models": {model: {} for model in models}, "tracking": {"experiment": "race"}}))
        variables = os.environ | team.variables(member) | {"DVC_ROOT": str(root), "PYTHONPATH": str(ROOT)}
        line = [sys.executable, "-m", "deconfuse.tracking"]
        processes.append(subprocess.Popen(line, cwd=root, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert {name: len(same) for name, same in team.runs("race").items()} == dict.fromkeys(finished_project.MODELS, 1)


def test_no_secret_is_anywhere_else(team: Team, clone: Clone) -> None:
    """Runs late: logs and store hold what the other tests have done."""
    hidden = [*MEMBERS.values(), *map(team.secret, ("admin_password", "session_key", "pgpass"))]
    texts = {"store": dump(team), "log": team.log.read_text(), "log of PostgreSQL": team.database.log()}
    for folder in (team.folder / "artifacts", clone.root):
        texts |= {str(path): path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            texts[str(path)] = path.read_text(errors="replace")
        except OSError:
            continue
    # the places looked at are the right ones
    assert "CREATE ROLE" in texts["log of PostgreSQL"] and any("--app-name\0basic-auth" in text for text in texts.values())
    assert [(name, secret[:3]) for name, text in texts.items() for secret in hidden if secret in text] == []


def dump(team: Team) -> str:
    """All rows; newer versions of pg_dump put a random word before and after them."""
    text = team.database.run("pg_dump", "--data-only", "--inserts", "mlflow")
    return "\n".join(line for line in text.splitlines() if not line.startswith("\\"))
