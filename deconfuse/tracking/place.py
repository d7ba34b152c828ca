"""Which project a folder belongs to: a copy of its tree has no store of its own."""

import os
from pathlib import Path


def repository() -> Path:
    """The project's root; from within a copy (`dvc exp run --temp` or `--queue`, a worktree of git) that of the project it is a copy of."""
    if root := os.environ.get("DVC_ROOT"):
        return _main(Path(root))
    here = Path.cwd()
    return _main(next((folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir() or (folder / ".git").exists()), here))


def copies(root: Path) -> list[Path]:
    """The project's root itself, and its folder in each further worktree that git knows and that is still there."""
    top = _top(root)
    if top is None:
        return [root]
    links = sorted((top / ".git/worktrees").glob("*/gitdir"))
    folders = [Path(link.read_text(encoding="utf-8").strip()).parent / root.relative_to(top) for link in links]
    return [root, *(folder for folder in folders if (folder / ".dvc").is_dir())]


def _top(folder: Path) -> Path | None:
    """The root of the worktree around a folder."""
    return next((above for above in (folder, *folder.parents) if (above / ".git").exists()), None)


def _main(root: Path) -> Path:
    """The same folder in git's main worktree; the folder itself where it is no worktree, or the main one is bare."""
    root = root.resolve()
    top = _top(root)
    if top is None or not (top / ".git").is_file():
        return root
    own = top / (top / ".git").read_text(encoding="utf-8").removeprefix("gitdir:").strip()
    # a submodule's .git is a file as well, but shares nothing
    if not (own / "commondir").is_file():
        return root
    common = (own / (own / "commondir").read_text(encoding="utf-8").strip()).resolve()
    return common.parent / root.relative_to(top) if common.name == ".git" else root
