"""The engine beside other people's programs on the same work, in turn, with the same counts asserted.

    python benchmarks/peers.py [--write]

Peers that are not installed are left out. `--write` puts the tables into docs/speed.md.

Work "read": a file of 3 GiB is read, page after page, through a memory of 1 GiB that begins empty. It is the one
trace that a plain LRU and the engine can both play: the engine has no reading of a cached page, so a trace with
hits (copy, then read again) cannot be given to it, and every program must report no hit and 524,288 evictions.

Work "pass": half of the memory is mapped, half is clean, in runs of 1/128 of it. A file of half the memory is
read, 32 pages a request, so that each page is visited once: mapped to the head, clean freed. A page loop in plain
Python and one compiled by numba must end with the engine's counts and its list, page for page.
"""

import functools
import importlib.util
import json
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from page import number, put, table
from paired import Ratio, paired

from vmteach.leap import INACTIVE
from vmteach.lru import Reclaim
from vmteach.machine import Sysctls
from vmteach.pages import Kind, PageRun, PageState, Pte, PteRun, Rules, Setup

GIB = 1 << 18  # pages
HELD, READ = GIB, 3 * GIB  # pages of the work "read"
NEVER = 1 << 62
BATCH = 32
ROUNDS, STARTS = 3, 5


class Counts(NamedTuple):
    """What every program must report alike."""

    hits: int
    evictions: int


# ---- the work "read"


def engine_read() -> Counts:
    model = Reclaim(Setup(shm=0, free=HELD), Rules())
    model.next_second = NEVER
    count = model.run(READ).count
    return Counts(READ - count["copied"], count["frees"])


def ordered_dict(held: int = HELD, requests: Iterable[int] = range(READ)) -> Counts:
    memory: OrderedDict[int, None] = OrderedDict()
    hits = evictions = 0
    for page in requests:
        if page in memory:
            memory.move_to_end(page)
            hits += 1
            continue
        if len(memory) == held:
            memory.popitem(last=False)
            evictions += 1
        memory[page] = None
    return Counts(hits, evictions)


def lru_cache() -> Counts:
    @functools.lru_cache(maxsize=HELD)
    def read(page: int) -> None:
        return None

    for page in range(READ):
        read(page)
    info = read.cache_info()
    return Counts(info.hits, info.misses - info.currsize)


def cachetools_lru() -> Counts:
    from cachetools import LRUCache

    memory: Any = LRUCache(HELD)
    hits = 0
    for page in range(READ):
        if page in memory:
            memory[page]
            hits += 1
        else:
            memory[page] = None
    return Counts(hits, READ - hits - len(memory))


TRACE = Path(tempfile.gettempdir()) / f"vmteach-{READ}.oracleGeneral"


def write_trace() -> None:
    """The file that libcachesim replays; for each request the time, the page, its size, and when it comes again."""
    TRACE.write_bytes(b"".join(struct.pack("<IQIq", page, page + 1, 1, -1) for page in range(READ)))


def libcachesim_replay() -> Counts:
    import libcachesim

    memory = libcachesim.LRU(cache_size=HELD)
    kind = libcachesim.TraceType.ORACLE_GENERAL_TRACE
    reader = libcachesim.TraceReader(str(TRACE), kind, libcachesim.ReaderInitParam(ignore_obj_size=True))
    missed, _ = memory.process_trace(reader)
    hits = round((1 - missed) * READ)
    return Counts(hits, READ - hits - memory.get_n_obj())


def libcachesim_get() -> Counts:
    import libcachesim

    memory, request, hits = libcachesim.LRU(cache_size=HELD), libcachesim.Request(), 0
    request.obj_size = 1
    for page in range(READ):
        request.obj_id = page + 1
        hits += memory.get(request)
    return Counts(hits, READ - hits - memory.get_n_obj())


@cache
def compiled_read() -> Any:
    import numba
    import numpy

    @numba.njit
    def read(held: int, requests: Any) -> tuple[int, int]:
        pages = requests.max() + 1
        present = numpy.zeros(pages, numpy.uint8)
        older, newer = numpy.full(pages, -1, numpy.int32), numpy.full(pages, -1, numpy.int32)
        first, last, length, hits, evictions = -1, -1, 0, 0, 0
        for page in requests:
            if present[page]:
                hits += 1
                if page == last:
                    continue
                before, behind = older[page], newer[page]
                if before < 0:
                    first = behind
                else:
                    newer[before] = behind
                older[behind] = before
            else:
                if length == held:
                    gone, first = first, newer[first]
                    older[first] = -1
                    present[gone] = 0
                    length -= 1
                    evictions += 1
                present[page] = 1
                length += 1
            older[page], newer[page] = last, -1
            if last < 0:
                first = page
            else:
                newer[last] = page
            last = page
        return hits, evictions

    return read


