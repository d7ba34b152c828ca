"""Cards say what was recorded, and nothing else."""

import json
import re
from dataclasses import replace
from pathlib import Path

from finished_project import build

from deconfuse.params.report import Report
from deconfuse.reporting.cards import UNKNOWN, data_card, model_card
from deconfuse.reporting.page import gathered
from deconfuse.reporting.results import read


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:[.,]\d+)*", text))


def test_every_number_of_a_models_card_was_recorded(tmp_path: Path) -> None:
    names = build(tmp_path)
    context = gathered(read(names, tmp_path), Report(), tmp_path)
    for result in context.results:
        card = model_card(context, result)
        metrics = json.loads((tmp_path / f"reports/models/{result.name}/metrics.json").read_text())
        shares = (metrics["test"][f"accuracy{end}"] for end in ("", "_low", "_high"))
        assert numbers(card["Reaches"]) == {*(f"{100 * share:.1f}" for share in shares), "95", str(metrics["test"]["n"]), "1"}
        assert f"{metrics['parameters']:,} parameters" in card["Kind"]
        assert card["Run"] == result.run["digest"][:12]
        assert all(card.values())


def test_what_nobody_recorded_is_not_stated(tmp_path: Path) -> None:
    names = build(tmp_path)
    context = gathered(read(names, tmp_path), Report(), tmp_path)
    card = model_card(context, context.results[0])
    assert card["Intended use"].startswith(UNKNOWN)
    assert data_card(context)["Collected how and when, by consent of whom"] == UNKNOWN
    said = replace(context, options=Report(intended_use="to sort blocks"))
    assert model_card(said, said.results[0])["Intended use"] == "to sort blocks"
    nobody = {**context.summary["source"], "licence": "", "citation": None}
    unknown = data_card(replace(context, summary={**context.summary, "source": nobody}))
    assert unknown["Licence"] == unknown["Made by"] == UNKNOWN


def test_the_data_card_counts_rows_and_what_is_missing(tmp_path: Path) -> None:
    names = build(tmp_path)
    context = gathered(read(names, tmp_path), Report(), tmp_path)
    card = data_card(context)
    rows = context.summary["rows"]
    assert card["Rows"] == ", ".join(f"{number} {split}" for split, number in rows.items())
    assert card["Missing"] != "nothing"
