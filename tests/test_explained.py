"""What the report says of single answers: maps as pictures and in words, and whether they can be believed."""

import io
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from finished_project import KINDS, MODELS, Fake, build
from markupsafe import Markup
from PIL import Image

from deconfuse.kernel.files import read_json
from deconfuse.params.report import Report
from deconfuse.reporting import maps, sanity
from deconfuse.reporting.context import Context, Section
from deconfuse.reporting.explained import about
from deconfuse.reporting.page import common, environment
from deconfuse.reporting.results import read
from deconfuse.reporting.sections import explanations
from deconfuse.reporting.verdicts import Verdicts


def made(root: Path, names: list[str]) -> Section | None:
    """The section alone: the rest of the page costs seconds."""
    schema, summary = (read_json(root / "data/prepared" / name) for name in ("schema.json", "summary.json"))
    templates, verdicts = environment(), Verdicts([], is_default=True, chance={}, rival={}, rivals=[])

    def render(template: str, **values: Any) -> Markup:
        return Markup(templates.get_template(template).render(**common(context), **values))

    context = Context(read(names, root), Report(), schema, summary, root, verdicts, render)
    return explanations.make(context)


def body(root: Path, names: list[str]) -> str:
    """With single spaces between its words."""
    found = made(root, names)
    return "" if found is None else re.sub(r"\s+", " ", found.body)


def said(text: str) -> str:
    """Without elements."""
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", text))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("explained")
    build(root)
    return root


# ---- the section


def test_the_section_says_what_can_be_believed(finished: Path) -> None:
    words = said(body(finished, list(MODELS)))
    # of four models: seven maps by integrated gradients, five each by the others
    assert (
        "Integrated gradients in 7 of 7; Grad-CAM in 0 of 5 (not shown in 5); Deconvolution pictures in 0 of 5 (shown not to in 5)."
        in words
    )
    assert "Integrated gradients add up to the answer; their mean error is 1.2 % at most." in words
    assert "audio 70.0 % (25.0 %)" in words
    found = made(finished, list(MODELS))
    assert found is not None and found.heading == "Why this answer?" and "Grad-CAM in 0 of 5" in found.markdown


def test_each_map_has_its_verdict_and_its_words(finished: Path) -> None:
    text = body(finished, list(MODELS))
    first = text.split("<details>")[0]
    assert first.count('<li class="card">') == 3 and text.count("<details>") == 3
    figures = re.findall(r'<figure><img class="map".*?</figure>', first)
    for figure in figures:
        method = next(
            name for name in ("Integrated gradients", "Grad-CAM", "Deconvolution picture, no explanation", "What") if name in figure
        )
        verdict = {"Int": "passes", "Gra": "not shown", "Dec": "fails"}.get(method[:3])
        assert verdict is None or f"</span> {verdict}</span>" in figure
    alt = re.findall(r'alt="(Integrated gradients of image of [^"]*)"', first)
    # 3 for in one corner, 1 against in the other
    assert alt and all(one.endswith("Mostly upper left 75.0 % and lower right 25.0 %.") for one in alt)
    alt = re.findall(r'alt="(Integrated gradients of audio of [^"]*)"', first)
    assert alt and all("low early 75.0" in one and "high late 25.0" in one for one in alt)
    assert re.search(r'alt="Grad-CAM of video of [^"]*Steps\. For: 1 \(\+3\)\. Against: 4 \(\N{MINUS SIGN}1\)\."', first)
    assert "missing in this row" in first


def test_texts_show_which_words_count(finished: Path) -> None:
    text = body(finished, list(MODELS))
    assert '<span class="for" style="--strength: 100%">four</span><span class="against" style="--strength: 33%">corners</span>' in text
    assert "For: four (+3). Against: corners (\N{MINUS SIGN}1)." in text


def test_the_best_of_each_kind_is_shown_and_all_are_checked(tmp_path: Path) -> None:
    models = MODELS | {"worse": Fake(("image",), None, 0.3, 5), "gated": Fake(("audio", "image"), "gated", 0.5, 6)}
    names = build(tmp_path, models=models)
    # a fusion may weigh its modalities where the best one does not
    (tmp_path / "reports/models/concat/tables/attended.csv").unlink()
    found = made(tmp_path, names)
    assert found is not None
    assert "attention" in found.tables and "attended" not in found.tables
    assert re.findall(r"<h3>(.*?),", found.body)[0] == "concat"
    assert re.findall(r"<summary><strong>(.*?)</strong>", found.body) == ["audio_cnn", "image_cnn", "text_lstm"]
    assert set(found.tables["sanity"]["model"]) == set(models)
    assert set(found.tables["explanations"]["model"]) == set(MODELS)


