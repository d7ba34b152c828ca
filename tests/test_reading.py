"""Data in memory or on disk: the same batches, each read once and ahead, in bounded memory, with an end for every trouble."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clone import ROOT
from small_project import build
from test_training import Net, recipe, same

from deconfuse.arrays import Growing
from deconfuse.kernel.errors import UserError
from deconfuse.kernel.params import check
from deconfuse.model.dataset import Dataset
from deconfuse.params.train import Train
from deconfuse.reading import streaming
from deconfuse.reading.memory import available
from deconfuse.reading.residence import GIB, OF_MAIN, free, place
from deconfuse.reading.stored import Split, Stored, read
from deconfuse.reading.streaming import Streamed
from deconfuse.training.loop import fit
from deconfuse.training.state import State

torch.set_num_threads(1)
CPU = torch.device("cpu")
KNOWN = ["audio", "image", "text", "video"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    build(root)
    return root


def equal(one: Dataset, two: Dataset) -> bool:
    """The same names in the same order, and the same tensors."""
    for field in fields(Dataset):
        mine, other = getattr(one, field.name), getattr(two, field.name)
        if isinstance(mine, Tensor := torch.Tensor):
            mine, other = {"": mine}, {"": other}
        if list(mine) != list(other) or not all(isinstance(x, Tensor) and x.dtype == other[name].dtype for name, x in mine.items()):
            return False
        if not all(torch.equal(x, other[name]) for name, x in mine.items()):
            return False
    return True


def gathering() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("gather")}


# ---- the same batches


@pytest.mark.parametrize("modalities", [["image"], ["video", "audio"], KNOWN])
@pytest.mark.parametrize("is_usable", [False, True])
def test_batches_are_the_same_wherever_the_data_lie(
    project: Path, monkeypatch: pytest.MonkeyPatch, modalities: list[str], is_usable: bool
) -> None:
    monkeypatch.chdir(project)
    split = read("train", modalities, KNOWN)
    split = split.usable() if is_usable else split
    has = np.load("data/prepared/train/rows/present.npy")[:, [KNOWN.index(name) for name in modalities]]
    assert len(split) == (has.any(1).sum() if is_usable else len(has)) and not has.all()
    resident = place({"train": split}, CPU, None, print)["train"]
    assert isinstance(resident, Dataset) and len(resident) == len(split)
    parts = [*torch.randperm(len(split)).split(7), slice(0, 5), slice(60, 90), torch.tensor([3, 3, 0])]
    sizes = {stored.nbytes for stored in split.arrays.values()}
    for allowed in (0, *(size / GIB for size in sorted(sizes)[:-1])):
        streamed = place({"train": split}, CPU, float(allowed), lambda text: None)["train"]
        assert isinstance(streamed, Streamed) and len(streamed) == len(split) and torch.equal(streamed.label, resident.label)
        batches = list(streamed.batches(parts))
        assert [equal(batch, resident.batch(part)) for batch, part in zip(batches, parts, strict=True)] == [True] * len(parts)
        assert equal(streamed.batch(parts[0]), resident.batch(parts[0]))
    assert [equal(batch, resident.batch(part)) for batch, part in zip(resident.batches(parts), parts, strict=True)] == [True] * len(parts)


def test_a_missing_sample_holds_another_ones_values(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    split, values = read("train", ["text"], KNOWN), np.load("data/embedded/train/text/values.npy")
    data = place({"train": split}, CPU, None, print)["train"]
    has = np.load("data/prepared/train/rows/present.npy")[:, 2]
    found, length = data.inputs["text"].numpy(), np.load("data/embedded/train/text/length.npy")
    assert np.array_equal(found[has], values[has]) and data.present["text"].tolist() == has.tolist()
    owners = np.resize(np.flatnonzero(has), len(has))[~has]
    assert np.array_equal(found[~has], values[owners]) and data.lengths["text"][torch.tensor(~has)].tolist() == length[owners].tolist()


def test_an_empty_split_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, name, array in (
        ("prepared/test/rows", "present", np.zeros((0, 4), bool)),
        ("prepared/test/rows", "label", np.zeros(0, int)),
        ("embedded/test/image", "values", np.zeros((0, 1, 8, 8), np.uint8)),
    ):
        (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "data" / folder / f"{name}.npy", array)
    for allowed in (0, 1):
        data = place({"test": read("test", ["image"], KNOWN)}, CPU, float(allowed), lambda text: None)["test"]
        assert len(data) == 0 and data.batch(slice(0, 512)).inputs["image"].shape == (0, 1, 8, 8)


# ---- read once, ahead, in order


class Told(Stored):
    """Notes which samples are read; the first of a batch takes its time where `slow` is set."""

    asked: list[list[int]] = []
    slow = 0.0

    def gather(self, index: Any, is_pinned: bool) -> torch.Tensor:
        self.asked.append(index.tolist())
        time.sleep(self.slow * (index[0].item() % 3))
        return super().gather(index, is_pinned)


def points(slow: float = 0.0, samples: int = 60) -> Streamed:
    """What the network of the loop's tests learns, on disk as it were."""
    x = torch.randn(samples, 2, generator=torch.Generator().manual_seed(1))
    Told.asked, Told.slow = [], slow
    resident = Dataset({}, {}, {"point": torch.ones(samples, dtype=torch.bool)}, (x[:, 0] + 2 * x[:, 1] > 0).long())
    return Streamed(resident, {"point": Told(x.numpy(), np.arange(samples))})


