"""MLflow's pages on a project's store, in a real browser: what people see who open the experiment, compare runs, read the report."""

import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import finished_project
import pytest
from halted import soon
from team_server import ROOT, free_port, is_healthy

from deconfuse.params.report import Report
from deconfuse.reporting.page import write
from deconfuse.tracking.views import TAG

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
PATIENCE = 90_000
"""Milliseconds for a page that a busy machine draws."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small finished project with its report, drawn in its store."""
    root = tmp_path_factory.mktemp("ui")
    models = finished_project.build(root)
    write(models, Report(), root)
    (root / "params.yaml").write_text(json.dumps({"models": {model: {} for model in models}}))
    said = subprocess.run(line(), cwd=root, env=environment(root), capture_output=True, text=True, check=True).stdout
    assert said.startswith("4 runs written")
    return root


@pytest.fixture(scope="module")
def address(project: Path) -> Iterator[str]:
    """Where `python -m deconfuse.tracking ui` says that the experiment is."""
    port = free_port()
    process = subprocess.Popen(line("ui", "--port", str(port)), cwd=project, env=environment(project), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        where = process.stdout.readline().split()[-1]
        soon(lambda: process.poll() is None and is_healthy(f"http://127.0.0.1:{port}"), 180)
        yield where
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def tab(address: str) -> Iterator["Page"]:
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as play, play.chromium.launch(executable_path=CHROMIUM, args=options) as browser:
        tab = browser.new_page(viewport={"width": 2400, "height": 1200})
        tab.set_default_timeout(PATIENCE)
        # nothing of the machines outside is needed, or asked
        tab.route(lambda url: not url.startswith((address.split("#")[0], "blob:", "data:")), lambda route: route.abort())
        yield tab


def line(*words: str) -> list[str]:
    return [sys.executable, "-m", "deconfuse.tracking", *words]


def environment(root: Path) -> dict[str, str]:
    outer = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_"))}
    return outer | {"DVC_ROOT": str(root), "PYTHONPATH": str(ROOT)}


def test_the_experiment_is_a_table_with_a_row_a_model_best_first_with_its_figures(tab: "Page", address: str, project: Path) -> None:
    tab.goto(address)
    tab.get_by_role("link", name="concat", exact=True).wait_for()
    cells = tab.get_by_role("gridcell").evaluate_all(
        "all => all.map(one => [one.closest('[role=row]').getAttribute('row-index'), one.getAttribute('col-id'), one.innerText])"
    )
    rows: dict[str, dict[str, str]] = {}
    for row, column, text in cells:
        rows.setdefault(row, {})[column] = text.split("\n")[-1]
    names = [rows[row]["attributes.`Run Name`"] for row in sorted(rows)]
    assert names == ["concat", "image_cnn", "audio_cnn", "text_lstm", "report"]
    for name, row in zip(names[:-1], (rows[row] for row in sorted(rows)), strict=False):
        measured = json.loads((project / "reports/models" / name / "metrics.json").read_text())
        assert row["attributes.`Source`"] == f"train@{name}"
        for split, figure in (("test", "accuracy"), ("test", "accuracy_low"), ("test", "macro_f1"), ("val", "accuracy")):
            assert float(row[f"metrics.`{split}/{figure}`"]) == measured[split][figure]


def test_the_curves_of_two_runs_are_compared_in_one_chart(tab: "Page", address: str, project: Path) -> None:
    tab.goto(address)
    for model in ("concat", "image_cnn"):
        tab.locator(f"[role=row]:has-text('{model}') input[type=checkbox]").first.check()
    tab.get_by_role("button", name="Compare").first.click()
    # only what is in sight of a long table is there
    table = tab.locator(".ReactVirtualized__Grid", has=tab.locator("a[href*='#/metric']"))
    link = table.get_by_role("link", name="train_accuracy", exact=True)
    soon(lambda: link.count() or table.evaluate("table => { table.scrollTop += 100 }"))
    # all at once: a row that is drawn anew between a button's way down and up loses the click, and the page stays
    link.dispatch_event("click")
    tab.wait_for_url("**/#/metric**")
    chart = tab.locator(".js-plotly-plot").first
    chart.wait_for()
    curves = {}
    for model in ("concat", "image_cnn"):
        with (project / "data/models" / model / "history.csv").open(newline="") as file:
            rows = [(int(row["epoch"]), float(row["train_accuracy"])) for row in csv.DictReader(file)]
        curves[model] = [list(values) for values in zip(*rows, strict=True)]
    # at first it has a curve without points
    lines = "plot => (plot.data || []).filter(line => line.y).map(line => [line.name, [line.x, line.y]])"
    drawn = soon(lambda: len(found := dict(chart.evaluate(lines))) == len(curves) and found)
    assert drawn == curves


def test_the_report_is_read_among_the_runs_files(tab: "Page", address: str) -> None:
    tab.goto(address)
    tab.get_by_role("link", name="report", exact=True).click()
    tab.get_by_role("tab", name="Artifacts").click()
    tab.get_by_text("index.html", exact=True).click()
    frame = tab.frame_locator("iframe.mlflow-html-iframe")
    frame.get_by_role("heading", level=1).wait_for()
    assert frame.get_by_role("heading", level=1).inner_text().startswith("Which modality")
    assert "Fusion helps: the best one, concat" in frame.locator("body").inner_text()
    # its styles, charts and pictures are allowed there, too
    assert frame.locator("body").evaluate("body => getComputedStyle(body).backgroundColor") != "rgba(0, 0, 0, 0)"
    assert frame.locator("svg").first.bounding_box()["width"] > 100
    widths = frame.locator("img").evaluate_all("all => all.map(one => one.naturalWidth)")
    assert 24 in widths and all(widths)


def test_what_people_make_of_the_view_stands(project: Path) -> None:
    with closing(sqlite3.connect(project / "mlflow.db")) as store:
        store.execute("UPDATE experiment_tags SET value = 'mine' WHERE key = ?", (TAG,))
        store.commit()
        again = subprocess.run(line(), cwd=project, env=environment(project), capture_output=True, text=True, check=True)
        assert "0 runs written, 4 already there" in again.stdout
        assert store.execute("SELECT value FROM experiment_tags WHERE key = ?", (TAG,)).fetchall() == [("mine",)]
