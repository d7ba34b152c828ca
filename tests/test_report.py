"""The report: its tables, its answer on planted truths, and its page against hostile data and in a real browser."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from finished_project import MODELS, Fake, build
from scipy import stats

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.words import plural
from deconfuse.params.report import Report
from deconfuse.reporting import gallery, media, words
from deconfuse.reporting.page import SECTIONS, write
from deconfuse.reporting.results import read
from deconfuse.reporting.settings import flat

ROOT = Path(__file__).parents[1]
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></svg></title><script src=//evil.example/x.js></script>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}&lt;b&gt;",
    "$x^2$ \\frac{1}{$",
    "]]><!--<iframe srcdoc=x>--><svg onload=alert(1)>",
    "bell \x07 \u202edrawkcab\u202c, 漢字",
    "NA",
    "| a | b |\n| --- | --- |\n# c",
    "[click](http://evil.example) ![x](//evil.example/x.png) www.evil.example",
    "`x` **y** _z_ ~~q~~ @someone #12 <a@evil.example>",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole(tmp_path_factory.mktemp("finished"))


def whole(root: Path) -> Path:
    """A finished project with its report."""
    write(build(root), Report(), root)
    return root


def page(root: Path) -> str:
    return (root / "reports/index.html").read_text(encoding="utf-8")


# ---------------------------------------------------------------- tables


def test_leaderboard_has_the_promised_columns_best_first(finished: Path) -> None:
    table = pd.read_csv(finished / "reports/leaderboard.csv", keep_default_na=False)
    assert ",".join(table.columns) == (
        "model,modalities,fusion,seeds,test_accuracy,test_accuracy_low,test_accuracy_high,test_accuracy_seeds_low,test_accuracy_seeds_high,"
        "test_macro_f1,parameters,train_seconds"
    )
    assert table["model"].tolist() == ["concat", "image_cnn", "audio_cnn", "text_lstm"]
    assert table.iloc[0].tolist()[:5] == ["concat", "audio+image+text+video", "concat", 1, 0.95]
    assert table.iloc[1].tolist()[:5] == ["image_cnn", "image", "", 1, 0.7]
    assert set(table["test_accuracy_seeds_low"]) == {""}
    assert table["parameters"].tolist() == [4017, 1017, 1017, 1017]
    assert table["train_seconds"].tolist() == [5.0, 2.0, 2.0, 2.0]


def test_metrics_hold_the_leaderboard_without_timings(finished: Path) -> None:
    metrics = json.loads((finished / "reports/metrics.json").read_text())
    assert metrics.keys() == MODELS.keys()
    assert metrics["concat"].keys() == {"seeds", "test_accuracy", "test_accuracy_low", "test_accuracy_high", "test_macro_f1", "parameters"}
    assert metrics["concat"]["test_accuracy"] == 0.95


def test_models_equal_in_accuracy_stand_by_name(tmp_path: Path) -> None:
    names = build(tmp_path, models={"b": Fake(("image",), None, 0.5, 1), "a": Fake(("audio",), None, 0.5, 2)})
    assert [result.name for result in read(names, tmp_path)] == ["a", "b"]


@pytest.mark.parametrize(
    ("gone", "stage"),
    [
        ("data/models/concat/run.json", "train@concat"),
        ("reports/models/concat/metrics.json", "evaluate@concat"),
        ("reports/models/concat/test.csv", "evaluate@concat"),
    ],
)
def test_missing_model_names_the_stage_to_run(tmp_path: Path, gone: str, stage: str) -> None:
    names = build(tmp_path)
    (tmp_path / gone).unlink()
    with pytest.raises(UserError, match=stage):
        write(names, Report(), tmp_path)
    assert not (tmp_path / "reports/index.html").exists()


def test_no_model_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="models:"):
        write([], Report(), tmp_path)


def test_models_evaluated_on_different_rows_are_not_compared(tmp_path: Path) -> None:
    names = build(tmp_path)
    path = tmp_path / "reports/models/concat/test.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(UserError, match="different test rows"):
        write(names, Report(), tmp_path)


# ---------------------------------------------------------------- several seeds

THREE = {name: Fake(fake.modalities, fake.fusion, fake.right, fake.luck, (3, 5, 11)) for name, fake in MODELS.items()}


def test_several_seeds_give_means_and_both_intervals(tmp_path: Path) -> None:
    models = {**THREE, "text_lstm": MODELS["text_lstm"]}
    write(build(tmp_path, models=models), Report(), tmp_path)
    table = pd.read_csv(tmp_path / "reports/leaderboard.csv", index_col="model")
    # of 40 rows 28, 27 and 26 are right
    expected = stats.ttest_1samp([0.7, 0.675, 0.65], 0).confidence_interval(0.95)
    row = table.loc["image_cnn"]
    assert (row["seeds"], row["test_accuracy"]) == (3, pytest.approx(0.675))
    assert (row["test_accuracy_seeds_low"], row["test_accuracy_seeds_high"]) == pytest.approx((expected.low, expected.high))
    assert row["train_seconds"] == 6 and table.loc["text_lstm", "train_seconds"] == 2
    assert np.isnan(table.loc["text_lstm", "test_accuracy_seeds_low"])
    metrics = json.loads((tmp_path / "reports/metrics.json").read_text())
    assert "test_accuracy_seeds_low" in metrics["image_cnn"].keys() - metrics["text_lstm"].keys()
    said = re.sub(r"\s+", " ", "".join(Page(page(tmp_path)).words))
    assert "Each model was trained with 1 to 3 seeds; its figures are means over seeds." in said
    assert "the luck of training, which a model of one seed does not show" in said
    half = 100 * (expected.high - 0.675)
    assert f"over test rows, \N{PLUS-MINUS SIGN} {half:.1f} over seeds)." in said
    assert f"\N{PLUS-MINUS SIGN} {half:.1f}, 3 seeds" in said and "one seed" in said
    assert said.count("lowest validation loss: 5 of concat, 5 of image_cnn, 5 of audio_cnn. ") == 3
    assert "Each seed of image_cnn; 5 has the lowest validation loss" in said and "Each seed of text_lstm" not in said


def test_one_seed_says_what_its_interval_leaves_out(finished: Path) -> None:
    said = re.sub(r"\s+", " ", "".join(Page(page(finished)).words))
    assert "Each model was trained once, so the luck of training is not in them" in said
    assert "seeds" not in said.split("Common to all models")[0]


def test_the_gallery_shows_the_best_seed(tmp_path: Path) -> None:
    results = read(build(tmp_path, models=THREE), tmp_path)
    for result in results:
        assert result.best_seed == 5 and len(result.predictions) == 40
        assert result.right.mean() == result.each[5]["test"]["accuracy"] < result.each[3]["test"]["accuracy"]
        assert result.terms.shape == (3, 40, 2)
        np.testing.assert_allclose(result.terms[..., 1].mean(1), result.values)


# ---------------------------------------------------------------- words


def test_numbers_and_names_in_words() -> None:
    assert [words.points(value) for value in (0.127, -0.004, -0.0004)] == ["+12.7", "\N{MINUS SIGN}0.4", "0.0"]
    assert [words.seconds(value) for value in (8.44, 59.99, 200, 7500)] == ["8.4 s", "1 min 00 s", "3 min 20 s", "2 h 05 min"]
    assert words.count(12345.6) == "12,346"
    each = [[[0], [4]], [[0, 1], [0, 1]], [[0, 1], [1, 2]], [[0], [0, 1, 2]]]
    assert [words.seeds(seeds) for seeds in each] == ["once", "with 2 seeds each (0, 1)", "with 2 seeds each", "with 1 to 3 seeds"]
    assert words.short("a  long\nname", 8) == "a long …"
    assert words.breakable("a_<b>") == "a_<wbr>&lt;b&gt;"
    assert [words.probability(p) for p in (0.0004, 0.0321, 0.5, 1)] == ["< 0.001", "0.032", "0.50", "1.00"]
    assert [words.listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
    assert plural(1, "row") == "1 row" and plural(1200, "row") == "1,200 rows"


def test_text_in_markdown_stays_text() -> None:
    joiner = "\N{WORD JOINER}"
    for text, escaped in {
        "<script x": "&lt;script x",
        "a|b\n# c": r"a\|b # c",
        "# a": r"\# a",
        "- a": r"\- a",
        "1. a": r"1\. a",
        "88.7 %, +3 - 2": "88.7 %, +3 - 2",
        "[a](b) `c` *d* _e_ ~f~ $g$ \\": r"\[a\](b) \`c\` \*d\* \_e\_ \~f\~ \$g\$ \\",
        "http://a.example www.a.example": rf"http\://a.example www{joiner}.a.example",
        "@a #1 a&b": f"@{joiner}a #{joiner}1 a&amp;b",
        "\u202eb\u202c": "b",
    }.items():
        assert words.markdown(text) == escaped, text


# ---------------------------------------------------------------- the gallery


def test_gallery_is_half_right_half_wrong(tmp_path: Path) -> None:
    results = read(build(tmp_path, models={**MODELS, "concat": Fake(("audio", "image"), "concat", 0.5, 4)}), tmp_path)
    right, wrong = gallery.draw(results, 12, 0)
    judge = next(result for result in results if not result.single)
    verdict = dict(zip(judge.predictions.index, judge.right, strict=True))
    assert [verdict[name] for name in right] == [True] * 6
    assert [verdict[name] for name in wrong] == [False] * 6
    assert gallery.draw(results, 12, 0) == (right, wrong) != gallery.draw(results, 12, 1)


def test_gallery_takes_more_of_one_kind_where_the_other_lacks(tmp_path: Path) -> None:
    right, wrong = gallery.draw(read(build(tmp_path), tmp_path), 12, 0)
    assert (len(right), len(wrong)) == (10, 2)


def test_gallery_notes_what_is_missing_unreadable_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = read(build(tmp_path), tmp_path)
    (tmp_path / "data/raw/image/0030.png").write_bytes(b"<html>not found</html>")
    ((card,),) = gallery.cards([["row-30"]], results, tmp_path)
    assert {cell.modality: cell.note for cell in card.cells}["image"] == "cannot be read (UnidentifiedImageError)"
    ((card,),) = gallery.cards([["row-28"]], results, tmp_path)
    assert [cell.note for cell in card.cells if cell.note] == ["missing in this row"]
    monkeypatch.setattr(gallery, "BUDGET", 3000)
    ((card,),) = gallery.cards([["row-31"]], results, tmp_path)
    assert [cell.modality for cell in card.cells if cell.note == "left out to keep this page small"] == ["video"]


def test_media_are_written_anew_small_and_without_metadata(tmp_path: Path) -> None:
    import soundfile
    from PIL import Image

    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    Image.effect_noise((1500, 1000), 60).convert("RGB").save(tmp_path / "large.jpg", exif=exif)
    picture = media.image("large.jpg", tmp_path)
    assert (picture.width, picture.height) == (224, 149)
    assert b"taken at home" not in decoded(picture.source)
    assert len(picture.source) < 60_000
    soundfile.write(tmp_path / "long.wav", np.random.default_rng(0).normal(0, 0.1, (48_000 * 20, 2)), 48_000)
    sound = media.audio("long.wav", tmp_path)
    (tmp_path / "short.flac").write_bytes(decoded(sound.source))
    told = soundfile.info(tmp_path / "short.flac")
    assert (told.samplerate, told.channels, told.duration) == (16_000, 1, 8.0)


def decoded(source: str) -> bytes:
    from base64 import b64decode

    return b64decode(source.partition(",")[2])


# ---------------------------------------------------------------- the page


class Page(HTMLParser):
    """What a browser would act on: every element with its attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def values(self, *names: str) -> Iterator[str]:
        return (value or "" for _, attributes in self.elements for name, value in attributes.items() if name in names)


