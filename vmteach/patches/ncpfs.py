"""A file name is copied into an array on the kernel's stack that is as long as the caller likes.

changelog   00_ncpfs-1: Limit dentry name length (from Andi)
source      before: fs/ncpfs/dir.c of 2.4.22 (read); mainline's fix in 2.4.25 (read); Andi's text was not found: a test
            of the length in front of the arrays is what the entry's one line says (inferred)
unpatched   the array has the length of the name and one byte more; a name may have 4095 bytes, and rename takes two
patched     a name of more than 255 bytes is refused (ENAMETOOLONG) before there is any array
left out    alignment of frames, interrupts that arrive on the same stack, what the overwritten bytes then do
"""

from dataclasses import dataclass
from typing import NamedTuple

from vmteach.machine import PRESETS, Machine, check_sysctl
from vmteach.run import Control, Run, between, inputs, one_of

NAME_MAX = 255  # bytes of a name that other file systems take
PATH_MAX = 4096  # bytes of a path with its end mark: no name is longer than 4095
ENAMETOOLONG = "ENAMETOOLONG"
NAMES = {"lookup": 1, "create": 1, "mkdir": 1, "rmdir": 1, "rename": 2}  # name arrays of each operation


# ---- what goes in ----


@dataclass(frozen=True)
@inputs
class Scenario:
    """A machine with its kernel stack, and an operation on names of `length` bytes.

    `depth` is what the functions above have on the stack already, `task` the descriptor at its low end, both in
    bytes and both examples. In conversion a name grows `expansion` times. `second` is rename's other name; 0: as long.

    >>> Scenario(operation="rename", length=255).lengths
    (255, 255)
    """

    machine: Machine = PRESETS["256 MB"]
    vm_cache_scan_ratio: int = 6
    operation: str = "rename"
    length: int = 4095
    second: int = 0
    depth: int = 1500
    task: int = 1700
    expansion: int = 1

    def __post_init__(self) -> None:
        check_sysctl("vm_cache_scan_ratio", self.vm_cache_scan_ratio)
        one_of("operation", self.operation, tuple(NAMES))
        between("length", self.length, 1, PATH_MAX - 1, "bytes")
        between("second", self.second, 0, PATH_MAX - 1, "bytes")
        between("task", self.task, 1, self.machine.stack // 2, "bytes")
        between("depth", self.depth, 0, self.room, "bytes")
        between("expansion", self.expansion, 1, 3)

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of the names, in bytes."""
        return (self.length, self.second or self.length)[: NAMES[self.operation]]

    @property
    def room(self) -> int:
        """Bytes of the stack area above the task descriptor."""
        return self.machine.stack - self.task


# ---- what the patch changed ----


@dataclass(frozen=True)
@inputs
class Policy:
    """How long a name may be, and how long its array is.

    longest    bytes beyond which a name is refused before anything else; 0: no such test
    buffer     bytes of the array for one name; 0: the name's own length and one more
    """

    longest: int = 0
    buffer: int = 0


UNPATCHED, PATCHED, MAINLINE = "unpatched", "patched (length test)", "patched (fixed buffer)"
POLICIES = {
    UNPATCHED: Policy(),
    PATCHED: Policy(longest=NAME_MAX),
    MAINLINE: Policy(buffer=NAME_MAX + 1),
    "what if: a limit of 2000": Policy(longest=2000),
}

CONTROLS = (
    Control("machine", "machine size", tuple(PRESETS)),
    Control(
        "vm_cache_scan_ratio",
        "vm_cache_scan_ratio",
        (1, 2, 3, 6, 10, 20, 60),
        why_not="a kernel stack is never reclaimed, and no scan decides how deep a call goes.",
    ),
    Control("operation", "operation", tuple(NAMES)),
    Control("length", "name", (1, 100, 255, 256, 1000, 2495, 2496, 4095), "B"),
)


# ---- what happens ----


class Refused(NamedTuple):
    """A name was refused; `by` says where."""

    length: int
    by: str


class TookArray(NamedTuple):
    """An array was laid on the stack; it reaches down to address `low` of the stack area."""

    size: int
    low: int


class Converted(NamedTuple):
    """A name was written into its array."""

    length: int
    out: int
    buffer: int


class Overran(NamedTuple):
    """The arrays reach below the room: into the task descriptor, and by `beyond` out of the stack area."""

    task: int
    beyond: int


Event = Refused | TookArray | Converted | Overran


class Stack:
    """The kernel stack of one task: addresses from 0, its descriptor at the low end, and it grows downwards.

    >>> stack = Stack(Scenario())
    >>> stack.take(4096).low, stack.overrun
    (2596, 0)
    """

    def __init__(self, scenario: Scenario) -> None:
        self.task = scenario.task
        self.low = scenario.machine.stack - scenario.depth

    def take(self, size: int) -> TookArray:
        """Lay an array of `size` bytes on the stack. Nothing checks whether there is room."""
        self.low -= size
        return TookArray(size, self.low)

    @property
    def overrun(self) -> int:
        """Bytes by which the stack reaches into the descriptor and beyond."""
        return max(0, self.task - self.low)


def ncp_io2vol(length: int, expansion: int, buffer: int) -> Converted | Refused:
    """The name in the server's code page, or its refusal when it does not fit the array with its end mark.

    >>> ncp_io2vol(100, 2, 101), ncp_io2vol(100, 2, 256)
    (Refused(length=100, by='the conversion'), Converted(length=100, out=200, buffer=256))
    """
    out = length * expansion
    return Converted(length, out, buffer) if out < buffer else Refused(length, "the conversion")


def directory_operation(scenario: Scenario, policy: Policy) -> list[Event]:
    """Look at the names, lay their arrays on the stack, write the names into them: what happened.

    >>> directory_operation(Scenario(length=300), POLICIES[PATCHED])
    [Refused(length=300, by='the length test')]
    """
    for length in scenario.lengths:
        if policy.longest and length > policy.longest:
            return [Refused(length, "the length test")]
    stack = Stack(scenario)
    sizes = [policy.buffer or length + 1 for length in scenario.lengths]
    events: list[Event] = [stack.take(size) for size in sizes]
    if stack.overrun:  # whatever is written or called from here on lies there
        events.append(Overran(min(stack.overrun, scenario.task), max(0, -stack.low)))
    for length, size in zip(scenario.lengths, sizes):
        events.append(ncp_io2vol(length, scenario.expansion, size))
        if isinstance(events[-1], Refused):
            break
    return events


# ---- the run ----


def longest_safe(scenario: Scenario, policy: Policy) -> int:
    """The longest name, in bytes, up to which no operation of this kind overruns the stack; at most 4095.

    >>> longest_safe(Scenario(operation="rename"), POLICIES[UNPATCHED])
    2495
    """
    names, room = NAMES[scenario.operation], scenario.room - scenario.depth
    if policy.buffer:
        return PATH_MAX - 1 if names * policy.buffer <= room else 0  # the arrays do not grow with the name
    longest = max(0, room // names - 1)
    return PATH_MAX - 1 if policy.longest and longest >= policy.longest else min(longest, PATH_MAX - 1)


def simulate(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Run:
    """One directory operation.

    >>> run = simulate(Scenario(operation="rename", length=4095), POLICIES[UNPATCHED])
    >>> run.numbers["overrun (B)"], run.numbers["answer"]
    (3200, 'goes on, overrun')
    """
    events = directory_operation(scenario, policy)
    arrays = sum(event.size for event in events if isinstance(event, TookArray))
    over = next((event for event in events if isinstance(event, Overran)), Overran(0, 0))
    refused = any(isinstance(event, Refused) for event in events)
    return Run(
        scenario,
        policy,
        tuple(events),
        {
            "arrays (B)": arrays,
            "stack used (B)": scenario.depth + arrays,
            "room (B)": scenario.room,
            "overrun (B)": over.task + over.beyond,
            "of it in the task descriptor (B)": over.task,
            "answer": (ENAMETOOLONG if refused else "goes on") + (", overrun" if over.task else ""),
            "no overrun up to names of (B)": longest_safe(scenario, policy),
        },
    )
