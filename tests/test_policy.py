"""Promises about the project's shape, kept by looking at all of it."""

import ast
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
from imports import closure, direct
from ruamel.yaml import YAML

STAGES = ("download", "preprocess", "embed", "train", "evaluate", "report")
PIPELINE = YAML(typ="safe").load(Path("dvc.yaml").read_text())["stages"]
CODE = sorted([*Path("deconfuse").rglob("*.py"), *Path("stages").glob("*.py")])


def declared(stage: str) -> dict:
    return PIPELINE[stage].get("do", PIPELINE[stage])


def code_files(path: Path) -> set[Path]:
    """A file, or all of a folder that would be shipped."""
    return {path} if path.is_file() else {file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts}


def package_data(files: set[Path]) -> set[Path]:
    """What is no code but lies in a folder of these files' package: templates, style sheets."""
    folders = {file.parent for file in files if file.parts[0] == "deconfuse" and len(file.parts) > 2}
    return {path for folder in folders for path in folder.iterdir() if path.is_file() and path.suffix != ".py"}


def test_the_pipeline_has_the_six_stages() -> None:
    assert tuple(PIPELINE) == STAGES
    assert {path.stem for path in Path("stages").glob("*.py")} == {"__init__", *STAGES}


@pytest.mark.parametrize("stage", STAGES)
def test_declared_code_is_imported_code(stage: str) -> None:
    needed = closure(Path(f"stages/{stage}.py"))
    needed |= package_data(needed)
    # the kernel is one dependency of all, so it is kept small
    needed |= code_files(Path("deconfuse/kernel"))
    listed = [Path(dep) for dep in declared(stage)["deps"] if dep.startswith(("deconfuse", "stages"))]
    given = set().union(*(code_files(path) for path in listed))
    assert sorted(map(str, needed - given)) == [], "imported, but no dependency: an edit would not run the stage again"
    assert sorted(map(str, given - needed)) == [], "a dependency, but not imported: an edit would run the stage for nothing"