OWN = r"#|data:(image/(png|webp)|audio/flac|video/mp4);base64,|leaderboard\.csv$|metrics\.json$|tables/\w+\.csv$"
"""What the page may refer to: itself, what it holds, and the files beside it."""


def test_hostile_data_stays_text(tmp_path: Path) -> None:
    models = {name: Fake(tuple(m for m in fake.modalities if m != "video"), fake.fusion, 0.5, fake.luck) for name, fake in MODELS.items()}
    models["<b onclick=alert(1)>$m$"] = Fake(("audio", "image"), "<i>concat", 0.9, 9)
    models["a|b `c` [d](e) *f* @g"] = Fake(("image",), None, 0.5, 9)
    kinds = {"audio": "audio", "image": "image", "text": "text", "<u onload=alert(1)>": "image"}
    names = build(tmp_path, classes=HOSTILE, texts=HOSTILE, models=models, kinds=kinds, identifier="<script>alert('{}')</script>")
    summary = tmp_path / "data/prepared/summary.json"
    # a JSON text may hold half a character, which no file in UTF-8 can
    summary.write_text(summary.read_text().replace("Three shapes", "<b>half</b> \\ud800"))
    write(names, Report(samples=40), tmp_path)
    parsed = Page(page(tmp_path))
    tags = {tag for tag, _ in parsed.elements}
    assert not tags & {"script", "iframe", "object", "embed", "link", "base", "form", "b", "i", "u"}
    assert not [name for _, attributes in parsed.elements for name in attributes if name.startswith("on")]
    assert "srcdoc" not in {name for _, attributes in parsed.elements for name in attributes}
    for value in parsed.values("href", "src", "poster", "xlink:href", "action", "data"):
        assert re.match(
            r"#|data:(image/(png|webp)|audio/flac|video/mp4);base64,|leaderboard\.csv$|metrics\.json$|report\.md$|tables/\w+\.csv$", value
        ), value[:80]
    assert not re.search(r"url\((?!#)", "".join(parsed.values("style", "clip-path")))
    said = "".join(parsed.words)
    for payload in HOSTILE[:8]:
        assert payload in said
    assert "bell \N{REPLACEMENT CHARACTER} " in said
    assert "helps on <b>half</b> \N{REPLACEMENT CHARACTER}?" in said
    # the names in a chart are whole words, not set as mathematics
    assert "$m$</text>" in page(tmp_path)
    check_markdown((tmp_path / "reports/report.md").read_text(encoding="utf-8"))


