"""A person's own table, outside the project, from an edit of params.yaml to a report; by real DVC in a temporary clone."""

import csv
from pathlib import Path

import numpy as np
from clone import Clone
from PIL import Image


def picture(seed: int, bright: bool) -> Image.Image:
    draw = np.random.default_rng(seed)
    return Image.fromarray(draw.integers(128 if bright else 0, 256 if bright else 128, (12, 12), dtype=np.uint8))


def test_from_a_folder_of_files_to_a_report(tmp_path: Path) -> None:
    """Bright pictures are "day"; the text says nothing. Media stay where they are, and DVC sees when one changes."""
    own = tmp_path / "own"
    (own / "images").mkdir(parents=True)
    table = [["id", "label", "photo", "caption"]]
    for i in range(80):
        picture(i, bool(i % 2)).save(own / f"images/{i}.png")
        table.append([f"r{i}", ("night", "day")[i % 2], f"images/{i}.png", f"said {i % 4 // 2}"])
    with (own / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows(table)
    clone = Clone.make(tmp_path / "project")
    clone.edit(
        {
            "data.source": "../own/table.csv",
            "data.files": "../own",
            "embed": {"photo": "pixels", "caption": "words"},
            "models": {
                "photo": {"encoders": {"photo": "cnn"}},
                "both": {"encoders": {"photo": "cnn", "caption": "lstm"}, "fusion": "concat"},
            },
            "train.epochs": 4,
        }
    )
    first = clone.run("dvc", "repro")
    assert "task: binary (two different labels)" in first.out
    page = (clone.root / "reports/index.html").read_text()
    assert "own/table.csv" in page and "data:image/png" in page
    assert not list((clone.root / "data/raw").rglob("*.png"))
    assert clone.run("dvc", "repro").ran == []
    picture(1000, bright=True).save(own / "images/1.png")
    again = clone.run("dvc", "repro")
    assert again.ran[:4] == ["download", "preprocess", "embed@photo", "train@photo"] and "embed@caption" not in again.ran
    (own / "images/3.png").write_bytes(b"")
    stopped = clone.run("dvc", "repro", code=None)
    assert stopped.code != 0 and "Traceback" not in stopped.out
    assert "1 of 80 rows cannot be used" in stopped.out and "line 5 (r3), photo: images/3.png is empty" in stopped.out
    assert (clone.root / "reports/index.html").is_file(), "what was there stays"
