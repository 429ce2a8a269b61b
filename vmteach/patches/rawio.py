"""Half of the pages: a list of pinned pages came back short, and its reader walked it to the end.

changelog   00_rawio-crash-1: "Handle partial get_user_pages correctly"
source      2.4.22 mm/memory.c get_user_pages() and map_user_kiobuf(), fs/iobuf.c, mm/filemap.c, fs/nfs/direct.c
            (read; run, with 2.4.27 and 2.4.32: data/cases); the patch was not found, so that how it handles a short
            list is inferred
unpatched   only a negative result is an error; a short list is used as if it were full
patched     strict: the pages are released and the call fails; or short: the length is cut (both inferred)
left out    the disk, vectors of several kiobufs, pages of finished chunks that go to swap
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from vmteach.kernel.reclaim import Kind, PageRun, PageState, Reclaim, Setup
from vmteach.machine import KIB, PRESETS, Machine, Sysctl, Sysctls, panel
from vmteach.run import Control, Preset, Run, among, between, inputs, of_kind, takes_inputs, within

CHUNK = 512 * KIB  # bytes of one kiobuf: a longer request is split
UNITS = {"raw device": 512, "O_DIRECT file": 4096, "O_DIRECT over NFS": 8192}  # bytes: sector, block, rsize
LISTS_SHARE = 4  # 1/4 of RAM is on the lists: half of it pinned, at the tail, and half clean
FREE_SHARE = 1024  # 1/1024 of RAM is free when the call begins


@dataclass(frozen=True)
@inputs
class Scenario:
    """A raw read into a buffer whose pages are not in memory yet: each one must be got first.

    >>> Scenario(length_kib=0)
    Traceback (most recent call last):
        ...
    ValueError: length_kib must be between 1 and 1048576 KiB, got 0
    """

    machine: Machine = PRESETS["256 MB"]
    vm_cache_scan_ratio: Sysctl = 6
    length_kib: Annotated[int, within(1, 1 << 20, "KiB")] = 1024  # of the buffer and of the read
    limit_kib: Annotated[int, within(0, 1 << 30, "KiB")] = 768  # what the tmpfs of the buffer may still grow by
    va: int = 0x4000_0000  # where the buffer begins
    consumer: Annotated[str, among(*UNITS)] = "raw device"  # who uses the list of pages
    vm_passes: Sysctl = 6  # the kernel's default is 60: a caller that gives up sooner

    def __post_init__(self) -> None:
        between("va", self.va, 0, self.machine.task_size)
        if self.va % self.machine.page:
            raise ValueError(f"va must be a multiple of the page ({self.machine.page}), got {self.va:#x}")

    @property
    def flush_real(self) -> bool:
        """Whether flushing touches the page's descriptor: on i386 it is empty, on the 64-bit machine (ia64) not."""
        return self.machine.word == 64


@dataclass(frozen=True)
@inputs
class Policy:
    """What is done with a list of pinned pages that is shorter than wanted."""

    refuses: bool = False  # release the pages, fail
    error: str = "ENOMEM"  # ... with this
    walks_all: bool = True  # flush as many pointers as were wanted, not as were got
    cuts_length: bool = False  # the length becomes what the pages cover


UNPATCHED, PATCHED, SHORT = "unpatched", "patched (strict)", "patched (short)"
POLICIES: dict[str, Policy] = {
    UNPATCHED: Policy(),
    PATCHED: Policy(refuses=True),
    SHORT: Policy(walks_all=False, cuts_length=True),
    "what if: strict, EFAULT": Policy(refuses=True, error="EFAULT"),
    "what if: walk less, keep the length": Policy(walks_all=False),
}

CONTROLS = (
    *panel(),
    Control("limit_kib", "room in the tmpfs", (0, 256, 512, 640, 768, 1024, 65536), "KiB"),
    Control("length_kib", "length of the read", (64, 512, 1024, 4096, 16384), "KiB"),
)
TRY = (
    Preset("half there", {}),
    Preset("room enough", {"limit_kib": 65536}),
    Preset("64-bit, real flush", {"machine": "64-bit 64 GB"}),
)


