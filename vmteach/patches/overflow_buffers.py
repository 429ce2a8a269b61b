"""A counter of bytes could wrap at 4 GiB, and a rule elsewhere keeps it from ever getting there.

changelog   9999900_overflow-buffers-1 paranoid check (... so this is a noop but it's safer)
source      fs/buffer.c of 2.4.22 and 2.4.32 (read); that the -aa file equals the mainline fix of 2.4.32 is inferred
unpatched   each list of buffers has a total in bytes, an unsigned long: modulo 2**32 on a 32-bit machine
patched     the total is in sectors of 512 bytes and wraps at 2 TiB; pages and decisions stay the same below 4 GiB
left out    write-back (the disk takes nothing, the worst case), the LOCKED list, the zones' reserves, several writers
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from vmteach.machine import GIB, KIB, MIB, PRESETS, Machine, check_sysctl
from vmteach.run import Control, Run, inputs, one_of

BACKGROUND, SYNCHRONOUS = 30, 60  # per cent of the low pages: nfract and nfract_sync of bdflush
NOTHING, WRITE, WAIT = -1, 0, 1  # what balance_dirty_state answers
LOOKS = 512  # how often at least a run looks at the counter
SECTOR = 512

WAITS, NEVER_WAITS = "wait", "never wait"


@dataclass(frozen=True)
@inputs
class Scenario:
    """A machine full of clean buffers, and a writer that makes one page after the other dirty.

    >>> Scenario(block=3000)
    Traceback (most recent call last):
        ...
    ValueError: block must be one of 512, 1024, 2048, 4096, got 3000
    """

    machine: Machine = PRESETS["32 GB"]
    vm_cache_scan_ratio: int = 6
    writers: str = WAITS  # what they do when balance_dirty_state answers WAIT
    block: int = 4096  # bytes of a buffer

    def __post_init__(self) -> None:
        check_sysctl("vm_cache_scan_ratio", self.vm_cache_scan_ratio)
        one_of("writers", self.writers, (WAITS, NEVER_WAITS))
        one_of("block", self.block, (512, 1024, 2048, 4096))

    @property
    def cache(self) -> int:
        """Pages that hold buffers: nine tenths of RAM (invented), the rest is for the kernel and programs."""
        return self.machine.pages * 9 // 10


@dataclass(frozen=True)
@inputs
class Policy:
    """The unit of the totals: 2**shift bytes. 0 counts bytes, 9 sectors.

    >>> POLICIES[PATCHED].amount(4096)
    8
    """

    shift: int

    def amount(self, size: int) -> int:
        """What one buffer of `size` bytes adds to a total."""
        return size >> self.shift


UNPATCHED, PATCHED = "unpatched (bytes)", "patched (sectors)"
POLICIES: dict[str, Policy] = {
    UNPATCHED: Policy(0),
    PATCHED: Policy(9),
    "what if: pages": Policy(12),
}

_RATIO_WHY_NOT = (
    "The totals change where a buffer changes its list, and the decision reads the totals alone: "
    "how much of the inactive list a reclaim pass looks at is never asked."
)
CONTROLS: tuple[Control, ...] = (
    Control("machine", "machine size", tuple(PRESETS)),
    Control("vm_cache_scan_ratio", "vm_cache_scan_ratio", (1, 2, 3, 6, 10, 20, 60), why_not=_RATIO_WHY_NOT),
    Control("writers", "writers above 60 %", (WAITS, NEVER_WAITS)),
    Control("block", "block size", (512, 1024, 4096), "B"),
)


class Listed(NamedTuple):
    """A total was printed, in KiB, as the SysRq key does; `kib` is the truth."""

    list: str
    kib: int
    printed: int


class Dirtied(NamedTuple):
    """So many pages are dirty in truth; the counter stands at `counter`, which reads as `seen` pages."""

    pages: int
    counter: int
    seen: int
    state: int


class Waited(NamedTuple):
    """The writer was told to wait, and did; with no write-back, for good."""

    pages: int


class Filled(NamedTuple):
    """All the memory for buffers was dirty; nobody had made the writer wait."""

    pages: int


# ---- the kernel's arithmetic ----


def insert_into_lru_list(total: int, size: int, count: int, policy: Policy, word: int = 32) -> int:
    """The total of a list after `count` buffers of `size` bytes came to it: modulo 2**word.

    >>> insert_into_lru_list(0, 4096, 1 << 20, Policy(0)), insert_into_lru_list(0, 4096, 1 << 20, Policy(9))
    (0, 8388608)
    """
    return (total + count * policy.amount(size)) % (1 << word)


def remove_from_lru_list(total: int, size: int, count: int, policy: Policy, word: int = 32) -> int:
    """The total after as many buffers left the list. What wrapped on the way up unwraps on the way down.

    >>> remove_from_lru_list(0, 4096, 1 << 20, Policy(0))
    0
    """
    return (total - count * policy.amount(size)) % (1 << word)


def pages_of(total: int, policy: Policy, page: int = 4096) -> int:
    """The whole pages that a total stands for.

    >>> pages_of(8192, Policy(0)), pages_of(16, Policy(9))
    (2, 2)
    """
    return (total << policy.shift) // page


def nr_free_buffer_pages(machine: Machine) -> int:
    """The pages of DMA and NORMAL: what the limits are shares of, whatever the RAM.

    >>> nr_free_buffer_pages(PRESETS["1 GB"]), nr_free_buffer_pages(PRESETS["64 GB"])
    (229376, 229376)
    """
    return sum(zone.pages for zone in machine.zones if zone.name in ("DMA", "NORMAL"))


def balance_dirty_state(seen: int, tot: int, word: int = 32, may_wait: bool = True) -> int:
    """What is to be done at `seen` dirty pages of `tot`: NOTHING, WRITE in the background, or WAIT.

    `may_wait` is false for a task that may start no I/O (PF_NOIO). The product is an unsigned long too.

    >>> [balance_dirty_state(seen, 229376) for seen in (68812, 68813, 137625, 137626)]
    [-1, 0, 0, 1]
    """
    dirty = seen * 100 % (1 << word)
    if dirty <= tot * BACKGROUND:
        return NOTHING
    return WAIT if dirty > tot * SYNCHRONOUS and may_wait else WRITE


def decision(true: int, tot: int, policy: Policy, word: int = 32, page: int = 4096, may_wait: bool = True) -> int:
    """The answer when `true` bytes are dirty.

    >>> decision(4 * GIB, 229376, POLICIES[UNPATCHED]), decision(4 * GIB, 229376, POLICIES[PATCHED])
    (-1, 1)
    """
    seen = pages_of((true >> policy.shift) % (1 << word), policy, page)
    return balance_dirty_state(seen, tot, word, may_wait)


def disagreements(pages: Iterable[int], tot: int = 229376, word: int = 32) -> Iterator[int]:
    """Those numbers of dirty pages at which the kernels before and after decide differently.

    >>> list(disagreements(range((1 << 20) - 2, (1 << 20) + 2)))
    [1048576, 1048577]
    """
    before, after = POLICIES[UNPATCHED], POLICIES[PATCHED]
    return (n for n in pages if decision(n * 4096, tot, before, word) != decision(n * 4096, tot, after, word))


# ---- a writer without end ----


def simulate(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Run:
    """One writer makes page after page dirty until it is made to wait or all memory for buffers is dirty.

    >>> simulate().events[-1]
    Waited(pages=137626)
    """
    events = (_listed("CLEAN", scenario.cache, scenario, policy), *_write(scenario, policy))
    return Run(scenario, policy, events, _numbers(scenario, policy, events))


def dirtied(pages: int, scenario: Scenario, policy: Policy) -> Dirtied:
    """The counter, and what is made of it, when so many pages are dirty.

    >>> dirtied(1 << 20, Scenario(), POLICIES[UNPATCHED])
    Dirtied(pages=1048576, counter=0, seen=0, state=-1)
    """
    machine = scenario.machine
    counter = _total(pages, scenario, policy)
    seen = pages_of(counter, policy, machine.page)
    state = balance_dirty_state(seen, nr_free_buffer_pages(machine), machine.word)
    return Dirtied(pages, counter, seen, state)


def _total(pages: int, scenario: Scenario, policy: Policy) -> int:
    buffers = pages * scenario.machine.page // scenario.block
    return insert_into_lru_list(0, scenario.block, buffers, policy, scenario.machine.word)


def _listed(name: str, pages: int, scenario: Scenario, policy: Policy) -> Listed:
    """What show_buffers prints of a list."""
    printed = (_total(pages, scenario, policy) << policy.shift) // KIB
    return Listed(name, pages * scenario.machine.page // KIB, printed)


def _write(scenario: Scenario, policy: Policy) -> Iterator[Dirtied | Waited | Filled]:
    def look(pages: int) -> Dirtied:
        return dirtied(pages, scenario, policy)

    now = look(0)
    yield now
    while now.pages < scenario.cache:
        now = _next(now, look, scenario)
        yield now
        if now.state == WAIT and scenario.writers == WAITS:
            yield Waited(now.pages)
            return
    yield Filled(now.pages)


def _next(now: Dirtied, look: Callable[[int], Dirtied], scenario: Scenario) -> Dirtied:
    """The next look: a stride on, or at the very page at which the answer changes.

    A stride is shorter than an eighth of the low pages, so that within one the answer changes once at most.
    """
    stride = max(1, min(scenario.cache // LOOKS, nr_free_buffer_pages(scenario.machine) // 8))
    same, high = now.pages, min(now.pages + stride, scenario.cache)
    if look(high).state == now.state:
        return look(high)
    while high - same > 1:
        middle = (same + high) // 2
        same, high = (middle, high) if look(middle).state == now.state else (same, middle)
    return look(high)


def _numbers(scenario: Scenario, policy: Policy, events: tuple[NamedTuple, ...]) -> dict[str, int | float | str]:
    page = scenario.machine.page
    looks = [event for event in events if isinstance(event, Dirtied)]
    told = next((look.pages for look in looks if look.state == WAIT), None)
    clean = next(event for event in events if isinstance(event, Listed))
    peak = looks[-1]
    return {
        "counter wraps at (GiB)": 2 ** (scenario.machine.word + policy.shift) // GIB,
        "first told to wait (MiB)": "never" if told is None else round(told * page / MIB, 1),
        "dirty at most (MiB)": round(peak.pages * page / MIB, 1),
        "counter at the end": peak.counter,
        "dirty, not seen, at most (MiB)": round(max(look.pages - look.seen for look in looks) * page / MIB, 1),
        "CLEAN printed at the start (MiB)": clean.printed // KIB,
    }
