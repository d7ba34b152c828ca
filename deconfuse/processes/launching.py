"""A command run by several processes at once, by torch's launcher (what `torchrun` runs), and one true end of it for all of them."""

import fcntl
import logging
import os
import signal
import socket
import struct
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from tempfile import TemporaryDirectory

import torch.distributed as dist
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from deconfuse.kernel.errors import UserError
from deconfuse.params.launch import Launch
from deconfuse.processes.ending import Kind
from deconfuse.processes.places import machine

# linux/sockios.h: the address of an interface
SIOCGIFADDR = 0x8915
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
# of a machine that was there a moment ago
FAREWELL = timedelta(seconds=30)
GOES_ON = "`dvc repro` goes on from the last checkpoint, where there is one"


def run(module: str, arguments: Sequence[str], launch: Launch, number: int, key: str) -> None:
    """Run `python -m module arguments` in `number` processes on this machine, until all of them have ended.

    Raises UserError with the words of the process that failed, and SystemExit with the true status where a signal ended them: the first
    of them has said how to go on.
    """
    # this process does nothing else, and the launcher's lines would stand beside the one that says it all
    logging.disable()
    with TemporaryDirectory() as folder:
        try:
            with store(launch):
                elastic_launch(config(launch, number, folder), sys.executable)("-m", module, *arguments)
        except SignalException as stop:
            sys.exit(128 + stop.sigval)
        except ChildFailedError as error:
            raise end(error.failures, key) from None
        except dist.DistError as error:
            raise UserError(f"{key}: the machines did not meet at {launch.rendezvous}: {str(error).splitlines()[0]}") from None


@contextmanager
def store(launch: Launch) -> Generator[None]:
    """Keep the store that machines meet at, which is machine 0's, until all have trained: the launcher would take it with it while
    others still ask it who is there, and these would say that they lost it."""
    if launch.machines == 1:
        yield
        return
    host, port = (launch.rendezvous or "").rsplit(":", 1)
    # the launcher finds the one that its process has
    kept = dist.TCPStore(host, int(port), is_master=True, wait_for_workers=False, multi_tenant=True) if machine(launch) == 0 else None
    yield
    # the training is done, whatever becomes of another machine now
    with suppress(dist.DistError):
        if kept is None:
            dist.TCPStore(host, int(port), timeout=FAREWELL, wait_for_workers=False).set(f"left/{machine(launch)}", "")
        else:
            kept.wait([f"left/{other}" for other in range(1, launch.machines)], FAREWELL)


def end(failures: dict[int, ProcessFailure], key: str) -> UserError | SystemExit:
    """What is to be raised where processes, by rank, have not ended well: the fault of one is the loss of others, who say so, too."""
    words = {kind: [one.message for one in failures.values() if one.error_file_data.get("kind") == kind] for kind in Kind}
    if words[Kind.USER]:
        return UserError(words[Kind.USER][0])
    if words[Kind.BUG]:
        return SystemExit(words[Kind.BUG][0])
    # a SIGTERM was the launcher's, to those that were left
    killed = [(rank, -one.exitcode) for rank, one in failures.items() if one.exitcode < 0 and -one.exitcode != signal.SIGTERM]
    if killed:
        rank, number = killed[0]
        return UserError(
            f"{key}: its process {rank} was ended by {signal.Signals(number).name}, by a person or for want of memory; {GOES_ON}"
        )
    stopped = [one.exitcode for one in failures.values() if one.exitcode in STOPPED]
    if stopped:
        return SystemExit(stopped[0])
    lost = words[Kind.LOST][0] if words[Kind.LOST] else f"the processes ended with {[one.exitcode for one in failures.values()]}"
    return UserError(f"{key}: {lost}; the other machines may say why; {GOES_ON}")


def config(launch: Launch, number: int, folder: str) -> LaunchConfig:
    is_alone = launch.machines == 1
    # gloo would ask the network who this machine is, and not every network knows
    host = "127.0.0.1" if is_alone else own_address(launch.rendezvous or "")
    # a warning for each machine whose name nobody knows
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    name = interface(host)
    if name is not None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
    made = LaunchConfig(
        min_nodes=launch.machines,
        max_nodes=launch.machines,
        nproc_per_node=number,
        logs_specs=DefaultLogsSpecs(log_dir=folder),
        run_id="deconfuse",
        rdzv_backend="c10d" if is_alone else "static",
        rdzv_endpoint="127.0.0.1:0" if is_alone else launch.rendezvous or "",
        rdzv_configs={} if is_alone else {"rank": machine(launch), "timeout": int(launch.timeout)},
        local_addr=host,
        max_restarts=0,
    )
    # the processes save before they end; torch 2.11 cannot be told, and gives them half a minute
    if hasattr(made, "shutdown_timeout"):
        made.shutdown_timeout = int(launch.timeout)
    return made


def own_address(endpoint: str) -> str:
    """The address by which this machine reaches another. Raises UserError where the other's name is unknown."""
    host, port = endpoint.rsplit(":", 1)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            # nothing is sent: the system only looks for the way
            probe.connect((host, int(port)))
            return probe.getsockname()[0]
    except (OSError, OverflowError) as error:
        raise UserError(f"train.launch.rendezvous is {endpoint!r}: {error}; give the host:port by which machine 0 is reached") from None


def interface(address: str) -> str | None:
    """The name of the network interface that has an address; None where none has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                found = fcntl.ioctl(probe, SIOCGIFADDR, struct.pack("256s", name.encode()))
            except OSError:
                # it has no address
                continue
            if socket.inet_ntoa(found[20:24]) == address:
                return name
    return None
