"""A checkpoint is whole or not taken, is of this training or not taken, and puts everything back to the bit."""

import os
import subprocess
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_training import TRAIN, VAL, Net, recipe, same
from torch import Tensor, nn

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.files import DiskFullError, write_bytes
from deconfuse.training.checkpoints import Checkpoints, alone
from deconfuse.training.compiling import compile_parts
from deconfuse.training.loop import fit
from deconfuse.training.optimisation import factor, optimizer
from deconfuse.training.state import State

torch.set_num_threads(1)


class Crash(BaseException):
    """The end of a process, as far as a test can have it in its own."""


class Deep(Net):
    """Convolution in the layout that models have here, batch norm, dropout."""

    def __init__(self) -> None:
        super().__init__()
        middle = (nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())
        self.layers = nn.Sequential(nn.Linear(2, 36), nn.Unflatten(1, (4, 3, 3)), *middle, nn.Dropout(0.3), nn.Linear(72, 2))
        self.to(memory_format=torch.channels_last)


def deep() -> Deep:
    torch.manual_seed(0)
    return Deep()


def run(folder: Path, crash_after: int | None = None, seconds: float = 0.0, key: str = "k", **changes: Any) -> tuple[State, list[str]]:
    """Train from the last checkpoint in a folder; `crash_after` so many calls of `pause` the process ends."""
    model, said, calls = deep(), [], 0
    if changes.pop("is_compiled", False):
        # as a new process: what is compiled depends on nothing that came before
        torch._dynamo.reset()
        compile_parts({"layers": model.layers}, said.append)
    made = optimizer(changes.pop("name", "adamw"), model, 0.01, 0.9)
    plan = recipe(model, **{"epochs": 3, "batch_size": 64, "optimizer": made, "modality_dropout": 0.3} | changes)
    checkpoints = Checkpoints(folder, key, seconds, said.append)

    def pause(state: State) -> None:
        nonlocal calls
        calls += 1
        if checkpoints.is_due():
            checkpoints.save(model, made, state)
        if calls == crash_after:
            raise Crash

    return fit(model, TRAIN, VAL, plan, lambda row: None, checkpoints.latest(model, made), pause), said


def crashed(folder: Path, after: int, **changes: Any) -> None:
    with pytest.raises(Crash):
        run(folder, after, **changes)


def equal(one: State, two: State) -> bool:
    mine = {name: value for name, value in vars(one).items() if name in ("best", "best_epoch", "rows", "epoch", "pieces")}
    return same(one.weights, two.weights) and all(vars(two)[name] == value for name, value in mine.items())


# ---- going on


@pytest.mark.parametrize("options", [{}, {"average": 0.9}, {"clip": 0.1}, {"micro_batch": 20}], ids=lambda options: "_".join(options))
@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_going_on_from_every_step_ends_the_same(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    undisturbed, said = run(tmp_path / "none", seconds=1e6, name=name, **options)
    assert said == [] and not (tmp_path / "none").exists()
    # 4 steps and the end of an epoch, three times
    for after in range(1, 15):
        folder = tmp_path / str(after)
        crashed(folder, after, name=name, **options)
        went_on, said = run(folder, name=name, seconds=1e6, **options)
        assert equal(went_on, undisturbed) and len(said) == 1
        assert list(went_on.rows[0]) == list(undisturbed.rows[0]) and len(went_on.pauses) == 1
        assert 0 < went_on.seconds < went_on.ended[-1] - went_on.started + 1e-3 and went_on.ended == sorted(went_on.ended)


def test_a_rate_that_follows_the_schedule_and_patience_go_on_too(tmp_path: Path) -> None:
    changes = {"rate": lambda step, steps: 0.2 * factor("linear", step, steps, 0.4), "patience": 1}
    undisturbed, _ = run(tmp_path / "none", seconds=1e6, **changes)
    crashed(tmp_path / "one", 3, **changes)
    crashed(tmp_path / "one", 4, **changes)
    assert equal(run(tmp_path / "one", **changes)[0], undisturbed)


def test_only_the_last_two_are_kept(tmp_path: Path) -> None:
    crashed(tmp_path, 7)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "000002-00000001.json",
        "000002-00000001.safetensors",
        "000002-00000002.json",
        "000002-00000002.safetensors",
    ]


def test_the_interval_is_kept(tmp_path: Path) -> None:
    crashed(tmp_path, 7, seconds=1e6)
    assert not tmp_path.exists() or list(tmp_path.iterdir()) == []


# ---- what is not taken


def test_a_stale_one_is_deleted_in_silence(tmp_path: Path) -> None:
    undisturbed, _ = run(tmp_path / "none", seconds=1e6)
    crashed(tmp_path / "one", 9, key="other")
    state, said = run(tmp_path / "one", seconds=1e6)
    assert equal(state, undisturbed) and said == [] and list((tmp_path / "one").iterdir()) == []


