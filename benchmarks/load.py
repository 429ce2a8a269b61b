"""What a class asks of a machine: kernels that run a chapter, how much memory each holds, whether any dies.

    python benchmarks/load.py [--chapter 08_shm_big_iron] [--one-by-one 20] [--at-once 5] [--moves 5] [--pace 0.5]
                               [--server]

Each kernel runs the whole chapter, then steps along every control of its explorer that matters, as questions from a
page would, and is measured before it ends. `--pace` is the seconds from step to step, in which the explorer may think
ahead. Linux only: the figures are read from /proc. `--server` measures a JupyterLab server too, one kernel in it.

resident    all of a kernel's pages in memory (VmRSS), with the libraries that it shares with others
own         its share: what is shared is divided among those who share it (Pss). Five at once show what five cost
peak        the most that was resident at any time (VmHWM)
chapter     seconds from the first cell to the last, without the start of the kernel
processor   seconds of processor time, start and moves included
answer      milliseconds from the moment when a step is due to its answer: model, picture, read-out, and what is waited
"""

import json
import os
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from statistics import median
from threading import Barrier
from time import perf_counter, sleep
from typing import Any, NamedTuple

import nbformat
import psutil
from nbclient import NotebookClient
from page import NOTEBOOKS, ROOT, asked, high, own_places

GIB, MIB = 1 << 30, 1 << 20

PROBE = """\
import asyncio as _asyncio
import json as _json
import os as _os
import random as _random
import time as _time
from vmteach.lab.explorer import Explorer as _Explorer

_fields = lambda name: dict(line.split(":", 1) for line in open("/proc/self/" + name) if ":" in line)
_bytes = lambda text: int(text.split()[0]) * 1024
_explorer = next((value for value in list(globals().values()) if isinstance(value, _Explorer)), None)
_spent = []
await _asyncio.sleep(PACE * _random.random())  # nobody moves in step with the others
_due = _time.perf_counter()
for _control in _explorer.stage.controls.values() if _explorer else ():
    _step = 1
    for _n in range(MOVES if _control.matters else 0):
        if not 0 <= _explorer.at[_control.field] + _step < len(_control.stops):
            _step = -_step
        _at = {**_explorer.at, _control.field: _explorer.at[_control.field] + _step}
        _due = max(_due + PACE, _time.perf_counter())
        await _asyncio.sleep(_due - _time.perf_counter())
        _explorer._on_message(None, {"kind": "ask", "seq": _n, "at": _at})
        _spent.append(_time.perf_counter() - _due)
_status, _share = _fields("status"), _fields("smaps_rollup")
print("@" + _json.dumps({"resident": _bytes(_status["VmRSS"]), "peak": _bytes(_status["VmHWM"]),
    "own": _bytes(_share["Pss"]), "processor": sum(_os.times()[:4]), "answers": _spent}))
"""


class Measured(NamedTuple):
    """One kernel's figures: bytes, seconds, and the seconds of each move."""

    resident: int
    own: int
    peak: int
    chapter: float
    processor: float
    answers: list[float]


@contextmanager
def opened(chapter: str) -> Iterator[tuple[NotebookClient, float]]:
    """A new kernel with the chapter before it, of which nothing has run, and the seconds until it answered."""
    notebook = nbformat.read(NOTEBOOKS / f"{chapter}.ipynb", as_version=nbformat.NO_CONVERT)
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": NOTEBOOKS}})
    with tempfile.TemporaryDirectory() as scratch:
        began = perf_counter()
        with client.setup_kernel(env=own_places(scratch)):
            yield client, perf_counter() - began


@contextmanager
def kernel(chapter: str) -> Iterator[tuple[NotebookClient, float]]:
    """A kernel that has run the chapter, and the seconds that took. A cell that fails raises."""
    with opened(chapter) as (client, _):
        yield client, sum(as_a_page(client, index) for index in range(len(client.nb.cells)))


def as_a_page(client: NotebookClient, index: int) -> float:
    """Seconds of a cell, asked for by its id as a page with widgets does: nothing is drawn for who has no page."""
    cell, began = client.nb.cells[index], perf_counter()
    client.kc.session.metadata["cellId"] = cell.id
    client.execute_cell(cell, index)
    return perf_counter() - began


