"""A model of several seeds is its trainings with each seed alone, whatever interrupts them; its figures are means with two intervals."""

import csv
import hashlib
import json
import signal
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from small_project import build
from test_kill import saved, training, wait_for

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.params import check
from deconfuse.metrics import over_seeds
from deconfuse.metrics._bootstrap import intervals
from deconfuse.metrics._wilson import wilson
from deconfuse.params.train import Train


def weights(root: Path, seed: int, name: str = "cnn") -> str:
    return hashlib.sha256((root / f"data/models/{name}/seeds/{seed}/weights.safetensors").read_bytes()).hexdigest()


def history(root: Path, seed: int, name: str = "cnn") -> list[dict[str, str]]:
    with (root / f"data/models/{name}/history.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["seed"] == str(seed)]


def told(root: Path, file: str, name: str = "cnn") -> dict:
    return json.loads((root / f"data/models/{name}/{file}.json").read_text())


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The small project, with a model trained with one seed alone, by seed."""
    roots = {seed: tmp_path_factory.mktemp(f"seed{seed}") for seed in (3, 7)}
    for seed, root in roots.items():
        build(root, seeds=[seed])
        process = training(root, "cnn")
        assert process.communicate()[1] == b"" and process.returncode == 0
    return roots


# ---------------------------------------------------------------- training


def is_as_alone(root: Path, alone: dict[int, Path]) -> None:
    """Whether each seed's part of a model is what it is alone, to the byte."""
    about, run = told(root, "model"), told(root, "run")
    for seed, other in alone.items():
        assert weights(root, seed) == weights(other, seed)
        assert history(root, seed) == history(other, seed) != []
        assert about["seeds"][str(seed)] == told(other, "model")["seeds"][str(seed)]
        assert run["seeds"][str(seed)]["digest"] == told(other, "run")["digest"]
    losses = {seed: about["seeds"][str(seed)]["val_loss"] for seed in alone}
    assert about["best_seed"] == min(losses, key=losses.__getitem__)
    assert len({run["digest"], *(seed["digest"] for seed in run["seeds"].values())}) == 1 + len(alone)


def test_a_training_that_is_killed_in_its_second_seed_keeps_the_first(tmp_path: Path, alone: dict[int, Path]) -> None:
    build(tmp_path, seeds=[7, 3])
    first = tmp_path / "data/checkpoints/cnn/3"
    process = training(tmp_path, "cnn")
    # after the last epoch; none was due before
    wait_for(lambda: (first / "000005-00000000.json").exists(), process)
    process.kill()
    process.communicate()
    assert len(list(first.glob("[0-9]*.json"))) == 1 and not (tmp_path / "data/models/cnn/model.json").exists()
    process = training(tmp_path, "cnn")
    words = process.communicate()[1].decode().splitlines()
    assert process.returncode == 0
    assert words == ["train cnn, seed 3: going on after epoch 4, from data/checkpoints/cnn/3/000005-00000000"]
    is_as_alone(tmp_path, alone)
    runs = told(tmp_path, "run")["seeds"]
    assert runs["3"]["pauses"] == [] and runs["3"]["ended"] < runs["7"]["started"], "the first was not trained again"
    assert not (tmp_path / "data/checkpoints/cnn").exists()
    left = [path.name for path in sorted((tmp_path / "data/models/cnn").iterdir())]
    assert left == ["diagnosis.csv", "history.csv", "model.json", "run.json", "seeds"]


def test_a_seed_more_keeps_what_is_whole_until_it_is_done(tmp_path: Path, alone: dict[int, Path]) -> None:
    """A second training in the same folder, ended by a signal, leaves the first one's model; its seeds go on to the same bytes."""
    build(tmp_path, seeds=[3])
    assert training(tmp_path, "cnn").wait() == 0
    before = told(tmp_path, "run")
    text = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("- 3\n", "- 3\n  - 7\n  checkpoint: 0\n"))
    process = training(tmp_path, "cnn")
    wait_for(lambda: (tmp_path / "data/checkpoints/cnn/7").is_dir(), process)
    process.send_signal(signal.SIGTERM)
    line = process.communicate()[1].decode()
    assert process.returncode == 143 and line.startswith("train cnn, seed 7: stopped after "), line
    assert told(tmp_path, "run") == before and weights(tmp_path, 3) == weights(alone[3], 3)
    process = training(tmp_path, "cnn")
    words = process.communicate()[1].decode().splitlines()
    assert process.returncode == 0 and [line.split(" after ")[0] for line in words] == [
        f"train cnn, seed {seed}: going on" for seed in (3, 7)
    ]
    is_as_alone(tmp_path, alone)
    assert len(told(tmp_path, "run")["seeds"]["7"]["pauses"]) == 1
    assert saved(tmp_path, "cnn") == []


def test_seeds_are_a_list_of_different_ones() -> None:
    assert check({"seeds": [5, 0, 2]}, Train, "train").seeds == [0, 2, 5]
    for wrong, words in (
        ({"seed": 1}, "train.seed: there is no such key, did you mean `seeds`?"),
        ({"seeds": 1}, "train.seeds: found 1; it should be a valid array"),
        ({"seeds": []}, "train.seeds: found []; needs at least 1"),
        ({"seeds": [2, 1, 2]}, "train.seeds: found [2, 1, 2]; the seed 2 stands there twice"),
        ({"seeds": [-1]}, "train.seeds.0: found -1; it should be greater than or equal to 0"),
    ):
        with pytest.raises(UserError) as caught:
            check(wrong, Train, "train")
        assert words in str(caught.value), caught.value


# ---------------------------------------------------------------- figures


def test_one_seed_has_no_interval_over_seeds_and_several_have_students() -> None:
    one = over_seeds([{"accuracy": 0.8, "n": 10}], {"accuracy": (0.5, 0.9)})
    assert one == {"accuracy": 0.8, "accuracy_low": 0.5, "accuracy_high": 0.9, "n": 10}
    values = [0.8, 0.9, 0.7, 0.85]
    found = over_seeds([{"accuracy": value, "n": 10} for value in values], {})
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found["accuracy_seeds_low"], found["accuracy_seeds_high"]) == pytest.approx((expected.low, expected.high))
    assert found["accuracy"] == pytest.approx(np.mean(values)) and found["n"] == 10


@pytest.mark.parametrize("right", [0, 1, 17, 39, 40])
def test_the_interval_of_one_seed_is_wilsons(right: int) -> None:
    expected = stats.binomtest(right, 40).proportion_ci(0.95, method="wilson")
    assert wilson((np.arange(40) < right).astype(float)) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_interval_of_a_mean_over_seeds_agrees_with_the_bootstrap_and_is_narrower_than_one_seeds() -> None:
    rng = np.random.default_rng(0)
    right = (rng.random((3, 1000)) < rng.beta(4, 1, 1000)).astype(float)
    found = wilson(right.mean(0))
    drawn = intervals(right[..., None], lambda sums: {"share": sums[..., 0] / 1000}, 2000)["share"]
    assert found == pytest.approx(drawn, abs=0.003)
    assert found[1] - found[0] < 0.85 * np.diff(wilson(right[0]))[0]


def test_the_interval_of_a_mean_over_seeds_covers_the_truth_as_often_as_it_says() -> None:
    """600 draws of 60 rows, each right with a chance of its own with each of three seeds; the truth is the mean of the chances."""
    rng, hits = np.random.default_rng(1), 0
    for _ in range(600):
        chances = rng.beta(8, 2, 60)
        low, high = wilson((rng.random((3, 60)) < chances).mean(0))
        hits += low <= 0.8 <= high
    assert 0.93 <= hits / 600 <= 0.98
