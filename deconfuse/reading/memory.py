"""How much main memory this process can still take."""

import os
from pathlib import Path

ROOT = Path("/")


def available(root: Path = ROOT) -> int:
    """Bytes that can be had without swapping: what the machine has left, or a container's limit where that is lower.

    `root` is where /proc and /sys lie.
    """
    return min([machine(root), *(left for folder in groups(root) if (left := group(folder)) is not None)])


def machine(root: Path) -> int:
    """What Linux estimates to be available; elsewhere, half of all memory."""
    meminfo = root / "proc/meminfo"
    if not meminfo.exists():
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    fields = dict(line.split(":") for line in meminfo.read_text(encoding="utf-8").splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024


def groups(root: Path) -> list[Path]:
    """The folders of the process's control groups and those around them, of both versions; some may not exist."""
    own = root / "proc/self/cgroup"
    found: list[Path] = []
    for line in own.read_text(encoding="utf-8").splitlines() if own.exists() else []:
        _, controllers, place = line.split(":", 2)
        if controllers == "" or "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup" / ("memory" if controllers else "")
            steps = Path(place).parts[1:]
            found += [base.joinpath(*steps[:count]) for count in range(len(steps) + 1)]
    return found


def group(folder: Path) -> int | None:
    """What a control group's limit leaves; None where it has none. Files that were read once can make room (as Kubernetes counts)."""
    for limit, usage, reclaimable in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most = (folder / limit).read_text(encoding="utf-8").strip()
            taken = int((folder / usage).read_text(encoding="utf-8"))
            stat = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="utf-8").splitlines())
        except OSError:
            continue
        # the first version writes a number near 2**63 for "none"
        return None if most == "max" else max(0, int(most) - taken + int(stat.get(reclaimable, 0)))
    return None
