"""What is compiled learns the same to rounding, the same bytes run to run and after an interruption, and leaves no trace in files."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_checkpoints import crashed, equal, run
from test_training import TRAIN, VAL, Net, net, pictures, recipe, twofold
from torch import Tensor, nn

from deconfuse.kernel.errors import UserError
from deconfuse.training.compiling import compile_parts, learning
from deconfuse.training.guards import TrainingError
from deconfuse.training.loop import fit
from deconfuse.training.recording import put, recorder, tensors
from stages.train import main

torch.set_num_threads(1)
CPU = torch.device("cpu")


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for CPUs by g++, which is not installed")
def test_a_compiled_training_learns_and_ends_the_same_wherever_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 samples in steps of 66 and 67: what goes on sees them in another order."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    changes = {"is_compiled": True, "batch_size": 70}
    undisturbed, _ = run(tmp_path / "none", seconds=1e6, **changes)
    for after in (1, 6):
        folder = tmp_path / str(after)
        crashed(folder, after, **changes)
        went_on, said = run(folder, seconds=1e6, **changes)
        assert equal(went_on, undisturbed) and len(said) == 1
    plain, _ = run(tmp_path / "plain", seconds=1e6, batch_size=70)
    assert plain.weights.keys() == undisturbed.weights.keys() and not equal(plain, undisturbed)
    assert undisturbed.rows[-1]["val_accuracy"] > 0.8


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for CPUs by g++, which is not installed")
def test_a_compiled_norm_writes_no_map_that_it_need_not(tmp_path: Path) -> None:
    """The gradient that comes to it is worked out where it is used: what the convolution is given back is the one map, in bf16."""
    environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    script = Path(__file__).parent / "written_maps.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, env=environment)
    forwards, backwards = json.loads(done.stdout.splitlines()[-1])
    assert forwards == [] and backwards in ([], ["bfloat16"])


def test_recurrent_parts_are_left_and_told() -> None:
    said: list[str] = []
    lstm = nn.Sequential(nn.LSTM(2, 2))
    compile_parts({"encoders.text": lstm}, said.append)
    assert said == ["encoders.text not compiled: recurrent layers get another size at each step"]
    assert "forward" not in vars(lstm)


def test_what_was_written_is_what_evaluates() -> None:
    part = net()
    part.forward = learning("fusion", part, part.forward, lambda *given: "compiled")
    assert part.train()(TRAIN.inputs, {}, {}) == "compiled"
    assert part.eval()(TRAIN.inputs, {}, {})[0].shape == (200, 2)


def test_without_a_compiler_a_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "cxx", (None, "no-such-compiler"))
    monkeypatch.setattr(config, "force_disable_caches", True)
    # a layer of torch's own: the compiler of torch 2.11 stumbles over types that are checked, as they are in tests
    layer = nn.Sequential(nn.Linear(4, 4), nn.GELU())
    compile_parts({"encoders.sound": layer}, print)
    with pytest.raises(TrainingError, match=r"^torch cannot compile encoders.sound: .*no-such-compiler.*; set train.compile to false$"):
        layer(torch.ones(2, 4))


@pytest.mark.parametrize("key", ["compile", "cuda_graph", "diagnose"])
def test_several_processes_refuse_to_compile_record_or_diagnose(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = f"train: {{{key}: true, launch: {{processes: 2}}}}\nmodels: {{tried: {{encoders: {{image: cnn}}}}}}\n"
    Path("params.yaml").write_text(asked)
    with pytest.raises(
        UserError,
        match=r"^models.tried: .* neither compiled, recorded nor diagnosed; set train.compile, .* and train.diagnose to false",
    ):
        main("tried")


# ---- recording


def test_on_a_cpu_nothing_is_recorded_and_a_line_says_so() -> None:
    said: list[str] = []
    assert recorder(net(), CPU, said.append) is None
    assert recorder(nn.LSTM(2, 2), torch.device("cuda"), said.append) is None
    assert said == [
        "its steps are not recorded: the CPU has no graphs, they are a GPU's",
        "its steps are not recorded: recurrent layers wait for the CPU",
    ]


def test_a_batch_is_taken_apart_and_put_together() -> None:
    data = pictures(6, 1)
    present = {name: ~there for name, there in data.present.items()}
    values = [value + 1 if value.is_floating_point() else value for value in tensors(data, present)]
    again, seen = put(data, present, values)
    assert all(torch.equal(again.inputs[name], value + 1) for name, value in data.inputs.items())
    assert all(one is two for one, two in zip(tensors(again, seen), values, strict=True))
    assert again.label is data.label and seen["picture"] is present["picture"] and again.lengths == data.lengths


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("micro_batch", [None, 10])
def test_a_recorded_training_is_that_of_its_steps(micro_batch: int | None) -> None:
    device = torch.device("cuda")
    data, val = pictures(120, 1).to(device), pictures(60, 2).to(device)
    found: list[dict[str, Tensor]] = []
    for is_recorded in (False, True):
        model = twofold().to(device)
        plan = recipe(model, epochs=3, batch_size=32, micro_batch=micro_batch, modality_dropout=0.3, clip=1.0)
        made = recorder(model, device, print) if is_recorded else None
        assert (made is not None) == is_recorded
        found.append(fit(model, data, val, replace(plan, recorder=made), lambda row: None).weights)
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_work_that_waits_for_the_cpu_cannot_be_recorded() -> None:
    class Waiting(Net):
        def forward(self, inputs: dict[str, Tensor], lengths: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, dict]:
            assert inputs["point"].cpu().isfinite().all()
            return super().forward(inputs, lengths, present)

    device = torch.device("cuda")
    model = Waiting().to(device)
    plan = recipe(model, recorder=recorder(model, device, print))
    with pytest.raises(TrainingError, match="the step cannot be recorded: .*; set train.cuda_graph to false"):
        fit(model, TRAIN.to(device), VAL.to(device), plan, lambda row: None)