@cache
def as_array(requests: range | tuple[int, ...]) -> Any:
    import numpy

    return numpy.fromiter(requests, numpy.int64)


def numba_read(held: int = HELD, requests: range | tuple[int, ...] = range(READ)) -> Counts:
    return Counts(*compiled_read()(held, as_array(requests)))


# ---- the work "pass"


class Passed(NamedTuple):
    """Visits, pages freed, and the list from its tail."""

    visits: int
    frees: int
    ids: Any


def runs_of(gib: int) -> tuple[int, int]:
    """Pages of shared memory, and pages of a run."""
    return gib * GIB // 2, gib * GIB // 128


def engine_pass(gib: int) -> Reclaim:
    shm, run = runs_of(gib)
    mapped, clean = PageState(Kind.SHM, dirty=True), PageState(Kind.FILE)
    pairs = ((PageRun(k, run, mapped), PageRun(shm + k, run, clean)) for k in range(0, shm, run))
    setup = Setup(
        shm=shm,
        inactive=tuple(part for pair in pairs for part in pair),
        ptes=(PteRun(0, shm, Pte.OLD),),
        sysctls=Sysctls(vm_cache_scan_ratio=1, vm_mapped_ratio=NEVER),  # one pass, and never swap_out
        batch=BATCH,
    )
    model = Reclaim(setup, Rules())
    model.next_second = NEVER
    return model.run(shm)


def engine_passed(gib: int) -> Passed:
    model = engine_pass(gib)
    ids = [page for name in INACTIVE for page in model.queues[name].ids()]
    return Passed(model.count["visits"], model.count["frees"], ids)


def python_pass(gib: int) -> Passed:
    shm, run = runs_of(gib)
    pages: deque[int] = deque()
    for k in range(0, shm, run):
        pages.extend(range(k, k + run))
        pages.extend(range(shm + k, shm + k + run))
    visits = frees = copied = 0
    fresh = 2 * shm
    while copied < shm:
        need = BATCH
        while need:
            page = pages.popleft()
            visits += 1
            if page < shm:
                pages.append(page)
            else:
                frees += 1
                need -= 1
        pages.extend(range(fresh, fresh + BATCH))
        fresh += BATCH
        copied += BATCH
    return Passed(visits, frees, pages)