@settings(deadline=None, derandomize=True, max_examples=60)
@given(file=st.sampled_from(["json", "safetensors"]), where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 8))
def test_a_damaged_one_is_told_and_the_one_before_is_taken(
    tmp_path_factory: pytest.TempPathFactory, file: str, where: float, bit: int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    crashed(folder, 3)
    path = folder / f"000001-00000003.{file}"
    content = bytearray(path.read_bytes())
    place = int(where * (len(content) - 1))
    if bit == 8:
        del content[place:]
    else:
        content[place] ^= 1 << bit
    path.write_bytes(content)
    model, said = deep(), []
    state = Checkpoints(folder, "k", 0, said.append).latest(model, optimizer("adamw", model, 0.01, 0.9))
    assert state is not None and (state.epoch, state.step) == (1, 2)
    assert [line.split(":")[0] for line in said] == ["warning", f"going on after step 2 of epoch 1, from {folder}/000001-00000002"]
    assert "000001-00000003 is damaged; the one before it is taken" in said[0]
    assert sorted(path.stem for path in folder.iterdir()) == ["000001-00000002"] * 2


def test_all_damaged_is_a_start_anew(tmp_path: Path) -> None:
    crashed(tmp_path, 3)
    for path in tmp_path.glob("*.safetensors"):
        path.unlink()
    state, said = run(tmp_path, seconds=1e6)
    assert equal(state, run(tmp_path / "none", seconds=1e6)[0]) and len(said) == 2 and list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_half_written_is_deleted(tmp_path: Path) -> None:
    crashed(tmp_path, 3)
    for name in (".000001-00000004.safetensors.77.tmp", "000001-00000004.safetensors"):
        (tmp_path / name).write_bytes(b"half")
    model = deep()
    state = Checkpoints(tmp_path, "k", 0, print).latest(model, optimizer("adamw", model, 0.01, 0.9))
    assert state is not None and state.step == 3
    assert sorted({path.stem for path in tmp_path.iterdir()}) == ["000001-00000002", "000001-00000003"]


def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path) -> None:
    crashed(tmp_path, 3)
    model = deep()
    made = optimizer("adamw", model, 0.01, 0.9)
    checkpoints = Checkpoints(tmp_path, "k", 0, print)
    state = checkpoints.latest(model, made)
    assert state is not None
    with torch.no_grad():
        model.layers[0].bias[0] = torch.nan
    checkpoints.save(model, made, replace(state, step=4))
    assert sorted({path.stem for path in tmp_path.iterdir()}) == ["000001-00000002", "000001-00000003"]
    assert checkpoints.last == "after step 3 of epoch 1"


# ---- a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A file system of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)], check=False).returncode != 0:
        pytest.skip("only root may mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_costs_the_checkpoint_not_the_training(small_disk: Path, tmp_path: Path) -> None:
    folder = small_disk / "kept"
    crashed(folder, 1)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    free = os.statvfs(small_disk)
    (small_disk / "other").write_bytes(b"x" * (free.f_bavail - 1) * free.f_frsize)
    state, said = run(folder)
    assert equal(state, run(tmp_path / "none", seconds=1e6)[0])
    assert len(said) == 2 and said[1].startswith("warning: no checkpoint could be saved, training goes on: ")
    assert "bytes are needed, 4,096 are free (No space left on device)" in said[1] and "\n" not in said[1]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before, "the last good one is whole"


def test_a_full_disk_is_told_with_what_is_needed(small_disk: Path) -> None:
    path = small_disk / "weights"
    write_bytes(path, b"old")
    with pytest.raises(DiskFullError, match=rf"{path}: the disk is full: 100,000 bytes are needed, \d\d,\d\d\d are free"):
        write_bytes(path, b"x" * 100_000)
    assert path.read_bytes() == b"old" and [one.name for one in small_disk.iterdir()] == ["weights"]


def test_another_fault_of_the_disk_is_not_taken_for_a_full_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="File exists"):
        write_bytes(tmp_path / "file" / "below", b"x")


# ---- one process a model


def test_a_model_is_trained_by_one_process_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with alone("tried"):
        with alone("other"):
            pass
        with pytest.raises(UserError, match=rf"models.tried: .* by the process {os.getpid()}, "), alone("tried"):
            pass
    with alone("tried"):
        pass


def test_restored_moments_lie_in_memory_as_before(tmp_path: Path) -> None:
    def strides(made: torch.optim.Optimizer) -> list[tuple[int, ...]]:
        kept: dict[int, dict[str, Tensor]] = made.state_dict()["state"]
        return [kept[i]["exp_avg"].stride() for i in range(len(kept))]

    model = deep()
    made = optimizer("adamw", model, 0.01, 0.9)
    fit(model, TRAIN, VAL, recipe(model, epochs=1, optimizer=made), lambda row: None)
    Checkpoints(tmp_path, "k", 0, print).save(model, made, State())
    twin = deep()
    again = optimizer("adamw", twin, 0.01, 0.9)
    Checkpoints(tmp_path, "k", 0, print).latest(twin, again)
    assert strides(again) == strides(made) and not all(value.is_contiguous() for value in twin.parameters())
    assert same(twin.state_dict(), model.state_dict())