@pytest.mark.parametrize("stage", STAGES)
def test_declared_params_are_read_params(stage: str) -> None:
    read = set()
    for node in ast.walk(ast.parse(Path(f"stages/{stage}.py").read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "read_params":
            key = ast.unparse(node.args[0]).strip("f'\"")
            read.add(re.sub(r"\{\w+\}", "${key}", key))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load":
            read.add("models")
    params = declared(stage)["params"]
    if stage == "download":
        # it checks all sections
        assert params == [{"params.yaml": None}]
    elif stage == "evaluate":
        # `load` is that of safetensors
        assert read - {"models"} == set(params)
    else:
        assert read == set(params)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_its_own_script(stage: str) -> None:
    assert declared(stage)["cmd"].split()[:3] == ["python", "-m", f"stages.{stage}"]


def test_stages_do_not_import_stages() -> None:
    assert {
        str(path): sorted(map(str, inner))
        for path in Path("stages").glob("*.py")
        if (inner := {p for p in direct(path) if p.parts[0] == "stages" and p.name != "__init__.py"})
    } == {}


# packages that hold modules and have nothing of their own
HOLDERS = ("kernel", "model", "params", "processes", "regularisation", "runtime", "training")
# what a part may import of the project, beside its own folder
MAY = {
    "encoders": {"kernel.errors", "attention_layer", "networks"},
    "fusion": {"kernel.errors", "attention_layer"},
    "augmentation": set(),
    "embeddings": {"kernel.errors", "networks"},
    "media": {"params.preprocess", "kernel.errors"},
    "reporting": {
        "baselines",
        "corruptions",
        "kernel.lookup",
        "spreadsheet",
        "kernel.files",
        "kernel.cores",
        "kernel.errors",
        "kernel.words",
        "forked",
        "manifest",
        "media",
        "metrics",
        "params.preprocess",
        "params.report",
    },
    "baselines": {"kernel.errors", "reading"},
    "sources": {
        "arrays",
        "kernel.cores",
        "kernel.errors",
        "forked",
        "limiting",
        "manifest",
        "kernel.progress",
        "params.avmnist",
        "params.digits",
    },
    "tables": {"kernel.errors", "kernel.files", "manifest", "params.data"},
    "analyses": {
        "corruptions",
        "model.dataset",
        "embeddings",
        "explain",
        "fusion",
        "metrics",
        "model.multimodal",
        "model.observing",
        "model.room",
        "reading",
        "shapley",
        "tasks",
        "kernel.lookup",
    },
    "corruptions": set(),
    "explain": {"model.dataset", "model.multimodal", "model.room"},
    "shapley.py": set(),
    "model/multimodal.py": {"model.bf16"},
    "model/bf16.py": set(),
    "training/loop.py": {
        "training.average",
        "training.draws",
        "training.gradient",
        "training.norms",
        "training.guards",
        "runtime.prediction",
        "training.recipe",
        "processes.sharded",
        "training.state",
    },
    "training/gradient.py": {"training.draws", "training.guards", "training.recipe", "training.state"},
    "training/recipe.py": {"processes.team", "training.diagnosis"},
    "training/diagnosis.py": {"training.checkerboard", "training.layers", "training.probe", "training.state"},
    "training/probe.py": {"training.checkerboard", "training.layers"},
    "training/layers.py": {"training.norms"},
    "training/checkerboard.py": set(),
    "processes/team.py": set(),
    "processes/distributed.py": {
        "training.draws",
        "kernel.errors",
        "training.guards",
        "processes.sharded",
        "processes.sharding",
        "processes.team",
        "processes.whole_batch",
    },
    "processes/whole_batch.py": {"kernel.errors"},
    "processes/sharding.py": set(),
    "processes/sharded.py": set(),
    "training/average.py": {"processes.sharded"},
    "training/precision.py": set(),
    "training/compiling.py": {"training.guards"},
    "training/recording.py": {"training.compiling", "training.guards"},
    "training/draws.py": set(),
    "runtime/prediction.py": {"model.room"},
    "model/room.py": {"model.observing"},
    "model/observing.py": set(),
    "training/norms.py": {"processes.sharded"},
    "training/guards.py": set(),
    "training/state.py": {"processes.sharded"},
    "training/optimisation.py": {"training.optimisers", "processes.sharded"},
    "training/optimisers.py": set(),
    "model/dataset.py": set(),
    "reading": {"model.dataset", "kernel.errors"},
    "regularisation/mixup.py": set(),
    "metrics": set(),
    "tasks": {"kernel.errors", "kernel.lookup"},
}


@pytest.mark.parametrize("part", MAY)
def test_layers(part: str) -> None:
    place = Path("deconfuse") / part
    for file in [place] if place.is_file() else place.glob("*.py"):
        # the packages on the way to a module come in with it
        on_the_way = {Path("deconfuse/__init__.py"), *(Path(f"deconfuse/{package}/__init__.py") for package in HOLDERS)}
        outside = {path for path in direct(file) - on_the_way if place not in path.parents}
        names = {".".join(path.with_suffix("").parts[1:]).removesuffix(".__init__") for path in outside}
        # a folder stands for all of its files
        more = {name for name in names - MAY[part] if name.split(".")[0] not in MAY[part]}
        assert not more, f"{file} imports {sorted(more)}"


def test_train_and_evaluate_never_import_mlflow() -> None:
    for stage in ("train", "evaluate"):
        for file in closure(Path(f"stages/{stage}.py")):
            assert "mlflow" not in re.findall(r"^\s*(?:import|from) (\w+)", file.read_text(), re.MULTILINE), file


FORBIDDEN = (
    "import pickle",
    "from pickle",
    "pickle.load",
    "weights_only=False",
    "allow_pickle=True",
    "eval(",
    "exec(",
    "shell=True",
    "extractall(",
    "torchvision.io",
    "yaml.load(",
)


@pytest.mark.parametrize("file", CODE, ids=str)
def test_nothing_unsafe_is_called(file: Path) -> None:
    text = re.sub(r"\.(eval|exec)\(|_exec\(|\"[^\"\n]*\"", "", file.read_text())
    assert [word for word in FORBIDDEN if word in text] == []


def test_every_preset_is_in_the_readme() -> None:
    told = re.findall(r"`(\w+)`", Path("README.md").read_text().split("## Presets")[1].split("\n## ")[0])
    assert {path.stem for path in Path("presets").glob("*.yaml")} <= set(told)


def commands(readme: str) -> list[str]:
    """The lines of the README's shell blocks."""
    blocks = re.findall(r"```(?:bash|sh|console)\n(.*?)```", readme, re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.split("#")[0].strip()]


def test_the_readmes_commands_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", Path("Makefile").read_text(), re.MULTILINE))
    found = commands(Path("README.md").read_text())
    assert found
    for line in found:
        words = shlex.split(line)
        if words[0] == "make":
            assert words[1] in targets, line
        elif words[0] == "python":
            assert words[1] == "-m" and find_spec(words[2]), line
        elif words[0] == "cp":
            assert Path(words[1]).is_file(), line
        elif words[0] == "dvc":
            assert words[1] in {"repro", "exp", "metrics", "plots", "params", "dag", "status", "pull", "push"}, line
        else:
            assert words[0] in {"git", "cd", "pip", "source", "."}, line


def test_the_readme_links_to_files_that_exist() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", Path("README.md").read_text()):
        assert Path(target).exists(), target


def test_pinned_versions_name_no_address() -> None:
    pinned = Path("constraints.txt").read_text()
    assert "torch==" in pinned
    assert "://" not in pinned
