"""The champion of a real registry at work: served over real HTTP by the project's own server and MLflow's, and on tables."""

import base64
import csv
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import served_project

ROOT = Path(__file__).parents[1]
MLFLOW = str(Path(sys.executable).with_name("mlflow"))


class Server(NamedTuple):
    kind: str
    port: int
    process: subprocess.Popen

    def post(self, body: Any, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Status and text of the answer to a request with this body, as JSON where it is no bytes."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", "/invocations", content, {"Content-Type": "application/json"} if headers is None else headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def predict(self, rows: Any, **params: Any) -> list[dict[str, Any]]:
        status, text = self.post({"inputs": rows} | ({"params": params} if params else {}))
        assert status == 200, text
        return json.loads(text)["predictions"]


def environment(root: Path) -> dict[str, str]:
    outer = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_"))}
    return outer | {
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DVC_ROOT": str(root),
        "OMP_NUM_THREADS": "1",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_TRACKING_URI": f"sqlite:///{root}/mlflow.db",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished project whose best model is in the registry."""
    root = tmp_path_factory.mktemp("registered")
    served_project.build(root)
    done = subprocess.run(
        [sys.executable, "-m", "deconfuse.tracking"], cwd=root, env=environment(root), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "all is champion: the first of this data, the best of 2 trainings by accuracy" in done.stdout
    return root


@contextmanager
def running(kind: str, root: Path) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = {
        "own": [sys.executable, "-m", "deconfuse.serving", "--port", str(port)],
        "mlflow": [MLFLOW, "models", "serve", "-m", "models:/deconfuse@champion", "--env-manager", "local", "-p", str(port)],
    }[kind]
    with (root / f"{kind}.log").open("wb") as log:
        # a group of its own: MLflow's command starts the server by a shell
        process = subprocess.Popen(words, cwd=root, env=environment(root), stdout=log, stderr=log, start_new_session=True)
    try:
        server = Server(kind, port, process)
        deadline = time.monotonic() + 240
        while not answers(server):
            assert process.poll() is None and time.monotonic() < deadline, (root / f"{kind}.log").read_text()
            time.sleep(0.2)
        yield server
    finally:
        os.killpg(process.pid, 15)
        process.wait(60)


def answers(server: Server) -> bool:
    try:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False


@pytest.fixture(scope="session", params=["own", "mlflow"])
def server(request: pytest.FixtureRequest, project: Path) -> Iterator[Server]:
    with running(request.param, project) as found:
        yield found


def test_raw_files_over_http_get_the_probabilities_of_evaluate(project: Path, server: Server) -> None:
    rows, expected = served_project.requests(project, "all")
    for answer, wanted in zip(server.predict(rows), expected, strict=True):
        assert answer["label"] == wanted["predicted"]
        for name, share in answer["probabilities"].items():
            assert share == pytest.approx(float(wanted[f"p:{name}"]), abs=1e-5)


LOAD = """
import json, sys
import mlflow
import pandas as pd

rows = pd.DataFrame(json.load(sys.stdin))
model = mlflow.pyfunc.load_model(f"runs:/{sys.argv[1]}/model")
example = model.predict(model.input_example)
print(json.dumps({
    "answers": model.predict(rows),
    "example": example,
    "inputs": model.metadata.get_input_schema().input_names(),
    "code": sys.modules["deconfuse.serving.served"].__file__,
}))
"""


def test_every_models_run_has_a_model_that_answers_as_evaluate(project: Path) -> None:
    with closing(sqlite3.connect(project / "mlflow.db")) as store:
        runs = dict(store.execute("SELECT name, run_uuid FROM runs").fetchall())
    rows, expected = served_project.requests(project, "image_cnn")
    words = [sys.executable, "-c", LOAD, runs["image_cnn"]]
    done = subprocess.run(words, cwd="/", env=environment(project), input=json.dumps(rows), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["inputs"] == ["image"]
    assert told["example"][0]["label"] in told["example"][0]["probabilities"]
    # not that of the working folder
    assert "/model/code.zip/deconfuse/" in told["code"]
    for answer, wanted in zip(told["answers"], expected, strict=True):
        for name, share in answer["probabilities"].items():
            assert share == pytest.approx(float(wanted[f"p:{name}"]), abs=1e-5)


def test_the_forms_that_mlflow_knows(project: Path, server: Server) -> None:
    (row, *_), _ = served_project.requests(project, "all")
    (answer,) = server.predict([row])
    columns = [name for name in row if row[name] is not None]
    table = {"columns": columns, "data": [[row[name] for name in columns]]}
    for body in ({"dataframe_records": [row]}, {"dataframe_split": table}, {"instances": [row]}):
        status, text = server.post(body)
        assert status == 200, text
        assert json.loads(text)["predictions"] == [answer]


def test_contributions_are_given_on_demand(project: Path, server: Server) -> None:
    (row, *_), _ = served_project.requests(project, "all")
    assert "contributions" not in server.predict([row])[0]
    (answer,) = server.predict([row], contributions=True)
    total = answer["prior"] + sum(answer["contributions"].values())
    assert total == pytest.approx(answer["probabilities"][answer["label"]])


def test_a_missing_modality_is_null_or_not_there(project: Path, server: Server) -> None:
    (row, *_), _ = served_project.requests(project, "all")
    (alone,) = server.predict([{"text": row["text"] or "round"}])
    (same,) = server.predict([{"text": row["text"] or "round", "image": None}])
    assert alone == same
    assert alone["modalities"] == ["text"]


SECRET = "a-line-that-nobody-else-may-read"
JSON_TYPE = {"Content-Type": "application/json"}
BAD: dict[str, tuple[Any, dict[str, str] | None, str]] = {
    "no JSON": (b"{", None, "JSON"),
    "no UTF-8": (b'{"inputs": "\xff"}', None, "UTF-8|utf-8"),
    "a list": (b"[]", None, "(?i)must be"),
    "nothing": (b"", None, "JSON"),
    "no rows": ({"inputs": []}, None, ""),
    "another key": ({"rows": []}, None, "must"),
    "another column": ({"inputs": [{"picture": "x"}]}, None, "column"),
    "no number, where a text is needed": (b'{"inputs": [{"text": NaN}]}', None, ""),
    "a number, where a text is needed": ({"inputs": [{"text": 3}]}, None, ""),
    "a list, where a text is needed": ({"inputs": [{"text": ["x"]}]}, None, ""),
    "no base64": ({"inputs": [{"image": "no base64!"}]}, None, "base64"),
    "an address": ({"inputs": [{"audio": "http://127.0.0.1/a.wav"}]}, None, "base64"),
    "a damaged picture": ({"inputs": [{"image": "iVBORw0KGgoAAAANSUhEUgAAAAE="}]}, None, "no picture that can be read"),
    "a picture as sound": ({"inputs": [{"audio": base64.b64encode(b"\x89PNG\r\n\x1a\n" * 9).decode()}]}, None, "no sound that can be read"),
    "too large": ({"inputs": [{"text": "x" * 50_000_000}]}, None, "more than|may have"),
    "params of another kind": ({"inputs": [{"text": "x"}], "params": {"contributions": "very"}}, None, "(?i)param"),
}
DEEP = b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_gets_400_and_a_reason_and_does_not_end_the_server(project: Path, server: Server, case: str) -> None:
    body, headers, reason = BAD[case]
    status, text = server.post(body, headers)
    assert status == 400, text[:2000]
    assert re.search(reason, text), text[:2000]
    assert len(text) > 20
    assert answers(server)


def test_a_path_is_not_opened(project: Path, server: Server, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_text(SECRET)
    # a path can be base64, too
    spelt = str(tmp_path / "secret")
    (tmp_path / "secret").write_text(SECRET)
    for cell in (str(secret), f"file://{secret}", spelt + "/" * (-len(spelt) % 4), base64.b64encode(str(secret).encode()).decode()):
        for name in ("image", "audio", "video"):
            status, text = server.post({"inputs": [{name: cell}]})
            assert status == 400, text
            assert SECRET not in text


def test_what_mlflow_refuses_in_other_ways_is_refused(server: Server) -> None:
    body = b'{"inputs": [{"text": "x"}]}'
    for kind in ("text/plain", "application/xml", "application/json; charset=latin-1"):
        status, text = server.post(body, {"Content-Type": kind})
        # MLflow's own server says 415
        assert status == (400 if server.kind == "own" else 415), text
        assert text
    # to no type at all, and to lists in lists, MLflow's says 500, and lives on
    for broken in (server.post(body, {}), server.post(DEEP)):
        assert broken[0] == (400 if server.kind == "own" else 500), broken[1]
    assert answers(server)


def test_the_own_server_answers_this_machine_only(project: Path, server: Server) -> None:
    if server.kind != "own":
        pytest.skip("MLflow's own server does not look at the header Host")
    status, text = server.post({"inputs": [{"text": "x"}]}, {**JSON_TYPE, "Host": "evil.example"})
    assert (status, "Host" in text) == (400, True)
    assert server.post({"inputs": [{"text": "x"}]}, {**JSON_TYPE, "Host": f"localhost:{server.port}"})[0] == 200


# ---------------------------------------------------------------- a table at a time


def command(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    words = (sys.executable, "-m", "deconfuse.predict", *words)
    return subprocess.run(words, cwd=root, env=environment(root), capture_output=True, text=True, timeout=300)


def test_a_table_is_answered_row_by_row_and_bad_rows_are_told(project: Path, tmp_path: Path) -> None:
    with (project / "reports/models/all/test.csv").open(newline="") as file:
        expected = {row["id"]: row for row in csv.DictReader(file)}
    with (project / "data/raw/manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["id"] in expected]
    table = tmp_path / "table.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "image", "audio", "video", "caption", "text"])
        for row in rows:
            media = [row[name] and str(project / "data/raw" / row[name]) for name in ("image", "audio", "video")]
            writer.writerow([row["id"], *media, "", row["text"]])
        writer.writerow(["=1+1", "", "", "", "", "a round one"])
        writer.writerow(["gone", str(tmp_path / "gone.png"), "", "", "", ""])
        writer.writerow(["nothing", "", "", "", "", ""])
    done = command(project, str(table), "--output", str(tmp_path / "out.csv"))
    assert done.returncode == 0, done.stderr
    assert f"{len(rows) + 1} rows answered, 2 not" in done.stdout
    with (tmp_path / "out.csv").open(newline="") as file:
        told = list(csv.DictReader(file))
    for one, row in zip(told, rows, strict=False):
        wanted = expected[row["id"]]
        assert (one["id"], one["label"], one["reason"]) == (row["id"], wanted["predicted"], "")
        for name in ("circle", "square", "triangle"):
            assert float(one[f"p:{name}"]) == pytest.approx(float(wanted[f"p:{name}"]), abs=1e-5)
    formula, gone, nothing = told[-3:]
    assert (formula["id"], formula["label"] != "") == ("'=1+1", True)
    assert (gone["label"], gone["reason"]) == ("", f"image: there is no file {tmp_path / 'gone.png'}")
    assert (nothing["label"], nothing["reason"].startswith("no modality is there")) == ("", True)


def test_a_table_that_cannot_be_answered_is_one_message(project: Path, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("id,photo\n1,a.png\n")
    output = tmp_path / "out.csv"
    output.write_text("earlier")
    for words, reason in (
        ([str(tmp_path / "no.csv")], f"there is no {tmp_path / 'no.csv'}"),
        (
            [str(tmp_path / "table.csv"), "--output", str(output)],
            "has none of the model's modalities audio, image, text, video; it has: photo",
        ),
    ):
        done = command(project, *words)
        assert done.returncode == 1
        assert f"error: {reason}" in done.stderr or reason in done.stderr
        assert "Traceback" not in done.stderr
    assert output.read_text() == "earlier"
