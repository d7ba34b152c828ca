"""Rows to samples: the same by any number of processes, in bounded memory, with an end for every trouble."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from deconfuse.manifest import Place, Rejected, Row
from deconfuse.params.preprocess import Audio, Preprocess
from deconfuse.preparing import decoding
from deconfuse.preparing.decoding import Sample, decoded

OPTIONS = Preprocess(audio=Audio(rate=8000, seconds=0.2))


def corpus(folder: Path, count: int) -> list[Row]:
    """Rows of a picture, a sound and a text; every seventh lacks a cell."""
    draw = np.random.default_rng(0)
    rows = []
    for place in range(count):
        Image.fromarray(draw.integers(0, 256, (20, 30, 3), np.uint8)).save(folder / f"{place}.png")
        soundfile.write(folder / f"{place}.wav", draw.uniform(-0.5, 0.5, 2000), 8000)
        cells = {"picture": f"{place}.png", "sound": f"{place}.wav", "text": f"row {place}"}
        if place % 7 == 0:
            cells[("picture", "sound", "text")[place % 3]] = " "
        rows.append(Row(place + 2, f"r{place}", "train", "a", cells))
    return rows


def places(folder: Path) -> dict[str, Place]:
    return {"picture": Place("image", str(folder)), "sound": Place("audio", str(folder)), "text": Place("text")}


def flat(found: list) -> list:
    """What can be compared of samples."""
    return [
        (
            row,
            one
            if isinstance(one, Rejected)
            else {
                name: cell and (np.asarray(cell.value).tobytes(), cell.length, cell.digest, cell.look) for name, cell in one.cells.items()
            },
        )
        for row, one in found
    ]


@pytest.mark.parametrize("count", [1, 5, 150])
def test_the_number_of_processes_does_not_matter(tmp_path: Path, count: int) -> None:
    rows = corpus(tmp_path, count)
    if count > 5:
        (tmp_path / "3.png").write_bytes(b"no picture")
    options = [OPTIONS.model_copy(update={"workers": workers}) for workers in (1, 2, 5)]
    one, *others = [flat(list(decoded(rows, len(rows), places(tmp_path), option))) for option in options]
    assert [row for row, _ in one] == rows
    assert others == [one, one]
    assert [row.id for row, found in one if isinstance(found, Rejected)] == (["r3"] if count > 5 else [])


def test_no_rows(tmp_path: Path) -> None:
    assert list(decoded([], 0, places(tmp_path), OPTIONS)) == []


def test_what_is_missing_and_what_is_wrong(tmp_path: Path) -> None:
    corpus(tmp_path, 2)
    rows = [
        Row(2, "whole", "", "a", {"picture": "1.png", "sound": "1.wav", "text": "x"}),
        Row(3, "part", "", "a", {"picture": "", "sound": " \t", "text": "x"}),
        Row(4, "none", "", "a", {"picture": "", "sound": "", "text": "\u3000\n"}),
        Row(5, "gone", "", "a", {"picture": "1.png", "sound": "9.wav", "text": "x"}),
        Row(6, "nul", "", "a", {"picture": "1.png", "sound": "1.wav", "text": "x\0"}),
    ]
    found = {row.id: found for row, found in decoded(rows, len(rows), places(tmp_path), OPTIONS)}
    assert isinstance(found["whole"], Sample) and all(found["whole"].cells.values())
    assert isinstance(found["part"], Sample) and {name for name, cell in found["part"].cells.items() if cell} == {"text"}
    assert found["none"] == Rejected(4, "none", "", "no modality is there: every cell is empty")
    assert found["gone"] == Rejected(5, "gone", "sound", f"there is no file {tmp_path}/9.wav")
    assert found["nul"] == Rejected(6, "nul", "text", "the text holds a NUL at letter 2")


def test_a_slow_reader_finds_few_rows_decoded(tmp_path: Path) -> None:
    """Files that are taken away while the reader waits are seen to be gone, but for the chunks in flight."""
    rows = corpus(tmp_path, 400)
    found = decoded(rows, len(rows), places(tmp_path), OPTIONS.model_copy(update={"workers": 2}))
    assert isinstance(next(found)[1], Sample)
    time.sleep(1.5)
    for path in tmp_path.glob("*.png"):
        path.unlink()
    there = 1 + sum(isinstance(one, Sample) for row, one in found if row.cells["picture"].strip())
    assert there <= 2 * 2 * decoding.CHUNK


def test_an_error_of_the_reader_ends_the_processes(tmp_path: Path) -> None:
    before = own_children()
    found = decoded(corpus(tmp_path, 100), 100, places(tmp_path), OPTIONS.model_copy(update={"workers": 2}))
    next(found)
    children = own_children() - before
    assert children
    found.close()
    assert not own_children() & children


def own_children() -> set[int]:
    return {int(one) for one in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


# a decoder that kills its process on one row: what a library does that crashes
KILLER = """
import os, signal, sys
from pathlib import Path
from deconfuse.preparing import decoding
from deconfuse.kernel.errors import command
from deconfuse.manifest import Place, Row
from deconfuse.params.preprocess import Preprocess
inner = decoding.decode
def decode(row, places, options):
    if row.id == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGSEGV)
    if sys.argv[1] == "slow":
        import time
        print(row.id, flush=True)
        time.sleep(60)
    return inner(row, places, options)
