"""What a module of the project imports, read from its source."""

import ast
from pathlib import Path

# a part taken by name can be any file of its folder; the sources are taken by name in one place
BY_NAME = {"part", "choice", "names", "options"}


def module_file(name: str) -> Path | None:
    """The file of a dotted name, if it is one of the project's."""
    path = Path(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def direct(file: Path) -> set[Path]:
    """The project's files that a file imports anywhere in it, packages on the way included."""
    found: set[str] = set()
    folders: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            first = node.args[0]
            if called in BY_NAME and isinstance(first, ast.Constant):
                folders.add(f"deconfuse/{first.value}")
            if called == "import_module" and isinstance(first, ast.JoinedStr) and "sources" in ast.unparse(first):
                folders.add("deconfuse/sources")
    files = {path for folder in folders for path in Path(folder).glob("*.py")}
    for name in found:
        steps = name.split(".")
        if steps[0] in ("deconfuse", "stages"):
            files |= {path for end in range(1, len(steps) + 1) if (path := module_file(".".join(steps[:end])))}
    return files - {file}


def closure(file: Path) -> set[Path]:
    """All that comes in with a file: itself, what it imports, what that imports."""
    seen: set[Path] = set()
    waiting = {file}
    while waiting:
        seen |= waiting
        waiting = set().union(*(direct(path) for path in waiting)) - seen
    return seen