def check_markdown(text: str) -> None:
    """Nothing that comes from data is markup, and what GitHub makes links of by itself is kept apart."""
    from markdown_it import MarkdownIt

    rendered = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    parsed = Page(rendered)
    assert {tag for tag, _ in parsed.elements} <= {"h1", "h2", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"}
    assert not any(attributes for _, attributes in parsed.elements)
    tables = re.findall("<table>.*?</table>", rendered, re.DOTALL)
    widths = [{len(re.findall("<t[hd]>", row)) for row in re.findall("<tr>.*?</tr>", table, re.DOTALL)} for table in tables]
    assert widths[:2] == [{5}, {4}] and all(len(width) == 1 for width in widths)
    assert not re.search(r"(?<!\\)://|www\.|@\w|#\d", text)
    said = "".join(parsed.words)
    for name in ("<b onclick=alert(1)>$m$", "<i>concat", "a|b `c` [d](e) *f* @\N{WORD JOINER}g", "<b>half</b> \N{REPLACEMENT CHARACTER}?"):
        assert name in said


def test_no_cell_of_a_table_is_a_formula(tmp_path: Path) -> None:
    write(build(tmp_path, classes=("=1+1", "@cmd", "-2"), identifier="+row{}"), Report(), tmp_path)
    found = pd.read_csv(tmp_path / "reports/tables/label_errors.csv", dtype=str, keep_default_na=False)
    assert len(found) and found["id"].str.startswith("'+row").all() and set(found["labelled"]) <= {"'=1+1", "'@cmd", "-2"}


def test_page_keeps_the_browser_from_fetching_anything(finished: Path) -> None:
    policy = next(a["content"] for tag, a in Page(page(finished)).elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
    assert not re.search(r"https?://|@import|url\([^#]", re.sub(r"base64,[\w+/=\s]*", "", page(finished)))


def test_page_has_one_of_each_id_headings_in_order_and_named_charts(finished: Path) -> None:
    parsed = Page(page(finished))
    ids = list(parsed.values("id"))
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in parsed.values("href", "xlink:href") if value.startswith("#")} <= set(ids)
    levels = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(attributes.get("scope") for tag, attributes in parsed.elements if tag == "th")
    assert all(attributes.get("aria-label") for tag, attributes in parsed.elements if tag in ("svg", "audio", "video"))
    assert all(attributes.get("alt") for tag, attributes in parsed.elements if tag == "img")


def test_secrets_in_settings_are_not_told() -> None:
    told = flat(
        {"url": {"password": "hush"}, "api_key": "hush", "token": "hush", "tokens": 64, "drop": None, "dirty": True, "sizes": [1, 2]}
    )
    assert told == {
        **dict.fromkeys(("url.password", "api_key", "token"), "(hidden)"),
        "tokens": "64",
        "drop": "none",
        "dirty": "yes",
        "sizes": "1, 2",
    }


def test_equal_inputs_give_equal_bytes(finished: Path, tmp_path: Path) -> None:
    whole(tmp_path)
    for name in ("index.html", "leaderboard.csv", "metrics.json", "report.md", "tables/comparisons.csv", "tables/baselines.csv"):
        assert (tmp_path / "reports" / name).read_bytes() == (finished / "reports" / name).read_bytes(), name


def test_a_clips_bytes_do_not_depend_on_what_memory_held() -> None:
    told = "from test_report import clips; print(clips())"
    variables = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    # with what malloc fills all that it gives, but for 0
    runs = [
        subprocess.run([sys.executable, "-c", told], env=variables | {"MALLOC_PERTURB_": fill}, stdout=subprocess.PIPE, check=True)
        for fill in ("0", "165")
    ]
    assert len({run.stdout for run in runs}) == 1


def clips() -> str:
    """Digest of six encoded clips of noise that drifts."""
    import av

    luck, data = np.random.default_rng(0), io.BytesIO()
    for _ in range(6):
        noise = luck.integers(0, 256, (96, 96, 3), np.uint8)
        frames = [av.VideoFrame.from_ndarray(np.roll(noise, 2 * step, 1), format="rgb24").reformat(format="yuv420p") for step in range(16)]
        media.write_frames(data, frames, rate=8)
    return sha256(data.getvalue()).hexdigest()


@pytest.mark.parametrize("kinds", [{"text": "text"}, {"front": "image", "rear": "image", "engine": "audio"}])
def test_any_modalities_will_do(tmp_path: Path, kinds: dict[str, str]) -> None:
    names = build(tmp_path, models={"one": Fake((min(kinds),), None, 0.6, 1)}, kinds=kinds)
    write(names, Report(), tmp_path)
    assert all(f">{name}" in page(tmp_path) for name in kinds)


def test_many_classes_and_samples_stay_below_eight_megabytes(tmp_path: Path) -> None:
    names = build(tmp_path, classes=[f"class {i}" for i in range(300)])
    write(names, Report(samples=40), tmp_path)
    assert (tmp_path / "reports/index.html").stat().st_size < 8_000_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_in_a_real_browser(finished: Path, scheme: str) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium is installed")
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as play, play.chromium.launch(executable_path=chromium, args=options) as browser:
        tab = browser.new_page(viewport={"width": 400, "height": 800}, color_scheme=scheme)
        complaints: list[str] = []
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto((finished / "reports/index.html").as_uri())
        tab.wait_for_function("[...document.querySelectorAll('audio, video')].every(m => m.readyState > 0 || m.error)")
        assert not complaints
        found = tab.evaluate("[...document.querySelectorAll('main > section')].map(s => s.id)")
        order = [section.__name__.rpartition(".")[2] for section in SECTIONS]
        assert found == [name for name in order if name in found]
        assert {"leaderboard", "explanations", "faults", "clusters", "data", "curves", "confusions", "samples", "models"} <= set(found)
        assert tab.evaluate("[...document.querySelectorAll('nav a')].map(a => a.hash.slice(1))") == found
        tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert tab.evaluate("[...document.querySelectorAll('svg')].every(s => s.getBBox().width > 100)")
        assert tab.evaluate("document.querySelectorAll('svg').length") >= 2 + 2 * len(MODELS)
        assert tab.evaluate("[...document.images].length && [...document.images].every(i => i.complete && i.naturalWidth)")
        assert set(tab.evaluate("[...document.querySelectorAll('img:not(.map)')].map(i => i.naturalWidth)")) == {24}
        assert tab.evaluate("[...document.querySelectorAll('audio')].map(a => a.duration)")[:1] == [0.25]
        assert set(tab.evaluate("[...document.querySelectorAll('video')].map(v => v.videoWidth)")) == {144}
        # no sideways scrolling of the page, and text that stands out from its ground in both schemes
        assert tab.evaluate("document.documentElement.scrollWidth") == 400
        ink = tab.evaluate("getComputedStyle(document.querySelector('svg text')).fill")
        paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        assert abs(brightness(ink) - brightness(paper)) > 128
        # players play
        assert tab.evaluate("document.querySelector('audio').play().then(() => true)")
        assert tab.evaluate("document.querySelector('video').play().then(() => true)")
        # what a screen reader, a keyboard and weak eyes need
        for width in (400, 768, 1280):
            tab.set_viewport_size({"width": width, "height": 800})
            found = Axe().run(tab).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
            assert tab.evaluate("document.documentElement.scrollWidth") == width
        assert not complaints


def brightness(colour: str) -> float:
    """Mean of "rgb(r, g, b)", 0..255."""
    return float(np.mean([int(number) for number in re.findall(r"\d+", colour)[:3]]))


def test_classes_named_like_numbers_or_nothing_are_text(tmp_path: Path) -> None:
    results = read(build(tmp_path, classes=("007", "NA", "1e3")), tmp_path)
    assert set(results[0].predictions["actual"]) == {"007", "NA", "1e3"}
