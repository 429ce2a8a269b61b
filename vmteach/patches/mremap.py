"""One boundary value and one ignored return value corrupt the list of mappings.

changelog   00_mremap-1: "Various mremap fixes"
source      2.4.22 and 2.4.27 mm/mremap.c and mm/mmap.c (read, and run: data/cases); what the -aa file held is
            inferred; 2.4.32 refuses more at the top of user space; today: see vmteach/kernel/mremap_today.py
unpatched   a length of zero may move, and an unmapping that fails inside mremap goes unnoticed
patched     a move of length zero is refused (2.4.24), the failed unmapping is returned (2.4.25)
left out    files, shared mappings, locked memory, huge pages, swap, threads
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, NamedTuple

from vmteach.kernel import mm
from vmteach.kernel.mm import EFAULT, EINVAL, ENOMEM, FIXED, MAYMOVE, AddressSpace, Call, Ignored, Vma
from vmteach.kernel.mmap import do_mmap, do_munmap, get_unmapped_area
from vmteach.kernel.moving import grow_in_place, move_vma
from vmteach.kernel.mremap_today import do_mremap_today
from vmteach.kernel.sound import INVARIANTS, Broke, name_of
from vmteach.machine import PRESETS, Machine, Sysctl, panel
from vmteach.run import Control, Preset, Run, among, inputs, of_kind, takes_inputs, within

DESCRIPTOR_WORDS = 17  # of a vm_area_struct in 2.4: 6 + 4 (tree) + 7
DIED = "nothing: the kernel died"


# What happened, in the past tense; the steps in between are kernel/mm.py's


class Found(NamedTuple):
    """The address space as the call found it: its mappings, and (address, content) of its present pages."""

    vmas: tuple[Vma, ...]
    pages: tuple[tuple[int, str], ...]


class Called(Call):
    """mremap was called with these arguments, in bytes."""


class Returned(NamedTuple):
    """mremap returned an address, or an errno below 0."""

    result: int


class Left(NamedTuple):
    """The address space as the call left it."""

    vmas: tuple[Vma, ...]
    pages: tuple[tuple[int, str], ...]


Event = Found | Called | mm.Step | Returned | Left | Broke


class ZeroLength(StrEnum):
    """When a new length of zero is accepted."""

    ALWAYS = "always"
    IN_PLACE = "in place only"
    NEVER = "never"


class UnmapResult(StrEnum):
    """What mremap does with an error of do_munmap."""

    IGNORED = "ignored"
    RETURNED = "returned"


Procedure = Callable[[AddressSpace, Call, "Policy"], int]


def do_mremap(space: AddressSpace, call: Call, policy: "Policy") -> int:
    """Shrink, grow or move a mapping as 2.4 does; the new address, or an errno below 0.

    >>> space = AddressSpace()
    >>> s = do_mmap(space, 0x10000, 0x4000, "rw-")
    >>> do_mremap(space, Call(s, 0x4000, 0x1000), POLICIES[PATCHED]) == s, space.vmas
    (True, [Vma(start=65536, end=69632, prot='rw-')])
    """
    call = call._replace(old_len=space.align(call.old_len), new_len=space.align(call.new_len))
    if call.flags & ~(MAYMOVE | FIXED) or call.addr % space.page:  # step 1 of the chapter
        return EINVAL
    if call.fixed and (error := clear_target(space, call, policy)):  # step 2
        return error
    if call.old_len >= call.new_len and (answer := shrink(space, call, policy)) is not None:  # step 3
        return answer
    return grow_or_move(space, call)  # steps 4 to 6


def clear_target(space: AddressSpace, call: Call, policy: "Policy") -> int:
    """0 if the place asked for can be had and holds nothing now, else the error.

    Whatever was mapped there is gone, even if the call fails later: invariant I3 has this in mind.
    """
    error = check_target(space, call, policy)
    return error or unmap(space, policy, "clearing the target", call.new_addr, call.new_len)


def shrink(space: AddressSpace, call: Call, policy: "Policy") -> int | None:
    """Unmap what is too much; the answer of the call, None where a move is still to come."""
    start = (call.addr + call.new_len) % space.wrap
    error = unmap(space, policy, "shrinking", start, call.old_len - call.new_len)
    return error or (None if call.elsewhere else call.addr)


def grow_or_move(space: AddressSpace, call: Call) -> int:
    """Grow in place where that is possible, else move where that is allowed; the address, or an errno below 0."""
    vma = space.at(call.addr)  # step 4
    if vma is None or call.old_len > vma.end - call.addr:
        return EFAULT
    whole = call.old_len == vma.end - call.addr and not call.elsewhere
    if whole and grow_in_place(space, vma, call.new_len - call.old_len):  # step 5
        return call.addr
    return move_away(space, vma, call) if call.flags & MAYMOVE else ENOMEM  # step 6


def move_away(space: AddressSpace, vma: Vma, call: Call) -> int:
    """The address that the mapping was moved to, asked for or free, or an errno below 0."""
    target = call.new_addr if call.fixed else get_unmapped_area(space, call.new_len)
    return target if target < 0 else move_vma(space, vma, call._replace(new_addr=target))


def check_target(space: AddressSpace, call: Call, policy: "Policy") -> int:
    """0, or EINVAL if the place asked for is not a place, or overlaps the old one.

    >>> call = Call(0x10000, 0x4000, 0, MAYMOVE | FIXED, 0x40000)
    >>> [check_target(AddressSpace(), call, POLICIES[label]) for label in (UNPATCHED, PATCHED)] == [0, EINVAL]
    True
    """
    addr, old_len, new_len, flags, new_addr = call
    if new_addr % space.page or not flags & MAYMOVE:
        return EINVAL
    if new_len > space.task_size or new_addr > space.task_size - new_len:
        return EINVAL
    if not new_len and policy.zero_length is ZeroLength.IN_PLACE and call.elsewhere:
        return EINVAL
    if new_addr <= addr < new_addr + new_len or addr <= new_addr < (addr + old_len) % space.wrap:
        return EINVAL
    return 0


def unmap(space: AddressSpace, policy: "Policy", step: str, addr: int, length: int) -> int:
    """Unmap, and let the policy say what becomes of an error; that unmapping nothing is EINVAL counts as none.

    `step` is what the unmapping is for, as Ignored has it.
    """
    result = do_munmap(space, addr, length)
    if not result or not length:
        return 0
    if policy.unmap_result is UnmapResult.RETURNED:
        return result
    space.log.append(Ignored(step, result))
    return 0


# What the patch changed


@dataclass(frozen=True)
@inputs
class Policy:
    """What a kernel does with a length of zero and with a failed unmapping; today's has other steps."""

    zero_length: ZeroLength = ZeroLength.ALWAYS
    unmap_result: UnmapResult = UnmapResult.IGNORED
    procedure: Procedure = field(default=do_mremap, repr=False)