def test_batches_come_in_their_order_each_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = points(slow=0.01)
    parts = [*torch.randperm(60).split(4)]
    found = [batch.inputs["point"] for batch in data.batches(parts)]
    assert torch.equal(torch.cat(found), torch.from_numpy(data.arrays["point"].values)[torch.cat(parts)])
    assert sorted(Told.asked) == sorted(part.tolist() for part in parts) and not gathering()


def test_few_batches_wait_and_fewer_where_they_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [*torch.arange(60).split(2)]
    for waiting, ahead in ((10**9, streaming.AHEAD), (32, 2), (1, 1), (0, 1)):
        monkeypatch.setattr(streaming, "WAITING", waiting)
        data = points()
        batches = data.batches(parts)
        for taken in (1, 2, 3):
            next(batches)
            time.sleep(0.05)
            assert Told.asked == [part.tolist() for part in parts[: taken + ahead]], "the next ones, and no more"


def test_the_threads_end_with_the_reader() -> None:
    data = points()
    parts = [*torch.arange(60).split(1)]
    batches = data.batches(parts)
    next(batches)
    assert gathering()
    del batches
    assert not gathering() and len(Told.asked) <= 1 + streaming.AHEAD


def test_what_fails_in_a_thread_is_told() -> None:
    data = points()
    data.arrays = {"point": Stored(np.zeros((1, 10**9), np.uint8), np.zeros(60, int))}
    batches = data.batches([torch.zeros(10**6, dtype=torch.long)] * 3)
    with pytest.raises(UserError, match=r"^a batch of \d.* bytes cannot be read from disk into memory: .*; lower train.batch_size$"):
        list(batches)
    assert not gathering()


def test_a_training_on_disk_goes_on_inside_an_epoch_and_reads_only_what_is_left() -> None:
    def end(state: State) -> None:
        if state.step == 5:
            raise KeyboardInterrupt

    def model() -> Net:
        torch.manual_seed(0)
        return Net()

    data, whole = points(), model()
    resident = data.batch(torch.arange(60))
    expected = fit(whole, resident, resident, recipe(whole, epochs=1, batch_size=6), lambda row: None)
    state, net = State(), model()
    plan = recipe(net, epochs=1, batch_size=6)
    with pytest.raises(KeyboardInterrupt):
        fit(net, data, resident, plan, lambda row: None, state, end)
    assert not gathering()
    Told.asked.clear()
    fit(net, data, resident, plan, lambda row: None, state)
    assert same(state.weights, expected.weights) and state.rows == expected.rows
    assert [len(part) for part in Told.asked] == [6] * 5


# ---- what lies where


def split_of(**nbytes: int) -> Split:
    rows = Dataset({}, {}, {name: torch.ones(1, dtype=torch.bool) for name in nbytes}, torch.zeros(1))
    return Split(rows, {name: Stored(np.zeros((1, size), np.uint8), np.zeros(1, int)) for name, size in nbytes.items()})


@pytest.mark.parametrize(
    ("allowed", "on_disk"),
    [
        (0, {"train": {"a", "b"}, "val": {"a", "b"}}),
        (29, {"train": {"a", "b"}, "val": {"b"}}),
        (30, {"train": {"b"}, "val": {"b"}}),
        (69, {"train": {"b"}, "val": {"b"}}),
        (70, {"train": {"b"}}),
        (169, {"train": {"b"}}),
        (170, {}),
    ],
)
def test_the_smallest_arrays_lie_in_memory(allowed: int, on_disk: dict[str, set[str]]) -> None:
    said: list[str] = []
    splits = {"train": split_of(a=20, b=100), "val": split_of(a=10, b=40)}
    found = place(splits, CPU, allowed / GIB, said.append)
    assert {split: set(data.arrays) for split, data in found.items() if isinstance(data, Streamed)} == on_disk
    assert len(said) == bool(on_disk)
    for split, names in on_disk.items():
        assert all(f"{split}/{name} (" in said[0] for name in names) and said[0].count("GiB)") == sum(map(len, on_disk.values()))


def test_null_is_a_share_of_what_is_free() -> None:
    assert free(CPU) == pytest.approx(available() * OF_MAIN, rel=0.2)
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert 0 < available() <= total


MEMINFO = "MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 600 kB\nHugePages_Total: 0\n"