def measure(client: NotebookClient, chapter: float, moves: int, pace: float) -> Measured:
    """The figures of a kernel that is alive, after `moves` steps along each control, `pace` seconds apart."""
    cell = nbformat.v4.new_code_cell(PROBE.replace("MOVES", str(moves)).replace("PACE", str(pace)))
    client.nb.cells.append(cell)
    as_a_page(client, len(client.nb.cells) - 1)
    said = "".join(out.text for out in cell.outputs if out.get("name") == "stdout")
    found = json.loads(next(line for line in said.splitlines() if line.startswith("@"))[1:])
    return Measured(chapter=chapter, **found)


def students(count: int, together: bool, chapter: str, moves: int, pace: float) -> list[Measured]:
    """The figures of `count` kernels: each ended before the next begins, or all alive until the last was measured."""
    at_once = count if together else 1
    everybody = Barrier(at_once, timeout=900)

    def student(_: int) -> Measured:
        with kernel(chapter) as (client, spent):
            everybody.wait()
            measured = measure(client, spent, moves, pace)
            everybody.wait()
            return measured

    with ThreadPoolExecutor(at_once) as places:
        return list(places.map(student, range(count)))


def server_memory(chapter: str) -> tuple[int, int]:
    """The share in bytes of a JupyterLab server with one chapter open, and of a bare kernel in it."""
    sys.path.insert(0, str(ROOT / "tests"))
    from lab import ASK, jupyterlab

    def ask(lab: Any, path: str, **body: str) -> Any:
        data = json.dumps(body).encode() if body else None
        head = {"Authorization": f"token {lab.token}"}
        with ASK(urllib.request.Request(lab.url + path, data, head), timeout=60) as answer:
            return json.load(answer)

    with tempfile.TemporaryDirectory() as scratch, jupyterlab(Path(scratch)) as lab:
        server = next(child for child in psutil.Process().children() if "jupyterlab" in " ".join(child.cmdline()))
        ask(lab, f"/api/contents/{chapter}.ipynb")
        ask(lab, "/api/kernels", name="python3")
        deadline = perf_counter() + 30
        while not (kernels := server.children()) and perf_counter() < deadline:
            sleep(0.1)
        return share(server), quiet_share(kernels[0])


def quiet_share(process: psutil.Process) -> int:
    """A process's share of memory in bytes, when it has stayed the same for a second."""
    before = -1
    while (now := share(process)) != before:
        before = now
        sleep(1)
    return now


def share(process: psutil.Process) -> int:
    """A process's share of memory in bytes: its own pages, and its part of those that it shares."""
    return int(process.memory_full_info().pss)


def students_on(memory: int, each: int) -> int:
    """How many students fit: what the system leaves when it takes 1 GiB, divided.

    >>> students_on(8 * GIB, 256 * MIB)
    28
    """
    return (memory - GIB) // each


def line(name: str, found: list[Measured]) -> str:
    """A row of the table: medians, the highest peak, the slowest twentieth of the answers."""
    resident, own, peak, chapter, processor, answers = zip(*found)
    spent = [1000 * seconds for seconds in chain(*answers)] or [float("nan")]
    mib = "".join(f"{bytes_ / MIB:10.0f}" for bytes_ in (median(resident), median(own), max(peak)))
    times = f"{median(chapter):10.1f}{median(processor):13.1f}"
    return f"{name:16}{len(found):4}{mib}{times}{median(spent):8.0f}{high(spent):8.0f}"


def main() -> None:
    want = asked(__doc__, chapter="08_shm_big_iron", one_by_one=20, at_once=5, moves=5, pace=0.5, server=False)
    if not Path("/proc/self/smaps_rollup").exists():
        sys.exit("This reads /proc/self/smaps_rollup, which only Linux has.")
    how = want.chapter, want.moves, want.pace
    print(f"{want.chapter}, {os.cpu_count()} processors")
    print(f"{'':16}{'n':>4}{'resident':>10}{'own':>10}{'peak MiB':>10}{'chapter':>10}{'processor s':>13}", end="")
    print(f"{'answer':>8}{'p95 ms':>8}")
    if want.one_by_one:
        print(line("one by one", students(want.one_by_one, False, *how)), flush=True)
    if want.at_once:
        together = students(want.at_once, True, *how)
        print(line("at once", together), flush=True)
    if want.server:
        server, bare = server_memory(want.chapter)
        print(f"server {server / MIB:.0f} MiB, a bare kernel in it {bare / MIB:.0f} MiB")
    if want.at_once and want.server:
        each = server + max(one.peak for one in together)
        print(f"a student: {each / MIB:.0f} MiB; on 8 GiB, 1 GiB for the system: {students_on(8 * GIB, each)} students")


if __name__ == "__main__":
    main()