decoding.decode = decode
rows = [Row(place + 2, f"r{place}", "", "a", {"text": f"text {place}"}) for place in range(100)]
command(lambda: print(sum(1 for _ in decoding.decoded(rows, len(rows), {"text": Place("text")}, Preprocess(workers=2)))))
"""


def test_a_process_that_dies_is_explained() -> None:
    ended = subprocess.run([sys.executable, "-c", KILLER, "r70"], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "error: decoding line 72 (id r70) ends its process: text 70; take this row out of the table\n"
    assert subprocess.run([sys.executable, "-c", KILLER, "nobody"], capture_output=True, text=True, check=False).stdout == "100\n"


@pytest.mark.parametrize("whole_group", [True, False], ids=["from a terminal", "by kill"])
def test_an_interrupt_ends_it_at_once(whole_group: bool) -> None:
    running = subprocess.Popen(
        [sys.executable, "-c", KILLER, "slow"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert running.stdout is not None
    running.stdout.readline()
    started = time.monotonic()
    (os.killpg if whole_group else os.kill)(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert time.monotonic() - started < 10
    assert running.returncode == 130 and said == "interrupted\n"


MEASURE = """
import json, resource, sys
from pathlib import Path
from deconfuse.preparing.decoding import decoded
from deconfuse.manifest import Place, Row
from deconfuse.params.preprocess import Audio, Image, Preprocess
folder = sys.argv[1]
places = {"picture": Place("image", folder), "sound": Place("audio", folder), "text": Place("text")}
rows = [Row(n, str(n), "", "a", {"picture": f"{n % 20}.png", "sound": f"{n % 20}.wav", "text": "x"}) for n in range(int(sys.argv[2]))]
# 150 kB and 96 kB a row: all of them would be 500 MB
options = Preprocess(workers=2, image=Image(height=224, width=224, channels=3), audio=Audio(rate=48000, seconds=1))
count = sum(1 for _ in decoded(rows, len(rows), places, options))
# getrusage of this process would count what the test's own held before it became this one
own = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
print(json.dumps([count, own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
"""


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    corpus(tmp_path, 20)
    few, many = (
        json.loads(
            subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path), str(count)], capture_output=True, text=True, check=True).stdout
        )
        for count in (200, 2000)
    )
    print("peak memory in kB (rows, parent, largest child):", few, many)
    assert many[0] == 10 * few[0]
    assert many[1] < 1.3 * few[1] and many[2] < 1.3 * few[2]
