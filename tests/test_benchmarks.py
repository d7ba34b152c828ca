"""Every benchmark runs at its smallest and prints its table; without its rival it says how to get it."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
from torch.cuda import is_available

SMALLEST = ["--rounds", "1", "--scale"]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=False, env=environment)


def rows(*words: str) -> list[list[str]]:
    """The cells of the tables that a benchmark prints."""
    done = run(*words)
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert re.search(r"\d cores, Python \d.*, commit \S+", first), first
    lines = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert lines, done.stdout
    return lines


def middle(cell: str) -> float:
    """The median in a cell such as `1.2 (1.1-1.3)`."""
    return float(cell.split(" (")[0].replace(",", ""))


def test_ceilings() -> None:
    found = rows("benchmarks.ceilings", *SMALLEST, "0.02")
    assert [row[0] for row in found[1:]] == ["matmul fp32", "conv fp32", "matmul bf16", "conv bf16"]
    assert all(middle(row[1]) > 0 for row in found[1:])


def test_engine_beside_loops_by_hand() -> None:
    found = rows("benchmarks.engine", *SMALLEST, "0.02", "--workloads", "cnn", "--no-lightning")
    names = [row[0] for row in found[1:]]
    assert names == ["engine", "same model, by hand", "bare layers, by hand", "DataLoader"]
    assert middle(found[1][2]) == 1
    assert all(middle(row[1]) > 0 for row in found[1:])


def test_decoding() -> None:
    found = rows("benchmarks.decoding", *SMALLEST, "0.005")
    assert {row[0].split()[0] for row in found[1:]} == {"JPEG", "PNG", "WAV", "FLAC", "MP4"}


def test_loading() -> None:
    found = rows("benchmarks.loading", *SMALLEST, "0.02")
    assert [row[0] for row in found[1:]] == ["engine", "engine, not augmented", "DataLoader and torchvision"]


def test_the_folded_network_is_the_plain_ones_function() -> None:
    done = run("benchmarks.fold", *SMALLEST, "0.02", "--threads", "1")
    assert done.returncode == 0, done.stderr
    differences = re.search(r"logits by (\S+) and in gradients by (\S+) ", done.stdout)
    assert differences and all(float(found) < 1e-9 for found in differences.groups())
    assert done.stdout.count("\n| ours, ") == 2


def test_heads() -> None:
    found = rows("benchmarks.heads", *SMALLEST, "0.03", "--models", "concat")
    assert [row[0] for row in found[1:]] == ["concat"]


def test_side_by_side_gives_the_same_bytes() -> None:
    found = rows("benchmarks.side_by_side", *SMALLEST, "0.004")
    assert [row[0].split(",")[0] for row in found] == [
        *("2 fusions", "two at once", "one after the other", "one after the other", "one after the other"),
        *("2 networks for pictures", "two at once", "one after the other", "one after the other"),
    ]


def test_cifar10_speed() -> None:
    found = rows("benchmarks.cifar10_speed", *SMALLEST, "0.001", "--epochs", "2")
    assert [row[0] for row in found] == ["network", "cnn", "airbench94", "network", "cnn", "airbench96"]


def test_tracking() -> None:
    found = rows("benchmarks.tracking", *SMALLEST, "0.001")
    assert [row[0] for row in found[1:]] == ["drawn live", "not drawn"]


def test_syncing() -> None:
    found = rows("benchmarks.syncing", *SMALLEST, "0.02")
    assert found[0][0] == "runs" and found[1][0] == "2"


@pytest.mark.skipif(is_available(), reason="there is a GPU")
def test_without_a_gpu_its_benchmark_says_so() -> None:
    done = run("benchmarks.gpu")
    assert done.returncode == 1
    assert done.stderr.startswith("error: torch finds no GPU here")


@pytest.mark.skipif(find_spec("lightning") is not None, reason="Lightning is installed")
def test_without_lightning_the_engines_benchmark_says_how_to_install_it() -> None:
    done = run("benchmarks.engine")
    assert done.returncode == 1
    assert done.stderr.startswith("error: Lightning is not installed; `uv pip install --group benchmark")


@pytest.mark.parametrize("python", [sys.executable, "no/such/python"])
def test_without_tensorflow_keras_benchmark_says_how_to_install_it(python: str) -> None:
    done = run("benchmarks.keras", "--python", python)
    assert done.returncode == 1
    assert "has no TensorFlow" in done.stderr and "pip install tensorflow-cpu" in done.stderr
    assert "Traceback" not in done.stderr


def test_precision() -> None:
    found = rows("benchmarks.precision", *SMALLEST, "0.01", "--only", "deconvolution, picture 32", "lstm, line", "fusion concat")
    assert [row[0] for row in found[1:]] == ["deconvolution, picture 32", "lstm, line", "fusion concat"]
    assert found[2][5] == "none"