class Supply:
    """Pages for the buffer: room in the tmpfs, free memory, and what reclaim frees.

    >>> Supply(Scenario(limit_kib=4)).get(), Supply(Scenario(limit_kib=0)).get()
    ('', 'EFAULT')
    """

    def __init__(self, scenario: Scenario) -> None:
        machine = scenario.machine
        lists = machine.pages // LISTS_SHARE
        pinned = PageRun(0, lists // 2, PageState(Kind.FILE, pinned=True))
        clean = PageRun(lists // 2, lists - lists // 2, PageState(Kind.FILE))
        sysctls = Sysctls(vm_cache_scan_ratio=scenario.vm_cache_scan_ratio, vm_passes=scenario.vm_passes)
        self.engine = Reclaim(Setup(shm=0, inactive=(pinned, clean), sysctls=sysctls))
        self.next, self.page, self.end = scenario.va, machine.page, machine.task_size
        self.room = scenario.limit_kib * KIB // machine.page
        self.free = machine.pages // FREE_SHARE

    def get(self) -> str:
        """The next page of the buffer: empty if it was got, else the error, as handle_mm_fault gives it.

        EFAULT beyond the file or the address space; ENOMEM where nothing is free and reclaim frees nothing either.
        """
        if not self.room or self.next >= self.end:
            return "EFAULT"
        if not self.free:
            self.free = self.engine.reclaim()
        if not self.free:
            return "ENOMEM"
        self.next += self.page
        self.room -= 1
        self.free -= 1
        return ""


class Pinned(NamedTuple):
    """Pages were pinned for one chunk: how many were wanted and got, and why it stopped ("" if it did not)."""

    chunk: int
    wanted: int
    got: int
    error: str


class Flushed(NamedTuple):
    """Pointers were walked: how many, and how many of them were never set for this chunk."""

    chunk: int
    walked: int
    stale: int


class Released(NamedTuple):
    """Pages were let go."""

    chunk: int
    pages: int


class Mapped(NamedTuple):
    """The chunk's buffer was passed on: its length as recorded, and the bytes that its pages cover."""

    chunk: int
    length: int
    covered: int


class Moved(NamedTuple):
    """The consumer moved so many bytes of the chunk, and reported them, or an error if there are none."""

    chunk: int
    moved: int
    error: str


class Failed(NamedTuple):
    """The chunk ended with an error, or with a wild access of the kernel."""

    chunk: int
    error: str


WILD = "wild access"
BAD_FRAME = "no page frame"  # as the error of one page: all that were got before it are released
Event = Pinned | Flushed | Released | Mapped | Moved | Failed


def pages_wanted(va: int, length: int, page: int) -> int:
    """Pages that the buffer touches.

    >>> pages_wanted(0x1200, 0x2000, 4096), pages_wanted(0x1FFF, 1, 4096)
    (3, 1)
    """
    return -(-(va + length) // page) - va // page


def get_user_pages(wanted: int, get: Callable[[], str]) -> tuple[int, str]:
    """Pages got, and the error that stopped it; the caller hears of the error only where no page was got.

    >>> get_user_pages(4, iter(["", "", "ENOMEM"]).__next__)
    (2, 'ENOMEM')
    """
    for got in range(wanted):
        error = get()
        if error == BAD_FRAME:
            return 0, "EFAULT"
        if error:
            return got, error
    return wanted, ""


def map_user_kiobuf(
    va: int, length: int, page: int, get: Callable[[], str], policy: Policy, flush_real: bool = False
) -> tuple[Event, ...]:
    """What happens to one chunk (here the first), from the pinning to the hand-over or the failure.

    >>> got = iter(["", "", "", "ENOMEM"])
    >>> map_user_kiobuf(0x1000, 0x4000, 4096, got.__next__, POLICIES[PATCHED])[-1]
    Failed(chunk=1, error='ENOMEM')
    """
    wanted = pages_wanted(va, length, page)
    got, error = get_user_pages(wanted, get)
    pinned = Pinned(1, wanted, got, error)
    if not got:
        return pinned, Failed(1, error)
    if got < wanted and policy.refuses:
        return pinned, Released(1, got), Failed(1, policy.error)
    walked = wanted if policy.walks_all else got
    flushed = Flushed(1, walked, walked - got)
    if flush_real and flushed.stale:
        return pinned, flushed, Failed(1, WILD)
    covered = min(length, got * page - va % page)
    return pinned, flushed, Mapped(1, covered if policy.cuts_length else length, covered), Released(1, got)


def moved(consumer: str, length: int, covered: int, unit: int = 0) -> tuple[int, str]:
    """Bytes of a chunk that a consumer moves, in whole units, and its error where there are none.

    NFS asks for rsize bytes at a time, and stops with EFAULT at the first request whose pages are not all there.

    >>> moved("raw device", 8192, 4096), moved("O_DIRECT over NFS", 8192, 4096), moved("raw device", 8192, 0x200)
    ((4096, ''), (0, 'EFAULT'), (512, ''))
    """
    unit = unit or UNITS[consumer]
    over_nfs = consumer == "O_DIRECT over NFS"
    done = length if over_nfs and covered == length else covered // unit * unit
    return done, "EFAULT" if over_nfs and not done else ""


@takes_inputs
def simulate(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Run:
    """The whole read, chunk by chunk, up to the first that is not moved in full.

    >>> [simulate(policy=POLICIES[label]).numbers["bytes recorded (B)"] for label in (UNPATCHED, PATCHED, SHORT)]
    [1048576, 524288, 786432]
    >>> simulate().numbers["last chunk"], simulate().numbers["read returns"]
    ('ENOMEM', '524,288 B')
    """
    machine, supply = scenario.machine, Supply(scenario)
    events: list[Event] = []
    total = scenario.length_kib * KIB
    for done in range(0, total, CHUNK):
        length, chunk = min(CHUNK, total - done), done // CHUNK + 1
        happened = map_user_kiobuf(scenario.va + done, length, machine.page, supply.get, policy, scenario.flush_real)
        events += [event._replace(chunk=chunk) for event in happened]
        mapped = next((e for e in events if isinstance(e, Mapped) and e.chunk == chunk), None)
        if mapped:
            events.append(Moved(chunk, *moved(scenario.consumer, mapped.length, mapped.covered)))
        if not mapped or mapped.covered < length:
            break
    return Run(scenario, policy, tuple(events), _numbers(tuple(events), supply))


def _numbers(events: tuple[Event, ...], supply: Supply) -> dict[str, int | str]:
    def total(kind: type[object], field: str) -> int:
        return sum(getattr(event, field) for event in of_kind(events, kind))

    error = next((event.error for event in events if isinstance(event, Failed | Moved) and event.error), "")
    done = total(Moved, "moved")  # the reader hears of bytes if any were moved; a kernel that died says nothing else
    return {
        "pages wanted": total(Pinned, "wanted"),
        "pages got": total(Pinned, "got"),
        "pointers walked": total(Flushed, "walked"),
        "stale pointers walked": total(Flushed, "stale"),
        "bytes recorded (B)": total(Mapped, "length"),
        "bytes covered (B)": total(Mapped, "covered"),
        "last chunk": error or "success",
        "read returns": error if error and (error == WILD or not done) else f"{done:,} B",
        "pages never released": total(Pinned, "got") - total(Released, "pages"),
        "pages visited by reclaim": supply.engine.count["visits"],
    }
