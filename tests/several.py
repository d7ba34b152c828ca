"""Trains all models of each folder's `params.yaml` by one process or several, forks of this one, and says in JSON how each ended.

    python tests/several.py PROCESSES FOLDER...

A fork need not import torch again, as each process of the launcher must.
"""

import json
import os
import socket
import sys
from pathlib import Path

# what the first step of an optimiser, and sharding, would import in each fork anew
import torch._dynamo
import torch.distributed.fsdp
import torch.distributed.tensor  # noqa: F401
from ruamel.yaml import YAML

import stages.train
from deconfuse.kernel.errors import command


def started(name: str, root: Path, rank: int, size: int, port: int) -> int:
    """Begin to train a model as one of `size` processes; returns the process."""
    pid = os.fork()
    if pid > 0:
        return pid
    code = 1
    try:
        os.chdir(root)
        if size > 1:
            error = root / f"{name}-{rank}.error"
            place = {
                "RANK": rank,
                "LOCAL_RANK": rank,
                "WORLD_SIZE": size,
                "LOCAL_WORLD_SIZE": size,
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
            }
            names = {"TORCHELASTIC_RUN_ID": "test", "TORCHELASTIC_ERROR_FILE": error, "GLOO_SOCKET_IFNAME": "lo"}
            os.environ.update({key: str(value) for key, value in (place | names).items()})
        command(stages.train.main, name)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stderr.flush()
        os._exit(code)


def main(size: int, roots: list[Path]) -> None:
    ends = {}
    for root in roots:
        for name in YAML(typ="safe").load(root / "params.yaml")["models"]:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            pids = [started(name, root, rank, size, port) for rank in range(size)]
            ends[f"{root.name}/{name}"] = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    print(json.dumps(ends))


if __name__ == "__main__":
    main(int(sys.argv[1]), [Path(folder) for folder in sys.argv[2:]])