def test_without_the_analysis_there_is_no_section(tmp_path: Path) -> None:
    names = build(tmp_path)
    for path in (tmp_path / "reports/models").glob("*/tables/*.csv"):
        if path.stem in ("sanity", "explained", "explanations", "explained_tokens", "attention", "attended"):
            path.unlink()
    assert made(tmp_path, names) is None


def test_rows_named_like_numbers_are_found(tmp_path: Path) -> None:
    text = body(tmp_path, build(tmp_path, identifier="{:04}", classes=("01", "02", "NA"), texts=("1 2", "NA 3", "04 05")))
    assert "<small>0021</small>" in text and "Evidence for NA" in text
    assert ">NA</span>" in text and ">04</span>" in text


def test_single_models_alone_and_any_modalities_will_do(tmp_path: Path) -> None:
    kinds = {"front": "image", "rear": "image", "engine": "audio"}
    words = said(body(tmp_path, build(tmp_path, models={"one": Fake(("rear",), None, 0.6, 1)}, kinds=kinds)))
    assert "one, the best model of rear on the validation split" in words and "weighs" not in words


# ---- words


def test_a_method_passes_by_all_weights_unless_the_last_layer_shows_a_failure() -> None:
    for everything, head, verdict in (
        ("passes", "passes", "passes"),
        ("passes", "not shown", "passes"),
        ("passes", "fails", "fails"),
        ("fails", "passes", "fails"),
        ("not shown", "passes", "not shown"),
    ):
        assert sanity.joint({"all": everything, "head": head}) == verdict


def test_sums_that_are_off_are_told() -> None:
    rows = [("a", 0.01, "passes"), ("b", 0.98, "fails")]
    table = pd.DataFrame([{"model": m, "check": "completeness", "value": v, "verdict": w, "limit": 0.05} for m, v, w in rows])
    assert sanity.about_sums(table).endswith(
        "98.0\N{NO-BREAK SPACE}% at most, beyond 5.0\N{NO-BREAK SPACE}% or not shown to be within it: b."
    )
    assert sanity.about_sums(table.assign(value="")) == ""


def test_an_answer_that_is_a_number_is_told_as_one() -> None:
    grids = {("image", "integrated_gradients"): np.array([[1.5, -0.25]]), ("image", "grad_cam"): np.ones((1, 2))}
    found = about({"id": "a", "class": "", "answer": 0.5, "baseline": -0.75}, grids, None)
    assert found == (
        "The answer in standard deviations from the mean: 0.5, for the baseline \N{MINUS SIGN}0.75; by integrated gradients image +1.25."
    )


def test_places_in_words() -> None:
    values = np.zeros((9, 9))
    assert maps.areas(values, "image") == "nothing"
    values[4, 8], values[8, 4] = -3, 1
    assert maps.areas(values, "image") == "middle right 75.0\N{NO-BREAK SPACE}% and lower centre 25.0\N{NO-BREAK SPACE}%"
    assert maps.areas(values[:, ::-1], "audio").startswith("medium early")
    assert maps.strongest(np.zeros(3), ["a", "b", "c"]) == "Nothing."


# ---- pictures


def decoded(source: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(b64decode(source.partition(",")[2])))).astype(int)


def test_overlays_tell_for_from_against_by_more_than_colour() -> None:
    picture = decoded(maps.overlaid(np.array([[1.0, -1.0], [0.0, 0.5]]), np.ones((2, 2))))
    side = len(picture) // 2
    strong, against, nothing, weak = picture[:side, :side], picture[:side, side:], picture[side:, :side], picture[side:, side:]
    assert (strong[..., 0] > strong[..., 2] + 100).all() and (np.ptp(strong, axis=(0, 1)) == 0).all()
    assert (against[..., 2] >= against[..., 0]).all()
    assert len({tuple(row[0]) for row in against}) == 2, "no stripes"
    assert (np.ptp(nothing, axis=2) == 0).all()
    assert 0 < np.ptp(weak[0, 0]) < np.ptp(strong[0, 0])


def test_bars_tell_for_from_against_by_their_side() -> None:
    picture = decoded(maps.bars(np.array([2.0, -1.0, 0.0])))
    level, width = len(picture) // 2, picture.shape[1] // 3
    filled = picture[..., 3] > 0
    assert filled[:level, :width].any() and not filled[level + 1 :, :width].any()
    assert filled[level + 1 :, width : 2 * width].any() and not filled[:level, width : 2 * width].any()
    assert not filled[:level, 2 * width :].any() and not filled[level + 1 :, 2 * width :].any()
    assert filled[:level, :width].sum() == pytest.approx(2 * filled[level + 1 :, width : 2 * width].sum(), rel=0.1)


def test_the_section_stays_small(finished: Path) -> None:
    assert len(body(finished, list(MODELS))) < 250_000
    assert set(KINDS) == {"audio", "image", "text", "video"}
