"""A training begins soon: it imports little beside torch, which alone takes 2 s of CPU."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from clone import ROOT
from small_project import build
from test_training import net

from deconfuse.training.optimisation import optimizer

# seconds of CPU each; the compiler's (torch._dynamo) is what torch's own optimisers import at their first step
HEAVY = (
    *("torch._dynamo", "torch._inductor", "sympy", "networkx", "triton", "scipy", "pandas", "sklearn", "matplotlib", "pyarrow", "PIL"),
    *("torchvision", "torchmetrics", "lightning", "transformers", "timm", "av", "soundfile"),
    *("mlflow", "sqlalchemy", "requests", "dvc", "jinja2"),
)

TRAINED = """
import sys
from stages.train import main
main("attention")
print(*sorted(name for name in sys.argv[1:] if name in sys.modules))
"""


def test_a_training_imports_nothing_heavy(tmp_path: Path) -> None:
    build(tmp_path, epochs=1)
    words = [sys.executable, "-c", TRAINED, *HEAVY]
    done = subprocess.run(words, cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_a_stage_looks_for_garbage_once_it_has_imported_all(tmp_path: Path) -> None:
    """As a program; a test or a notebook that imports it goes on as it was."""
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/__init__.py").write_text((ROOT / "stages/__init__.py").read_text())
    (tmp_path / "stages/tried.py").write_text(
        "import gc\nfrom deconfuse.kernel.errors import command\nbefore = gc.isenabled()\n"
        "def main(): print(before, gc.isenabled(), gc.get_freeze_count() > 1000)\nif __name__ == '__main__': command(main)\n"
    )
    ways = {"-m stages.tried": "False True True", "-c 'import stages.tried; stages.tried.command(stages.tried.main)'": "True True False"}
    for words, expected in ways.items():
        command = [sys.executable, *shlex.split(words)]
        done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": f"{tmp_path}:{ROOT}"}, capture_output=True, text=True, check=True)
        assert done.stdout == f"{expected}\n"


def test_measuring_classes_imports_nothing_heavy() -> None:
    script = "import sys, stages.evaluate, deconfuse.metrics.single_label; print(*(name for name in sys.argv[1:] if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script, *HEAVY], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_optimisers_are_torchs_own_to_the_bit(name: str, kind: type[torch.optim.Optimizer]) -> None:
    def stepped(model: torch.nn.Module, made: torch.optim.Optimizer) -> torch.optim.Optimizer:
        for step in range(4):
            for group in made.param_groups:
                group["lr"] = 0.1 / (step + 1)
            made.zero_grad()
            model({"point": torch.randn(7, 2, generator=torch.Generator().manual_seed(step))}, {}, {})[0].square().sum().backward()
            made.step()
            made.load_state_dict(made.state_dict())
        return made

    mine, plain = net(0.0), net(0.0)
    lean = stepped(mine, optimizer(name, mine, 0.1, 0.9))
    groups = [
        {"params": list(group), "weight_decay": decay}
        for group, decay in (([x for x in plain.parameters() if x.dim() > 1], 0.1), ([x for x in plain.parameters() if x.dim() == 1], 0.0))
    ]
    own = stepped(plain, kind(groups, fused=True, **({"momentum": 0.9} if name == "sgd" else {})))
    assert isinstance(lean, kind)
    assert all(torch.equal(x, y) for x, y in zip(mine.parameters(), plain.parameters(), strict=True))
    kept, expected = lean.state_dict()["state"], own.state_dict()["state"]
    assert all(torch.equal(value, expected[i][key]) for i, moments in kept.items() for key, value in moments.items())
    assert kept.keys() == expected.keys() and not any(x.requires_grad for moments in kept.values() for x in moments.values())