UNPATCHED, PATCHED, TODAY = "unpatched", "patched", "today"
POLICIES: dict[str, Policy] = {
    UNPATCHED: Policy(),
    "fix of the unmap result": Policy(unmap_result=UnmapResult.RETURNED),
    "fix of the zero length": Policy(zero_length=ZeroLength.IN_PLACE),
    PATCHED: Policy(ZeroLength.IN_PLACE, UnmapResult.RETURNED),
    TODAY: Policy(ZeroLength.NEVER, UnmapResult.RETURNED, do_mremap_today),  # compared with 6.18.44, x86_64
}


def run_call(space: AddressSpace, call: Call, policy: Policy) -> tuple[Event, ...]:
    """Everything that one call did to `space`, from Found to Left and the invariants it Broke.

    There is no Returned where the kernel died on the way; then only the state itself is judged, not the result.

    >>> shrink = Scenario(call="shrink in the middle")
    >>> [type(event).__name__ for event in run_call(shrink.space, shrink.arguments, POLICIES[PATCHED])]
    ['Found', 'Called', 'Unmapped', 'Returned', 'Left']
    """
    before = space.copy()
    space.log = []
    try:
        result = policy.procedure(space, call, policy)
        returned, asked = [Returned(result)], tuple(INVARIANTS)
    except mm.Stopped:
        returned, asked, result = [], ("I1", "I2", "I5"), 0
    found, left = ((tuple(s.vmas), tuple(sorted(s.pages.items()))) for s in (before, space))
    judged = ((key, INVARIANTS[key](before, call, result, space)) for key in asked)
    broken = (Broke(key, what) for key, what in judged if what)
    return (Found(*found), Called(*call), *space.log, *returned, Left(*left), *broken)


def broken_by(policy: Policy) -> Callable[[AddressSpace, Call], list[Broke]]:
    """A function that makes a call under `policy` and gives what it broke: for kernel/fuzz.py."""
    return lambda space, call: of_kind(run_call(space, call, policy), Broke)


# The calls of the chapter


class Case(NamedTuple):
    """A named call: which mappings stand before it, and its arguments in pages."""

    row: int  # of the table of calls, ROWS in tests/test_mremap.py; 19 is ours
    mappings: str  # names of MAPPINGS
    addr: int
    old: int
    new: int
    flags: int = MAYMOVE | FIXED
    new_addr: int = 0
    border: bool = False  # the target is TASK_SIZE


