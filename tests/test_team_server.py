"""The pipeline against a team's server: real PostgreSQL, MLflow's server with passwords, both set up by the project's own command."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import finished_project
import psycopg
import pytest
import requests
from clone import ROOT, Clone
from team_server import MAKER, MEMBERS, PROGRAMS, Team, command, free_port, postgres, tracking_server

from deconfuse.tracking.views import TAG

pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="no PostgreSQL is installed")

SMALL = {
    "data.limit": 120,
    "train.epochs": 2,
    "tracking.live": 0,
    "embed": {"image": "pixels", "text": "characters"},
    "models": {"image_cnn": {"encoders": {"image": "cnn"}}, "text_lstm": {"encoders": {"text": "lstm"}, "train": {"seeds": [0, 1]}}},
}
RUNS = ["image_cnn", "report", "text_lstm", "text_lstm, seed 0", "text_lstm, seed 1"]


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    root = tmp_path_factory.mktemp("team")
    with postgres() as database:
        done = command("setup", root / "server", **database.variables, PGUSER=MAKER)
        assert done.returncode == 0, done.stderr
        with tracking_server(root / "server", free_port(), root / "log") as address:
            found = Team(address, root / "server", root / "log", database)
            for name, password in MEMBERS.items():
                found.post("users/create", "admin", username=name, password=password)
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
    place = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    stored = team.folder / "artifacts" / place
    got = []
    for path in ["history.csv", *(str(one.relative_to(stored)) for one in stored.rglob("*.safetensors"))]:
        address = f"{team.address}/api/2.0/mlflow-artifacts/artifacts/{place}/{path}"
        reply = requests.get(address, auth=("bob", MEMBERS["bob"]), timeout=60)
        assert reply.status_code == 200, path
        got.append(reply.content)
    trained = clone.root / "data/models/text_lstm"
    assert got[0] == (trained / "history.csv").read_bytes()
    assert sorted(got[1:]) == sorted(one.read_bytes() for one in trained.rglob("*.safetensors"))


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
    before = team.dump()
    assert "0 runs written, 2 already there" in clone.run("python", "-m", "deconfuse.tracking", **team.variables("bob")).out
    assert team.dump() == before


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
    assert "1 run written" in clone.run("python", "-m", "deconfuse.tracking", **team.variables("ann")).out
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
    processes = [drawing(team, tmp_path / member, member, "race") for member in MEMBERS]
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert {name: len(same) for name, same in team.runs("race").items()} == dict.fromkeys(finished_project.MODELS, 1)


def drawing(team: Team, root: Path, member: str, experiment: str) -> subprocess.Popen[str]:
    """A member's finished project, being drawn."""
    models = finished_project.build(root)
    (root / "params.yaml").write_text(json.dumps({"models": {model: {} for model in models}, "tracking": {"experiment": experiment}}))
    variables = os.environ | team.variables(member) | {"DVC_ROOT": str(root), "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "deconfuse.tracking"]
    return subprocess.Popen(line, cwd=root, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_view_that_someone_else_saves_at_the_same_moment_is_left(team: Team, tmp_path: Path) -> None:
    made = team.post("experiments/create", "ann", name="view")
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    variables = team.database.variables
    with psycopg.connect(host=variables["PGHOST"], port=variables["PGPORT"], dbname="mlflow") as other:
        row = (TAG, "theirs", made["experiment_id"])
        other.execute("INSERT INTO experiment_tags (key, value, experiment_id) VALUES (%s, %s, %s)", row)
        process = drawing(team, tmp_path, "bob", "view")
        while not other.execute(waiting).fetchone()[0]:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.02)
    said = process.communicate()[0]
    assert (process.returncode, "warning" in said) == (0, False), said
    experiment = team.get("experiments/get-by-name?experiment_name=view")["experiment"]
    assert {"key": TAG, "value": "theirs"} in experiment["tags"]


def test_who_may_not_delete_leaves_what_another_has_broken_off(team: Team, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(team.folder, tmp_path / "server"))
    settings = folder / "auth.ini"
    settings.write_text(settings.read_text().replace("default_permission = MANAGE", "default_permission = EDIT"))

    def draws(member: str, place: str) -> str:
        process = drawing(strict, tmp_path / place, member, "edited")
        said = process.communicate()[0]
        assert process.returncode == 0, said
        return said

    with tracking_server(folder, free_port(), tmp_path / "log") as address:
        strict = replace(team, address=address)
        draws("ann", "first")
        (run,) = team.runs("edited")["concat"]
        strict.post("runs/create", "ann", experiment_id=run["info"]["experiment_id"], run_name="concat", tags=run["data"]["tags"])
        assert draws("bob", "second").startswith("0 runs written, 4 already there")
        assert len(team.runs("edited")["concat"]) == 2
        assert draws("ann", "third").startswith("0 runs written, 4 already there")
        assert team.runs("edited")["concat"] == [run]


def test_a_set_up_that_cannot_be_says_why(team: Team, tmp_path: Path) -> None:
    def says(*words: str | Path, **variables: str) -> str:
        done = command(*words, **team.database.variables | {"PGUSER": MAKER} | variables)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done
        return done.stderr

    assert says("setup", tmp_path, "--name", "My SQL").startswith("error: --name My SQL: a role of PostgreSQL is named with")
    assert says("setup", tmp_path).startswith("error: PostgreSQL has a role 'mlflow' already, and")
    assert says("setup", team.folder, "--name", "other").startswith(f"error: {team.folder} is the folder of 127.0.0.1:")
    assert "error: PostgreSQL: connection is bad: connection to server on socket" in says("setup", tmp_path, PGPORT=str(free_port()))
    assert "does not exist" in says("setup", tmp_path, PGUSER="nobody_known")
    assert says("run", tmp_path).startswith(f"error: {tmp_path} lacks auth.ini, pgpass, admin_password, session_key; make it with")
    shutil.copytree(team.folder, tmp_path / "open", ignore=shutil.ignore_patterns("artifacts"))
    (tmp_path / "open/pgpass").chmod(0o644)
    assert "chmod 600" in says("run", tmp_path / "open")
    (tmp_path / "open/pgpass").chmod(0o600)
    assert "cannot be used" in says("run", tmp_path / "open", "--port", team.address.rpartition(":")[2])


def test_a_set_up_made_twice_is_the_same(team: Team) -> None:
    before = {path.name: path.read_text() for path in team.folder.iterdir() if path.is_file()}
    assert command("setup", team.folder, **team.database.variables, PGUSER=MAKER).returncode == 0
    assert before == {path.name: path.read_text() for path in team.folder.iterdir() if path.is_file()}
    # the role's password still opens the database
    assert team.get("experiments/search?max_results=1")


def test_no_secret_is_anywhere_else(team: Team, clone: Clone) -> None:
    """Runs late: logs and store hold what the other tests have done."""
    hidden = [*MEMBERS.values(), *map(team.secret, ("admin_password", "session_key", "pgpass"))]
    texts = {"store": team.dump(), "log": team.log.read_text(), "log of PostgreSQL": team.database.log()}
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