@cache
def compiled_pass() -> Any:
    import numba
    import numpy

    @numba.njit
    def copy(shm: int, run: int, batch: int) -> tuple[int, int, Any]:
        pages = numpy.empty(2 * shm + shm // batch, numpy.int64)  # a ring: the list, tail first
        head = 0
        for k in range(0, shm, run):
            for page in range(k, k + run):
                pages[head] = page
                head += 1
            for page in range(shm + k, shm + k + run):
                pages[head] = page
                head += 1
        room, tail, length = pages.size, 0, head
        visits, frees, copied, fresh = 0, 0, 0, 2 * shm
        while copied < shm:
            need = batch
            while need:
                page = pages[tail]
                tail = (tail + 1) % room
                visits += 1
                if page < shm:
                    pages[head] = page
                    head = (head + 1) % room
                else:
                    frees += 1
                    need -= 1
                    length -= 1
            for _ in range(batch):
                pages[head] = fresh
                head = (head + 1) % room
                fresh += 1
                length += 1
            copied += batch
        ids = numpy.empty(length, numpy.int64)
        for i in range(length):
            ids[i] = pages[(tail + i) % room]
        return visits, frees, ids

    return copy


def numba_pass(gib: int) -> Passed:
    return Passed(*compiled_pass()(*runs_of(gib), BATCH))


# ---- who there is


class Peer(NamedTuple):
    """A program's name, the package that it needs beside Python, and how it does a work."""

    name: str
    package: str
    work: Callable[..., Any]

    @property
    def missing(self) -> bool:
        return bool(self.package) and importlib.util.find_spec(self.package) is None


READERS = (
    Peer("vmteach, as a plain LRU", "", engine_read),
    Peer("OrderedDict", "", ordered_dict),
    Peer("functools.lru_cache", "", lru_cache),
    Peer("cachetools.LRUCache", "cachetools", cachetools_lru),
    Peer("libcachesim, replay in C++", "libcachesim", libcachesim_replay),
    Peer("libcachesim, a request at a time", "libcachesim", libcachesim_get),
    Peer("numba, linked list", "numba", numba_read),
)
LOOPS = (
    Peer("vmteach", "", engine_pass),
    Peer("Python, deque of pages", "", python_pass),
    Peer("numba, ring of pages", "numba", numba_pass),
)


def present(peers: tuple[Peer, ...]) -> list[Peer]:
    """Those that are installed; a line for each that is not."""
    for peer in peers:
        if peer.missing:
            print(f"{peer.name}: left out; pip install {peer.package}", flush=True)
    return [peer for peer in peers if not peer.missing]


# ---- measuring


class Process(NamedTuple):
    """A whole process: seconds from start to end, and the most memory that it held, MiB."""

    seconds: float
    mib: float


def alone(kind: str, index: int, *arguments: int) -> Process:
    """One program in a process of its own, with its imports and what it has to compile."""
    began = time.perf_counter()
    command = [sys.executable, __file__, "--alone", json.dumps([kind, index, *arguments])]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Process(time.perf_counter() - began, float(said))


def work_alone(told: str) -> None:
    """The child's side: do the work, print the peak of its memory (MiB; Linux only)."""
    kind, index, *arguments = json.loads(told)
    (READERS if kind == "read" else LOOPS)[index].work(*arguments)
    print(peak())


def peak() -> float:
    """The most memory that this process has held, MiB; nan where there is no /proc."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024


def whole(kind: str, peers: list[Peer], everybody: tuple[Peer, ...], *arguments: int) -> dict[str, Process]:
    """The medians of whole processes, taken in turn."""
    rounds = [[alone(kind, everybody.index(peer), *arguments) for peer in peers] for _ in range(STARTS)]
    return {peer.name: Process(*(median(part) for part in zip(*one))) for peer, one in zip(peers, zip(*rounds))}


def cells(ratio: Ratio, own: bool, process: Process) -> list[str]:
    """A row of either table after its name."""
    times = "1" if own else f"{number(ratio.median)} [{number(ratio.low)}-{number(ratio.high)}]"
    return [number(1000 * ratio.a), times, number(process.seconds), f"{process.mib:.0f}"]


def reading() -> tuple[list[str], list[list[str]]]:
    """The table of the work "read"."""
    peers = present(READERS)
    expected = Counts(0, READ - HELD)
    write_trace()
    for peer in peers:
        counts = peer.work()
        assert counts == expected, f"{peer.name} reports {counts}, not {expected}"
    if any(peer.work is numba_read for peer in peers):  # its list is ours: here it must hit, too
        chance = random.Random(2004)
        requests = tuple(min(chance.randrange(400), chance.randrange(400)) for _ in range(20_000))
        assert numba_read(100, requests) == ordered_dict(100, requests)
    processes = whole("read", peers, READERS)
    rows = []
    for peer in peers:
        own = peer.work is engine_read
        rows.append([peer.name, *cells(paired(peer.work, engine_read, ROUNDS), own, processes[peer.name])])
        print("  ".join(rows[-1]), flush=True)
    TRACE.unlink()
    return ["program", "loop, ms", "times the engine's", "process, s", "peak, MiB"], rows


def passing() -> tuple[list[str], list[list[str]]]:
    """The table of the work "pass"."""
    peers = present(LOOPS)
    ours = engine_passed(1)
    for peer in peers[1:]:
        theirs = peer.work(1)
        assert (ours.visits, ours.frees) == theirs[:2], f"{peer.name} counts {theirs[:2]}"
        assert ours.ids == list(theirs.ids), f"{peer.name} ends with another list"
    rows = []
    for gib in (1, 32):
        count, processes = engine_pass(gib).count, whole("pass", peers, LOOPS, gib)
        for peer in peers:
            own = peer.work is engine_pass
            assert own or peer.work(gib)[:2] == (count["visits"], count["frees"])
            ratio = paired(partial(peer.work, gib), partial(engine_pass, gib), ROUNDS)
            rows.append([f"{peer.name}, {gib} GiB", *cells(ratio, own, processes[peer.name])])
            print("  ".join(rows[-1]), flush=True)
    return ["program, memory", "loop, ms", "times the engine's", "process, s", "peak, MiB"], rows


def main(options: list[str]) -> None:
    if options[:1] == ["--alone"]:
        work_alone(options[1])
        return
    tables = {"peers": table(*reading()), "loops": table(*passing())}
    for name, text in tables.items():
        print(f"\n{text}")
        if "--write" in options:
            put(name, text)


if __name__ == "__main__":
    main(sys.argv[1:])
