"""A load of four bytes may touch a byte that nobody asked for, and the next page may not be there.

changelog   00_csum-trail-1 dropped: "Obsoleted (can't trigger anymore)"
source      arch/i386/lib/checksum.S, the P6 routine, in Red Hat's 2.4.18-14 and in 2.4.22 (read, and run beside the
            model), the same text in 2.4.27, 2.4.32 and in later kernels for 32 bits (read); the patch is inferred
unpatched   the prologue looks at bit 1 of the address only: after an odd start every load of four bytes is misaligned
patched     it looks at bits 0 and 1: loads of four bytes are aligned, none crosses a page, the patch has nothing to do
left out    the unrolling of the loop, initial sums, buffers of several pages, other tenants of the slots
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from struct import unpack
from typing import Annotated, NamedTuple

from vmteach.machine import PRESETS, Machine, Sysctl, panel
from vmteach.run import Control, Preset, Run, among, between, inputs, takes_inputs, within

DWORD = 4  # bytes of the widest load
MSS = 1460  # bytes of data in one TCP segment on Ethernet
EMPTY, IN_USE = "empty", "in use"
FILL = 0xEE  # what every byte that is not of the buffer holds, so that a forgotten mask shows in the sum


class Tail(Enum):
    """How the last one to three bytes are loaded."""

    DWORD = "four bytes, masked"
    CHECKED = "four bytes, masked; byte by byte where four would leave the page"
    WORDS = "a word and a byte"
    CAUGHT = "four bytes, masked; a fault is caught, and what is not there reads as zero"


@dataclass(frozen=True)
@inputs
class Scenario:
    """A buffer within one page of the file cache, `behind` bytes before the page's end.

    `neighbour` says whether the mapping slot after the page's own is empty or in use.

    >>> Scenario(length=1459, behind=0).offset
    2637
    >>> Scenario(length=5000)
    Traceback (most recent call last):
        ...
    ValueError: length must be between 0 and 4096 bytes, got 5000
    """

    machine: Machine = PRESETS["4 GB"]
    vm_cache_scan_ratio: Sysctl = 6
    length: int = 7  # bytes
    behind: int = 0  # bytes of the page after the buffer
    neighbour: Annotated[str, among(EMPTY, IN_USE)] = EMPTY

    def __post_init__(self) -> None:
        between("behind", self.behind, 0, self.machine.page - 1, "bytes")
        between("length", self.length, 0, self.machine.page - self.behind, "bytes")

    @property
    def offset(self) -> int:
        """Where in its page the buffer begins."""
        return self.machine.page - self.behind - self.length

    @property
    def highmem(self) -> bool:
        """Whether the page lies in high memory, which the kernel sees through a mapping slot only.

        >>> Scenario(PRESETS["256 MB"]).highmem, Scenario(PRESETS["1 GB"]).highmem
        (False, True)
        """
        return any(zone.name == "HIGHMEM" for zone in self.machine.zones)

    @property
    def next_is_there(self) -> bool:
        """Whether a load from the next virtual page finds memory. In low memory it does: all of it is mapped."""
        return not self.highmem or self.neighbour == IN_USE


@dataclass(frozen=True)
@inputs
class Policy:
    """The bits of the address that the prologue looks at, how the tail is loaded, whether length 0 ends it at once."""

    bits: Annotated[int, within(0b00, 0b11)]
    tail: Tail = Tail.DWORD
    sees_empty: bool = True


UNPATCHED, PATCHED = "unpatched", "patched"
OLD_CHECKED, NEW_CHECKED = "bit 1, checked tail", "bits 0 and 1, checked tail"
ROUTINE_486, TODAY = "486 routine", "today (64 bits)"
POLICIES: dict[str, Policy] = {
    UNPATCHED: Policy(0b10, sees_empty=False),
    OLD_CHECKED: Policy(0b10, Tail.CHECKED, sees_empty=False),
    NEW_CHECKED: Policy(0b11, Tail.CHECKED),
    PATCHED: Policy(0b11),
    "what if: no bit": Policy(0b00),
    "what if: bit 0": Policy(0b01),
    ROUTINE_486: Policy(0b10, Tail.WORDS),
    TODAY: Policy(0b00, Tail.CAUGHT),
}

CONTROLS = (
    *panel(
        ratio="It says how much of the inactive list one reclaim pass looks at. A page that is being sent is held by "
        "its user, and which bytes a load touches follows from its address alone."
    ),
    Control("length", "length of the buffer", (1, 2, 3, 4, 5, 6, 7, 61, 1459, MSS), "B"),
    Control("behind", "bytes left in its page", (0, 1, 2, 3), "B"),
)
TRY = (
    Preset("3 bytes before the edge", {"length": 4, "behind": 3}),
    Preset("a whole packet", {"length": MSS}),
    Preset("one byte less", {"length": MSS - 1}),
)


class Loaded(NamedTuple):
    """`width` bytes from `address` (in the page of the buffer) were loaded, and the first `kept` of them were added."""

    address: int
    width: int
    kept: int


class Faulted(NamedTuple):
    """A load found no page at `address`: the kernel stopped here, with an oops."""

    address: int


class Caught(NamedTuple):
    """A load found no page at `address`: the fault was handled, and the bytes from there on read as zero."""

    address: int


class Summed(NamedTuple):
    """The sum, folded to 16 bits."""

    sum: int


def prologue(address: int, length: int, policy: Policy) -> Iterator[Loaded]:
    """The loads that bring the address to where the loop may begin.

    >>> list(prologue(4091, 5, POLICIES[UNPATCHED])), list(prologue(4091, 5, POLICIES[PATCHED]))
    ([Loaded(address=4091, width=2, kept=2)], [Loaded(address=4091, width=1, kept=1)])
    """
    if length and address & policy.bits & 1:
        yield Loaded(address, 1, 1)
        address, length = address + 1, length - 1
    if (length or not policy.sees_empty) and address & policy.bits & 2:
        width = min(max(length, 1), 2)  # a single byte is loaded as one, and where none is left the older routine too
        yield Loaded(address, width, width)


def tail(address: int, length: int, policy: Policy, page: int = 4096) -> Iterator[Loaded]:
    """The loads of the last `length` bytes, one to three (none, if there are none).

    >>> list(tail(4093, 3, POLICIES[UNPATCHED]))
    [Loaded(address=4093, width=4, kept=3)]
    """
    crosses = address % page + DWORD > page
    if length and policy.tail is Tail.CHECKED and crosses:
        yield from (Loaded(address + i, 1, 1) for i in range(length))
    elif policy.tail is Tail.WORDS:
        if length & 2:
            yield Loaded(address, 2, 2)
        if length & 1:
            yield Loaded(address + (length & 2), 1, 1)
    elif length:
        yield Loaded(address, DWORD, length)


def parts(address: int, length: int, policy: Policy, page: int = 4096) -> tuple[list[Loaded], range, list[Loaded]]:
    """The routine's three parts: the prologue's loads, where the loop loads four bytes at a time, the tail's loads.

    >>> parts(4085, 11, POLICIES[UNPATCHED])[1:]
    (range(4085, 4093, 4), [Loaded(address=4093, width=4, kept=3)])
    """
    first = list(prologue(address, length, policy))
    at, end = address + sum(load.width for load in first), address + length
    rest = max(end - at, 0) % DWORD
    return first, range(at, end - rest, DWORD), list(tail(end - rest, rest, policy, page))


def schedule(address: int, length: int, policy: Policy, page: int = 4096) -> Iterator[Loaded]:
    """All loads of a buffer, in order: the prologue, four bytes at a time, the tail.

    >>> [tuple(load) for load in schedule(4091, 5, POLICIES[PATCHED])]
    [(4091, 1, 1), (4092, 4, 4)]
    """
    first, loop, last = parts(address, length, policy, page)
    yield from (*first, *(Loaded(at, DWORD, DWORD) for at in loop), *last)


def overrun(address: int, length: int, policy: Policy, page: int = 4096) -> int:
    """How many bytes of the next page the loads of a buffer within one page touch.

    Only the tail's last load can leave the buffer: the cost does not grow with the length.

    >>> overrun(4093, 3, POLICIES[UNPATCHED]), overrun(4093, 3, POLICIES[PATCHED])
    (1, 0)
    """
    *_, last = parts(address, length, policy, page)
    return max([0, *(load.address + load.width - page for load in last)])


def overruns(policy: Policy, page: int = 4096) -> list[tuple[int, int]]:
    """All buffers (offset, length) of one page whose loads touch the next page.

    A load reaches three bytes at most past the buffer, so a buffer that ends earlier cannot be one.

    >>> len(overruns(POLICIES[UNPATCHED])), len(overruns(POLICIES[PATCHED]))
    (6141, 0)
    """
    near = ((start, end - start) for end in range(page - 2, page + 1) for start in range(end))
    return [(start, length) for start, length in near if overrun(start, length, policy, page)]


def differing(one: Policy, other: Policy, page: int = 64) -> list[tuple[int, int]]:
    """All buffers (offset, length) of one page for which two policies do not make the same loads.

    Every buffer is tried, load by load. The page is a small one, since the work grows with its cube;
    what matters is that four divides it.

    >>> pairs = (UNPATCHED, OLD_CHECKED), (PATCHED, NEW_CHECKED)
    >>> [len(differing(POLICIES[one], POLICIES[other])) for one, other in pairs]
    [93, 0]
    """
    buffers = [(start, end - start) for end in range(1, page + 1) for start in range(end)]
    return [b for b in buffers if list(schedule(*b, one, page)) != list(schedule(*b, other, page))]


def _carried(total: int) -> int:
    """A sum as a word of 32 bits: what is carried out is added at the low end (adcl), at each load or once for all."""
    while total >> 32:
        total = (total & 0xFFFF_FFFF) + (total >> 32)
    return total


def _roll(value: int) -> int:
    """A word of 32 bits, turned left by one byte (roll $8): the two lanes change places."""
    return ((value << 8) | (value >> 24)) & 0xFFFF_FFFF


def fold(value: int) -> int:
    """A word of 32 bits as one of 16: both halves added, and the carry once more.

    >>> hex(fold(0xFFFF_0002))
    '0x2'
    """
    value = (value & 0xFFFF) + (value >> 16)
    return (value & 0xFFFF) + (value >> 16)


def csum_partial(memory: bytes, address: int, length: int, policy: Policy, page: int = 4096) -> int:
    """The 16-bit ones'-complement sum of the bytes, as the loads of this policy make it.

    Where one byte is consumed first, all others lie in the wrong lane: the first is put into the wrong one
    too, and the sum is turned by a byte at the end. `memory` begins where a page does and holds all that is kept.

    >>> memory = bytes(4093) + b"abc" + b"?"
    >>> hex(csum_partial(memory, 4093, 3, POLICIES[UNPATCHED])), hex(csum_partial(memory, 4093, 3, POLICIES[PATCHED]))
    ('0x62c4', '0x62c4')
    """
    swapped = address & policy.bits & 1
    first, loop, last = parts(address, length, policy, page)
    total = sum(unpack(f"<{len(loop)}I", memory[loop.start : loop.stop]))  # in their lane: one byte before them swaps
    for load in (*first, *last):
        word = int.from_bytes(memory[load.address : load.address + load.width], "little")
        word &= (1 << 8 * load.kept) - 1  # the mask of the tail
        lane = (load.address - address + swapped) % 2
        total += word << 8 * lane
    total = _carried(total)
    return fold(_roll(total) if swapped else total)


def contents(length: int) -> bytes:
    """The bytes of the buffer (invented, always the same).

    >>> contents(3).hex()
    '0b3055'
    """
    period = bytes((37 * i + 11) % 256 for i in range(min(length, 256)))
    return (period * (length // 256 + 1))[:length]


def memory_of(scenario: Scenario) -> bytes:
    """The page with the buffer in it, and the first bytes of the next one.

    >>> memory_of(Scenario(length=3, behind=1))[4091:].hex()
    'ee0b3055eeeeeeee'
    """
    fill = bytes([FILL])
    return fill * scenario.offset + contents(scenario.length) + fill * (scenario.behind + DWORD - 1)


@takes_inputs
def simulate(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Run:
    """The buffer is summed load by load, to its end or to the load that finds no page.

    >>> simulate(Scenario(length=3), POLICIES[UNPATCHED]).events
    (Faulted(address=4096),)
    """
    events = tuple(_sum(scenario, policy))
    return Run(scenario, policy, events, _numbers(scenario, policy, events))


def _sum(scenario: Scenario, policy: Policy) -> Iterator[Loaded | Faulted | Caught | Summed]:
    page = scenario.machine.page
    for load in schedule(scenario.offset, scenario.length, policy, page):
        if load.address + load.width > page and not scenario.next_is_there:
            if policy.tail is not Tail.CAUGHT:
                yield Faulted(page)
                return
            yield Caught(page)
        yield load
    yield Summed(csum_partial(memory_of(scenario), scenario.offset, scenario.length, policy, page))


def _numbers(scenario: Scenario, policy: Policy, events: tuple[NamedTuple, ...]) -> dict[str, int | float | str]:
    page, end = scenario.machine.page, scenario.offset + scenario.length
    loads = list(schedule(scenario.offset, scenario.length, policy, page))
    touched = max((load.address + load.width for load in loads), default=end)
    last = events[-1]
    return {
        "loads": len(loads),
        "bytes touched past the buffer (B)": max(0, touched - end),
        "bytes touched in the next page (B)": max(0, touched - page),
        "oops": "yes" if isinstance(last, Faulted) else "no",
        "sum": f"{last.sum:#06x}" if isinstance(last, Summed) else "none",
    }