@pytest.mark.parametrize(
    ("files", "kilobytes"),
    [
        ({}, 600),
        # the second version: a limit of a folder above counts, files read once can make room
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, 600),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/memory.max": "409600\n",
                "sys/fs/cgroup/a/memory.current": "307200\n",
                "sys/fs/cgroup/a/memory.stat": "anon 1\ninactive_file 102400\nactive_file 1\n",
            },
            200,
        ),
        # a container that sees its own group as the root
        (
            {
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/memory.max": "409600\n",
                "sys/fs/cgroup/memory.current": "512000\n",
                "sys/fs/cgroup/memory.stat": "anon 1\n",
            },
            0,
        ),
        # the first version
        (
            {
                "proc/self/cgroup": "5:cpu:/x\n4:memory,foo:/c\n0::/\n",
                "sys/fs/cgroup/memory/c/memory.limit_in_bytes": "409600\n",
                "sys/fs/cgroup/memory/c/memory.usage_in_bytes": "102400\n",
                "sys/fs/cgroup/memory/c/memory.stat": "inactive_file 9\ntotal_inactive_file 0\n",
            },
            300,
        ),
    ],
    ids=["none", "unlimited", "above", "over its limit", "first version"],
)
def test_a_containers_limit_counts(tmp_path: Path, files: dict[str, str], kilobytes: int) -> None:
    for path, text in ({"proc/meminfo": MEMINFO} | files).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert available(tmp_path) == kilobytes * 1024


def test_the_key_is_a_number_or_null() -> None:
    assert [check({"resident": value}, Train, "train").resident for value in (None, 0, 2.5)] == [None, 0, 2.5]
    for wrong in (-1, "much", True):
        with pytest.raises(UserError, match=r"train\.resident: found "):
            check({"resident": wrong}, Train, "train")


# ---- files that are not what they should be


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda content: content[:-1], "is damaged or cut off (24,703 bytes)"),
        (lambda content: content[:40], "is damaged or cut off (40 bytes)"),
        (lambda content: b"", "is damaged or cut off (0 bytes)"),
        (lambda content: b"x" + content[1:], "is damaged or cut off (24,704 bytes)"),
        (lambda content: content.replace(b"(64,", b"(63,"), "has 63 rows where the split has 65"),
        (lambda content: None, "is missing; run `dvc repro`"),
    ],
    ids=["a byte", "its header", "empty", "no array", "other rows", "gone"],
)
def test_a_file_that_is_cut_off_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Any, words: str) -> None:
    build(tmp_path)
    monkeypatch.chdir(tmp_path)
    path = Path("data/embedded/train/audio/values.npy")
    np.save(path, np.load(path)[:64])
    content = path.read_bytes()
    changed = spoil(content.replace(b"(64,", b"(65,") if words.startswith("is damaged") else content)
    path.unlink() if changed is None else path.write_bytes(changed)
    with pytest.raises(UserError, match=r"^data/embedded/train/audio/values\.npy ") as error:
        read("train", ["audio"], KNOWN)
    assert words in str(error.value) and "dvc repro" in str(error.value) and "\n" not in str(error.value)


# ---- memory


TRAINED = """
import sys
from pathlib import Path
from deconfuse.kernel.errors import command
from stages.train import main
command(main, sys.argv[1])
# getrusage of this process would count what the test's own held before it became this one
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def test_a_split_larger_than_the_memory_allowed_is_trained_to_the_same_bytes(tmp_path: Path) -> None:
    """240 MB of features, of which all or those of the val split lie in memory."""
    build(tmp_path, samples=5000)
    for split, rows in (("train", 5000), ("val", 40)):
        noise = np.random.default_rng(0).standard_normal((12, 1_000), np.float32)
        with Growing(tmp_path / f"data/embedded/{split}/audio/values.npy", noise.shape, "float32") as file:
            for row in range(rows):
                file.append(noise[None] + np.float32(row % 3))
    spec_path = tmp_path / "data/embedded/spec/audio.json"
    spec_path.write_text(json.dumps(json.loads(spec_path.read_text()) | {"shape": [12, 1_000]}))
    environment, peaks, weights = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, [], set()
    for name, allowed in (("small", None), ("large", None), ("large", 0.1)):
        models = {"large": {"encoders": {"audio": "linear"}, "train": {"resident": allowed}}, "small": {"encoders": {"text": "lstm"}}}
        (tmp_path / "params.yaml").write_text(json.dumps({"train": {"epochs": 1, "batch_size": 16}, "models": models}))
        words = [sys.executable, "-c", TRAINED, name]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) // 1000)
        weights.add((tmp_path / "data/models" / name / "seeds/0/weights.safetensors").read_bytes())
        assert ("reads " in done.stderr) == (allowed is not None) and done.stderr.count("\n") == (allowed is not None), done.stderr
    print("peak memory in MB (without the features, with all in memory, with those of the val split):", peaks)
    assert len(weights) == 2, "one of each model"
    without, whole, bounded = peaks
    assert whole > without + 200 and bounded < without + 100
