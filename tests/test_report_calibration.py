"""The report's section on calibration says what the planted tables hold, and nothing where none were asked."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from finished_project import MODELS, Fake, build
from ruamel.yaml import YAML

from deconfuse.params.report import Report
from deconfuse.reporting.calibration import read, sentences
from deconfuse.reporting.page import gathered, write
from deconfuse.reporting.results import read as read_results
from deconfuse.reporting.sections import calibration


def context(root: Path, models: dict[str, Fake] = MODELS):  # noqa: ANN201
    return gathered(read_results(build(root, models=models), root), Report(baselines=[]), root)


def test_each_model_is_said_to_err_as_planted(tmp_path: Path) -> None:
    found = read(context(tmp_path))
    assert [one.result.name for one in found] == ["concat", "image_cnn", "audio_cnn", "text_lstm"]
    # all are 75 % sure, and 95, 70, 60 and 50 % right
    assert [one.verdict for one in found] == ["under-confident", "neither is shown", "over-confident", "over-confident"]
    first, last = sentences(found[0], found)
    assert last == "Of 4 models 2 are over-confident; 1 is under-confident; of 1 neither is shown."
    nbsp = "\N{NO-BREAK SPACE}"
    assert first == (
        f"concat is right on 95.0{nbsp}% of the 40 test rows, and 75.0{nbsp}% sure on average: it is under-confident. "
        "Its calibration error (ECE) is 20.0 points (15.0 to 25.0), more than the 8.0 that chance may give a perfectly calibrated model. "
        "A temperature of 0.80, fitted on the validation rows, makes it 1.0 (0.0 to 6.0) and changes no answer. "
        f"Of the half that it is surest of it gets 2.5{nbsp}% wrong, of all 5.0{nbsp}%."
    )
    assert "that it is too sure or not sure enough is not shown" in sentences(found[1], found)[0]
    assert "no more than the 8.0 that chance may give" in sentences(found[1], found)[0]


def test_decisions_are_told_apart_from_rows(tmp_path: Path) -> None:
    found = read(context(tmp_path))
    found[0].trained["decisions"] = 120
    assert "is right in 95.0\N{NO-BREAK SPACE}% of its 120 decisions on 40 test rows" in sentences(found[0], found)[0]


def test_the_page_has_charts_tables_and_what_they_are_drawn_from(tmp_path: Path) -> None:
    models = {name: Fake(fake.modalities, fake.fusion, fake.right, fake.luck, (3, 5)) for name, fake in MODELS.items()}
    write(build(tmp_path, models=models), Report(baselines=[]), tmp_path)
    page = (tmp_path / "reports/index.html").read_text()
    section = page.split('<section id="calibration">')[1].split("</section>")[0]
    assert calibration.HEADING in section
    assert section.count("<svg") == 1 + len(models)
    for words in ("Reliability of concat as trained: 65.0\N{NO-BREAK SPACE}% sure", "concat 25.0\N{NO-BREAK SPACE}%: ", "image_cnn 25.0"):
        assert words in section
    for name, rows in (("calibration", 2), ("reliability", 6), ("risk_coverage", 4)):
        table = pd.read_csv(tmp_path / f"reports/tables/{name}.csv")
        assert len(table) == rows * 2 * len(models) and list(table)[:2] == ["model", "seed"]
    # with the second seed a row less is right; the mean is shown, and what seeds vary by: 12.706 times half a row of 40
    assert "93.8\N{NO-BREAK SPACE}%" in section and "&nbsp;15.9" in section
    row = next(line for line in section_of_markdown(tmp_path) if line.startswith("| concat |"))
    assert row.split(" | ")[1:3] == ["93.8\N{NO-BREAK SPACE}%", "75.0\N{NO-BREAK SPACE}%"]
    assert "18.7 (13.7 to 23.7), under-confident | 0.80 | 1.0 (0.0 to 6.0) |" in row


def section_of_markdown(root: Path) -> list[str]:
    """The lines of report.md below the section's heading."""
    return (root / "reports/report.md").read_text().split(f"## {calibration.HEADING}")[1].split("\n## ")[0].splitlines()


def test_the_best_on_validation_is_drawn_large(tmp_path: Path) -> None:
    names = build(tmp_path)
    path = tmp_path / "reports/models/concat/metrics.json"
    metrics = json.loads(path.read_text())
    metrics["val"]["accuracy"] = 0.0
    path.write_text(json.dumps(metrics))
    section = calibration.make(gathered(read_results(names, tmp_path), Report(baselines=[]), tmp_path))
    assert section is not None and "image_cnn is right on 70.0" in section.body


@pytest.mark.parametrize("gone", ["calibration", "reliability", "risk_coverage"])
def test_a_model_that_was_not_asked_is_left_out(tmp_path: Path, gone: str) -> None:
    known = context(tmp_path)
    (tmp_path / f"reports/models/concat/tables/{gone}.csv").unlink()
    assert [one.result.name for one in read(known)] == ["image_cnn", "audio_cnn", "text_lstm"]
    section = calibration.make(known)
    assert section is not None and "image_cnn is right on" in section.body
    for model in MODELS:
        (tmp_path / f"reports/models/{model}/tables/{gone}.csv").unlink(missing_ok=True)
    assert calibration.make(known) is None


def test_dvcs_plots_draw_what_the_tables_hold(tmp_path: Path) -> None:
    write(build(tmp_path), Report(baselines=[]), tmp_path)
    plots = YAML(typ="safe").load(Path("dvc.yaml").read_text())["plots"]
    assert {path for one in plots for path in one} == {"reports/tables/reliability.csv", "reports/tables/risk_coverage.csv"}
    for path, about in (item for one in plots for item in one.items()):
        columns = set(pd.read_csv(tmp_path / path)) | {"rev"}
        template = json.loads(Path(f".dvc/plots/{about['template']}.json").read_text())
        made = {step["as"] for step in template["transform"] if "as" in step}
        read = set(re.findall(r"datum\.(\w+)", json.dumps(template["transform"]))) | {about["x"], about["y"]}
        drawn = set(re.findall(r'"field": "(\w+)"', json.dumps(template))) - {"at"}
        assert read <= columns and drawn <= columns | made and made <= drawn
