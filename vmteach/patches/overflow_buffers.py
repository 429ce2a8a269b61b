"""A counter of bytes wraps at 4 GiB, and whether it ever gets there depends on a limit that stands in another file.

changelog   9999900_overflow-buffers-1 paranoid check (... so this is a noop but it's safer)
source      2.4.22, 2.4.27, 2.4.32 (READ, and RUN: docs/cases.md); that 2.4.23aa2 has the limit of 2.4.27 and the
            counter of 2.4.32 is INFERRED: 2.4.23-pre5, 2.4.23aa3 and 2.4.27 have that limit
unpatched   each list of buffers has a total in bytes, an unsigned long: modulo 2**32 on a 32-bit machine
patched     the total is in sectors of 512 bytes and wraps at 2 TiB
left out    write-back (the disk takes nothing, the worst case), reclaim, the other lists, several writers
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Annotated, NamedTuple

from vmteach.kernel.zones import DEVICE, FILE, Memory, Start, after, marks, phases, take
from vmteach.machine import GIB, MIB, PRESETS, Machine, Sysctl, panel
from vmteach.run import Control, Preset, Run, among, inputs, of_kind, takes_inputs, within

NOTHING, WRITE, WAIT = -1, 0, 1  # what balance_dirty_state answers
KERNEL = 24 * MIB  # low memory of the kernel itself and its tables, at most an eighth of RAM (invented)


class Shares(NamedTuple):
    """Per cent of what the guard counts: nfract, nfract_sync and nfract_stop of bdflush."""

    background: int = 30
    wait: int = 60
    stop: int = 20


DEFAULT = Shares()


class Guard(NamedTuple):
    """How often nr_free_buffer_pages counts each page of a kind: the limits are 30 and 60 % of the sum."""

    size: int = 0  # pages of NORMAL and DMA above their marks, free or not
    cache: int = 0  # pages of cache in NORMAL and DMA
    normal: int = 0  # free pages of NORMAL above its mark
    dma: int = 0  # free pages of DMA above its mark
    high: int = 0  # free pages of HIGHMEM
    below: int = 0  # pages that a zone lacks to its mark are taken off


GUARDS: dict[str, Guard] = {
    "2.4.22": Guard(size=1),
    "2.4.23-pre4": Guard(cache=1, normal=1, dma=1, below=1),
    "2.4.23 to 2.4.29": Guard(cache=1, normal=1, dma=1, high=1),
    "2.4.30 to 2.4.37": Guard(cache=1, normal=2, dma=1),
}


@dataclass(frozen=True)
@inputs
class Policy:
    """Which text of nr_free_buffer_pages sets the limit, and the unit of the totals: 2**shift bytes.

    >>> POLICIES[PATCHED].amount(4096)
    8
    """

    guard: Guard = GUARDS["2.4.23 to 2.4.29"]
    shift: Annotated[int, within(0, 12, "(a page has 2**12 bytes)")] = 0  # 0 counts bytes, 9 sectors
    reserve: bool = True  # a zone keeps a share of the zones above it for those who cannot use them

    def amount(self, size: int) -> int:
        """What one buffer of `size` bytes adds to a total."""
        return size >> self.shift


UNPATCHED, PATCHED = "unpatched (bytes)", "patched (sectors)"
POLICIES: dict[str, Policy] = {
    UNPATCHED: Policy(),
    PATCHED: Policy(shift=9),
    "2.4.22 (bytes)": Policy(GUARDS["2.4.22"], reserve=False),
    "2.4.30 (bytes)": Policy(GUARDS["2.4.30 to 2.4.37"]),
    "2.4.32 (sectors)": Policy(GUARDS["2.4.30 to 2.4.37"], 9),
    "2.4.23-pre4 (bytes)": Policy(GUARDS["2.4.23-pre4"]),
    "what if: 2.4.22 with sectors": Policy(GUARDS["2.4.22"], 9, False),
    "what if: 2.4.23-pre4 with sectors": Policy(GUARDS["2.4.23-pre4"], 9),
}


@dataclass(frozen=True)
@inputs
class Scenario:
    """A machine with free memory, and a writer that makes one page after the other dirty. The disk takes nothing.

    >>> Scenario(PRESETS["8 GB"]).start.memory.high * 4096 / GIB
    7.125
    """

    machine: Machine = PRESETS["16 GB"]
    vm_cache_scan_ratio: Sysctl = 6
    free_high: Annotated[int, within(0, 64, "GiB")] = 64  # of HIGHMEM that are free, or as much of it as there is
    writer: Annotated[str, among(FILE, DEVICE)] = FILE

    @property
    def start(self) -> Start:
        """Low memory is free but for the page descriptors and the kernel itself."""
        machine = self.machine
        sizes = {zone.name: zone.pages for zone in machine.zones}
        taken = (machine.mem_map + min(KERNEL, machine.ram // 8)) // machine.page
        dma = min(sizes["DMA"], 3600)  # what boot leaves of 16 MiB (invented)
        normal = max(0, sizes.get("NORMAL", 0) - taken)
        high = min(int(self.free_high * GIB) // machine.page, sizes.get("HIGHMEM", 0))
        return Start(machine, Memory(dma, normal, high), self.writer)


CONTROLS = (
    *panel(
        ratio="The totals change where a buffer changes its list, and the limit counts pages by zone: "
        "how much of the inactive list a reclaim pass scans is never asked."
    ),
    Control("free_high", "free HIGHMEM, at most", (0, 1, 2, 4, 6, 8, 10, 11, 12, 14, 16, 18, 24, 32, 64), "GiB"),
    Control("writer", "what is written", (FILE, DEVICE)),
)
TRY = (
    Preset("32 GB, just started", {"machine": "32 GB"}),
    Preset("16 GB, after a day", {"free_high": 0}),
    Preset("device on 8 GB", {"machine": "8 GB", "writer": DEVICE}),
)


class Asked(NamedTuple):
    """`pages` are dirty, the counter reads as `seen`, the guard counts `limit`; balance_dirty_state gives `answer`."""

    pages: int
    seen: int
    limit: int
    answer: int
    memory: Memory


class Wrapped(NamedTuple):
    """The counter has passed its largest value and stands at 0."""

    pages: int


class Waited(NamedTuple):
    """The writer has to wait until the disk has written."""

    pages: int


class Ended(NamedTuple):
    """The writer never had to wait. No page was left for data, or none for buffer heads: reclaim would begin."""

    pages: int
    lacks: str  # "memory" or "lowmem"
    memory: Memory  # without the page that found no heads


def insert_into_lru_list(total: int, size: int, count: int, policy: Policy, word: int = 32) -> int:
    """The total of a list after `count` buffers of `size` bytes came to it: modulo 2**word.

    A negative count takes them out again: what wrapped on the way up unwraps on the way down.

    >>> insert_into_lru_list(0, 4096, 1 << 20, Policy()), insert_into_lru_list(0, 4096, 1 << 20, Policy(shift=9))
    (0, 8388608)
    """
    return (total + count * policy.amount(size)) % (1 << word)


def pages_of(total: int, policy: Policy, page: int = 4096) -> int:
    """The whole pages that a total stands for.

    >>> pages_of(8192, Policy()), pages_of(16, Policy(shift=9))
    (2, 2)
    """
    return (total << policy.shift) // page


def nr_free_buffer_pages(memory: Memory, guard: Guard, machine: Machine) -> int:
    """Pages that a guard counts: the limits are 30 and 60 % of them. An unsigned long.

    A machine without a zone NORMAL has DMA in its place.

    >>> start = Scenario(PRESETS["8 GB"]).start
    >>> [nr_free_buffer_pages(start.memory, guard, start.machine) for guard in GUARDS.values()]
    [228515, 196419, 2064195, 390214]
    """
    of_normal, of_dma, size = marks(machine)
    normal, dma = memory.normal - of_normal, memory.dma - of_dma
    if not guard.below:
        normal, dma = max(0, normal), max(0, dma)
    if len(machine.zones) == 1:
        normal, dma = dma, 0
    counted = zip(guard, (size, memory.cache, normal, dma, memory.high))
    return sum(times * pages for times, pages in counted) % (1 << machine.word)


def balance_dirty_state(seen: int, tot: int, word: int = 32, may_wait: bool = True, shares: Shares = DEFAULT) -> int:
    """What is to be done at `seen` dirty pages and a count of `tot`: NOTHING, WRITE in the background, or WAIT.

    `may_wait` is false for a task that may start no I/O (PF_NOIO). The products are unsigned longs too.

    >>> [balance_dirty_state(seen, 228515) for seen in (68554, 68555, 137109, 137110)]
    [-1, 0, 0, 1]
    """
    dirty, soft, hard = (value % (1 << word) for value in (seen * 100, tot * shares.background, tot * shares.wait))
    if dirty <= soft:
        return NOTHING
    return WAIT if dirty > hard and may_wait else WRITE


def bdflush_stop(seen: int, tot: int, word: int = 32, shares: Shares = DEFAULT) -> bool:
    """Whether background writing may stop: 20 % of the count or less is dirty.

    >>> bdflush_stop(200, 1000), bdflush_stop(201, 1000)
    (True, False)
    """
    return seen * 100 % (1 << word) <= tot * shares.stop % (1 << word)


class Writer:
    """What the kernel knows and decides when a writer has made so many pages dirty: a function of their number.

    >>> writer = Writer(Scenario().start, POLICIES[UNPATCHED])
    >>> writer.wrap, writer.seen(writer.wrap - 1), writer.seen(writer.wrap)
    (1048576, 1048575, 0)
    """

    def __init__(self, start: Start, policy: Policy) -> None:
        self.start, self.policy = start, policy
        self.phases, self.lacks = phases(start, policy.reserve)
        self.most = self.phases[-1].dirty
        self.wrap = (1 << start.machine.word + policy.shift) // start.machine.page  # pages at which the counter is 0
        self.wraps = range(self.wrap, self.most + 1, self.wrap)

    def memory(self, pages: int) -> Memory:
        """What is left in each zone."""
        now = self.phases[bisect_right(self.phases, pages, key=lambda phase: phase.dirty) - 1]
        return after(now, self.start, pages - now.dirty)[0]

    def seen(self, pages: int) -> int:
        """What the counter shows, in pages, as balance_dirty_state reads it."""
        machine, block = self.start.machine, self.start.block
        total = insert_into_lru_list(0, block, pages * machine.page // block, self.policy, machine.word)
        return pages_of(total, self.policy, machine.page)

    def limit(self, pages: int) -> int:
        """What the guard counts, in pages: nr_free_buffer_pages, asked anew at each write."""
        return nr_free_buffer_pages(self.memory(pages), self.policy.guard, self.start.machine)

    def answer(self, pages: int) -> int:
        """What balance_dirty_state gives: NOTHING, WRITE or WAIT."""
        return balance_dirty_state(self.seen(pages), self.limit(pages), self.start.machine.word)

    def ends(self) -> list[int]:
        """The numbers of dirty pages at which a zone gives out, the counter is about to wrap or wraps, or all ends."""
        return sorted({phase.dirty for phase in self.phases} | {at + d for at in self.wraps for d in (-1, 0)})

    def changes(self) -> Iterator[int]:
        """The first number of dirty pages with each new answer, in order.

        Between two places where a zone gives out, the counter wraps or the limit does, the counter grows faster
        than the share of the limit: the answer only rises there.
        """
        answer, wrapped = cache(self.answer), cache(self._below)
        for low, high in pairwise(self.ends()):
            below = _changes(wrapped, low, high) if self.policy.guard.below else []
            for first, last in pairwise([low, *(at + d for at in below for d in (-1, 0)), high]):
                yield from _changes(answer, first, last)

    def _below(self, pages: int) -> int:
        """1 where what the guard takes off is more than what it counts, so that its sum has wrapped."""
        return self.limit(pages) >> self.start.machine.word - 1


def _changes(value: Callable[[int], int], low: int, high: int) -> list[int]:
    """Where a value that only rises (or only falls) changes after `low`, up to `high`.

    >>> _changes(lambda n: n * n // 50, 0, 10)
    [8, 10]
    """
    if low >= high or value(low) == value(high):
        return []
    if high - low == 1:
        return [high]
    middle = (low + high) // 2
    return _changes(value, low, middle) + _changes(value, middle, high)


@takes_inputs
def simulate(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Run:
    """One writer makes page after page dirty until it is told to wait or nothing is left.

    >>> simulate().events[-1]
    Waited(pages=1536881)
    """
    writer = Writer(scenario.start, policy)
    happened = tuple(events(writer))
    return Run(scenario, policy, happened, _numbers(writer, happened))


def events(writer: Writer) -> Iterator[Asked | Wrapped | Waited | Ended]:
    """Every change of the answer, every wrap and every zone that gives out, up to the first wait.

    >>> [type(event).__name__ for event in events(Writer(Scenario(PRESETS["256 MB"]).start, POLICIES[PATCHED]))]
    ['Asked', 'Asked', 'Asked', 'Waited']
    """
    for pages in sorted({*writer.changes(), *writer.ends()}):
        if pages in writer.wraps:
            yield Wrapped(pages)
        asked = Asked(pages, writer.seen(pages), writer.limit(pages), writer.answer(pages), writer.memory(pages))
        yield asked
        if asked.answer == WAIT:
            yield Waited(pages)
            return
    last = writer.phases[-1]
    yield Ended(writer.most, writer.lacks, take(last.memory, last.data, 1))


def first(run: Run, answer: int) -> int | None:
    """The number of dirty pages at which an answer was first given, or None.

    >>> first(simulate(), WRITE)
    949164
    """
    return next((asked.pages for asked in of_kind(run.events, Asked) if asked.answer == answer), None)


def _numbers(writer: Writer, events: tuple[NamedTuple, ...]) -> dict[str, int | float | str]:
    asked = of_kind(events, Asked)

    def gib(pages: int) -> float:
        amount = pages * writer.start.machine.page / GIB
        return round(amount, 2 if amount >= 0.1 else 4)

    def at(answer: int) -> float | str:
        return next((gib(event.pages) for event in asked if event.answer == answer), "never")

    return {
        "background writing from (GiB)": at(WRITE),
        "told to wait from (GiB)": at(WAIT),
        "dirty at the end (GiB)": gib(asked[-1].pages),
        "not seen at the end (GiB)": gib(asked[-1].pages - asked[-1].seen),
    }