SOURCE, DEST, FREE = 16, 64, 128  # page numbers: where s and d stand, and a free place
MAPPINGS = {"s": (SOURCE, 4, "rw-"), "d": (DEST, 8, "r--")}  # where it stands, its pages, its rights
CASES: dict[str, Case] = {
    "move nothing": Case(1, "s", SOURCE, 0, 0, new_addr=DEST),
    "move nothing to the border": Case(2, "s", SOURCE, 0, 0, border=True),
    "move 4 pages as none": Case(3, "s", SOURCE, 4, 0, new_addr=DEST),
    "empty onto itself": Case(4, "s", SOURCE, 4, 0, new_addr=SOURCE),
    "nothing onto itself": Case(5, "s", SOURCE, 0, 0, new_addr=SOURCE),
    "empty in place": Case(6, "s", SOURCE, 4, 0, 0),
    "shrink": Case(7, "s", SOURCE, 4, 1, 0),
    "move": Case(8, "s", SOURCE, 4, 4, new_addr=DEST),
    "duplicate": Case(9, "s", SOURCE, 0, 4, MAYMOVE),
    "move into a mapping": Case(10, "sd", SOURCE, 1, 1, new_addr=DEST + 4),
    "shrink in the middle": Case(13, "d", DEST, 4, 2, 0),
    "cut and move": Case(15, "d", DEST, 4, 2, new_addr=FREE),
    "move out of the middle": Case(16, "d", DEST + 4, 1, 1, new_addr=FREE),
    "shrink and move": Case(18, "s", SOURCE, 4, 2, new_addr=DEST),
    "move from nowhere": Case(19, "d", SOURCE, 1, 1, new_addr=DEST),
}


@dataclass(frozen=True)
@inputs
class Scenario:
    """One call of the list, in an address space with `below_limit` mappings still to be had."""

    machine: Machine = PRESETS["1 GB"]
    vm_cache_scan_ratio: Sysctl = 6
    call: Annotated[str, among(*CASES)] = "move into a mapping"
    below_limit: Annotated[int, within(0, mm.MAX_MAP_COUNT, "mappings")] = 0
    descriptors: Annotated[int, within(0, mm.PLENTY)] = mm.PLENTY  # that memory still has room for

    @property
    def space(self) -> AddressSpace:
        """The address space before the call: s is rw-, d is r--, every page of them present. A new one each time.

        >>> [(hex(vma.start), vma.prot) for vma in Scenario(call="move into a mapping").space.vmas]
        [('0x10000', 'rw-'), ('0x40000', 'r--')]
        """
        case, machine = CASES[self.call], self.machine
        space = AddressSpace(machine.page, machine.task_size)
        for name in case.mappings:
            at, pages, prot = MAPPINGS[name]
            do_mmap(space, at * machine.page, pages * machine.page, prot, fill=name)
        space.limit = space.map_count + self.below_limit
        space.descriptors = self.descriptors
        return space

    @property
    def arguments(self) -> Call:
        """The arguments of the call, in bytes.

        >>> Scenario(call="shrink").arguments
        Call(addr=65536, old_len=16384, new_len=4096, flags=0, new_addr=0)
        """
        case, page = CASES[self.call], self.machine.page
        target = self.machine.task_size if case.border else case.new_addr * page
        return Call(case.addr * page, case.old * page, case.new * page, case.flags, target)


@takes_inputs
def simulate(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Run:
    """What the call did, step by step, and which invariants it broke.

    >>> simulate(policy=POLICIES[UNPATCHED]).numbers["broken"]
    'I2, I5'
    >>> simulate(policy=POLICIES[PATCHED]).numbers["returned"]
    'ENOMEM'
    """
    space = scenario.space
    events = run_call(space, scenario.arguments, policy)
    machine = scenario.machine
    lowmem = sum(zone.pages for zone in machine.zones if zone.name != "HIGHMEM") * machine.page
    descriptors = mm.MAX_MAP_COUNT * DESCRIPTOR_WORDS * machine.word // 8  # of a full list, in bytes
    both = sum(max(0, min(a.end, b.end) - b.start) for a, b in pairwise(space.vmas))
    numbers = {
        "returned": next((name_of(returned.result) for returned in of_kind(events, Returned)), DIED),
        "broken": ", ".join(broke.invariant for broke in of_kind(events, Broke)) or "none",
        "assertion": "yes" if of_kind(events, mm.Asserted) else "no",
        "mappings": space.map_count,
        "bytes in two mappings (B)": both,
        "orphan pages": sum(space.at(addr) is None for addr in space.pages),
        "ignored errors": len(of_kind(events, Ignored)),
        "descriptors of 65536 mappings (% of lowmem)": round(100 * descriptors / lowmem, 2),
    }
    return Run(scenario, policy, events, numbers)


CONTROLS = (
    *panel(
        ratio="Nothing is reclaimed, because mremap moves page-table entries and not pages; no list is scanned. Only "
        "the search for a descriptor's memory could scan: that delays the result, no more."
    ),
    Control(
        "call",
        "call",
        (
            "move nothing",
            "move 4 pages as none",
            "move",
            "move into a mapping",
            "shrink in the middle",
            "cut and move",
            "move out of the middle",
            "shrink and move",
        ),
    ),
    Control("below_limit", "room for more mappings", (0, 1, 2, 4, 5, 6, 8)),
)
TRY = (
    Preset("full list", {}),
    Preset("room for 8", {"below_limit": 8}),
    Preset("length of zero", {"call": "move nothing", "below_limit": 8}),
    Preset("move out of the middle", {"call": "move out of the middle"}),
)
