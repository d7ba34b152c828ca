"""The order of stages in dvc.lock: DVC appends what is new as it is done."""

import re
from pathlib import Path
from typing import Any

from deconfuse.kernel.files import write_text
from deconfuse.lineup.jobs import KINDS


def blocks(path: Path) -> tuple[str, dict[str, str]]:
    """What dvc.lock begins with, and the text of each stage."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    head, *rest = re.split(r"^(?=  \S)", text, flags=re.MULTILINE)
    return head, {block.split(":\n", 1)[0].strip(): block for block in rest}


def recorded(path: Path) -> list[str]:
    """The stages that dvc.lock has, in its order."""
    return list(blocks(path)[1])


def in_order(path: Path, before: list[str], params: dict[str, Any]) -> None:
    """Put the stages of modalities and models that are new since `before` in the order in which `dvc repro` adds them, that of params."""
    head, found = blocks(path)
    several = [f"embed@{name}" for name in params["embed"]] + [f"{kind}@{name}" for kind in KINDS for name in params["models"]]
    # what comes before them is in order as it is
    order = [*before, *(stage for stage in [*(stage for stage in found if stage not in several), *several] if stage not in before)]
    stages = sorted(found, key=order.index)
    if stages != list(found):
        write_text(path, head + "".join(found[stage] for stage in stages))
