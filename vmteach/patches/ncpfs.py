"""A file name is copied into an array on the kernel's stack that is as long as the caller likes.

changelog   00_ncpfs-1: Limit dentry name length (from Andi)
source      fs/ncpfs/dir.c, ncplib_kernel.c and fs/namei.c of 2.4.22, mainline's fix in 2.4.25 (read; run: 2.4.22 and
            2.4.27, data/cases); Andi's text was not found: a test of the length in front of the arrays is what the
            entry's one line says (inferred)
unpatched   the array has the length of the name and one byte more; a name may have 4095 bytes, and rename takes two
patched     a name of more than 255 bytes is refused (ENAMETOOLONG) before there is any array
left out    interrupts and the socket layers on the same stack, other compilers, what the overwritten bytes then do
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from vmteach.kernel.stack import Overran, Stack, TookArray, aligned
from vmteach.machine import PRESETS, Machine, Sysctl, panel
from vmteach.run import Control, Preset, Run, among, between, inputs, of_kind, takes_inputs, within

NAME_MAX = 255  # bytes of a name that other file systems take, and that one length byte can say
PATH_MAX = 4096  # bytes of a path with its end mark: no name is longer than 4095
TASK = 1440  # bytes of the task descriptor, i386, as measured
SAVED = 60  # bytes of registers that the way into the kernel saves at the high end
SHRINKS = 0  # as an expansion: every byte is written as :0061, five bytes that become one


class Frames(NamedTuple):
    """Bytes that an operation's functions take without their arrays: at its look-ups, and when it acts."""

    looking: int
    acting: int


# Measured: i386, gcc 12, code pages on (data/cases). Acting, rmdir needs no more than here; unlink and lookup no array.
FRAMES = {
    "lookup": Frames(676, 0),
    "create": Frames(636, 668),
    "mkdir": Frames(668, 668),
    "rmdir": Frames(648, 648),
    "unlink": Frames(648, 0),
    "rename": Frames(716, 436),
}
NO_NLS = {"rename": Frames(32, 8)}  # what they take less without code pages: 32 bytes, but for rename's acting
MAKES = ("create", "mkdir")  # operations that want the name to be free
UNNAMED = ("lookup", "unlink")  # operations that act on what the look-up found, without the name


@dataclass(frozen=True)
@inputs
class Scenario:
    """A machine with its kernel stack, and an operation on names of `length` bytes.

    `on_server` says whether the server has a file whose name is the first 255 bytes of the (old) name. `second` is
    rename's new name, which is free; 0: as long. In conversion a byte becomes `expansion` bytes; 0: five become one.
    `extra_depth` bytes lie on the stack above the call, `task` is the descriptor at its low end.

    >>> Scenario(operation="rename", length=255).lengths
    (255, 255)
    """

    machine: Machine = PRESETS["256 MB"]
    vm_cache_scan_ratio: Sysctl = 6
    operation: Annotated[str, among(*FRAMES)] = "rename"
    length: Annotated[int, within(1, PATH_MAX - 1, "bytes")] = 4095
    second: Annotated[int, within(0, PATH_MAX - 1, "bytes")] = 0
    on_server: bool = True
    extra_depth: int = 0
    task: int = TASK
    expansion: Annotated[int, within(0, 3)] = 1
    nls: bool = True  # code pages: without them a name goes out as it came in

    def __post_init__(self) -> None:
        between("task", self.task, 1, self.machine.stack // 2, "bytes")
        between("extra_depth", self.extra_depth, 0, self.room, "bytes")

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of the names, in bytes."""
        return (self.length, self.second or self.length) if self.operation == "rename" else (self.length,)

    @property
    def room(self) -> int:
        """Bytes of the stack area above the task descriptor."""
        return self.machine.stack - self.task

    @property
    def stack(self) -> Stack:
        """The stack as the call finds it, a new one each time: registers were saved, and calls lie above this one."""
        return Stack(self.machine.stack - SAVED - self.extra_depth, self.task, self.machine.word // 8)

    @property
    def frames(self) -> Frames:
        """What the functions take without their arrays, in bytes: less in a kernel without code pages.

        >>> Scenario(operation="mkdir").frames, Scenario(operation="mkdir", nls=False).frames
        (Frames(looking=668, acting=668), Frames(looking=636, acting=636))
        """
        less = Frames(0, 0) if self.nls else NO_NLS.get(self.operation, Frames(32, 32))
        full = FRAMES[self.operation]
        return Frames(full.looking - less.looking, full.acting - less.acting)

    def converted(self, length: int) -> int:
        """Bytes of a name in the server's code page.

        >>> Scenario(expansion=2).converted(100), Scenario(expansion=SHRINKS).converted(637)
        (200, 129)
        """
        if not self.nls:
            return length
        return length // 5 + length % 5 if self.expansion == SHRINKS else length * self.expansion


@dataclass(frozen=True)
@inputs
class Policy:
    """How long a name may be, and how long its array is.

    longest    bytes beyond which a name is refused before it gets an array; 0: no such test
    buffer     bytes of the array for one name; 0: the name's own length and one more
    """

    longest: Annotated[int, within(0, 1 << 16, "bytes")] = 0
    buffer: Annotated[int, within(0, 1 << 16, "bytes")] = 0


UNPATCHED, PATCHED, MAINLINE = "unpatched", "patched (length test)", "patched (fixed buffer)"
POLICIES = {
    UNPATCHED: Policy(),
    PATCHED: Policy(longest=NAME_MAX),
    MAINLINE: Policy(buffer=NAME_MAX + 1),
    "what if: a limit of 2000": Policy(longest=2000),
}

CONTROLS = (
    *panel(ratio="A kernel stack is never reclaimed, and no scan decides how deep a call goes."),
    Control("length", "length of both names", (1, 100, 255, 256, 1000, 3127, 3128, 4095), "B"),
    Control("on_server", "file on the server", (True, False)),
)
TRY = (
    Preset("rename, 4,095", {}),
    Preset("a lawful name (255)", {"length": 255}),
    Preset("one byte more (256)", {"length": 256}),
    Preset("no such file", {"on_server": False}),
)


class Refused(NamedTuple):
    """A name of `length` bytes was refused; `by` says where."""

    length: int
    by: str


class Converted(NamedTuple):
    """A name was written into its array of `buffer` bytes: `out` bytes and the end mark."""

    length: int
    out: int
    buffer: int


class Sent(NamedTuple):
    """Of a name of `out` bytes, `wire` bytes went to the server: the length on the wire is one byte."""

    out: int
    wire: int


class LookedUp(NamedTuple):
    """The server, or the conversion, said whether there is a file of that name."""

    length: int
    found: bool


class Answered(NamedTuple):
    """The call's answer: success, or the name of an error."""

    answer: str


Event = Refused | TookArray | Converted | Sent | LookedUp | Overran | Answered


def ncp_lookup(scenario: Scenario, policy: Policy, stack: Stack, length: int, there: bool) -> Iterator[Event]:
    """Ask the server for a name. Any failure of the conversion counts as "no such file".

    The last event says what came of it: LookedUp, or Answered where the name is refused.
    """
    if policy.longest and length > policy.longest:
        yield from (Refused(length, "the length test"), Answered("ENAMETOOLONG"))
        return
    stack.enter(scenario.frames.looking)
    yield stack.take(policy.buffer or length + 1)
    yield from stack.overran()
    yield (name := ncp_io2vol(scenario, policy, length))
    if isinstance(name, Converted):
        yield ncp_add_pstring(name.out)
    yield LookedUp(length, there and isinstance(name, Converted))


def ncp_act(scenario: Scenario, policy: Policy, stack: Stack) -> Iterator[Event]:
    """Create, remove or rename: an array for each name at once, conversions, and then the request."""
    names: list[Converted] = []
    if scenario.operation not in UNNAMED:
        stack.enter(scenario.frames.acting)
        for length in scenario.lengths:
            yield stack.take(policy.buffer or length + 1)
        yield from stack.overran()
        for length in scenario.lengths:
            yield (name := ncp_io2vol(scenario, policy, length))
            if isinstance(name, Refused):
                yield Answered("ENAMETOOLONG")
                return
            names.append(name)
    yield from (ncp_add_pstring(name.out) for name in names)
    yield Answered("success")


def ncp_io2vol(scenario: Scenario, policy: Policy, length: int) -> Converted | Refused:
    """The name in the server's code page, or its refusal when it does not fit its array with the end mark.

    >>> ncp_io2vol(Scenario(expansion=2), POLICIES[UNPATCHED], 100)
    Refused(length=100, by='the conversion')
    """
    out, buffer = scenario.converted(length), policy.buffer or length + 1
    return Converted(length, out, buffer) if out < buffer else Refused(length, "the conversion")


def ncp_add_pstring(out: int) -> Sent:
    """The name as the server gets it: at most 255 bytes, for its length is said in one byte.

    >>> ncp_add_pstring(4095)
    Sent(out=4095, wire=255)
    """
    return Sent(out, min(out, NAME_MAX))


def directory_operation(scenario: Scenario, policy: Policy, stack: Stack) -> Iterator[Event]:
    """Look each name up, then act: what happened, up to the answer.

    >>> scenario = Scenario(length=300)
    >>> list(directory_operation(scenario, POLICIES[PATCHED], scenario.stack))
    [Refused(length=300, by='the length test'), Answered(answer='ENAMETOOLONG')]
    """
    for number, length in enumerate(scenario.lengths):  # only the first name may be there already
        *events, last = ncp_lookup(scenario, policy, stack, length, scenario.on_server and not number)
        if isinstance(last, LookedUp) and not number and (answer := may_act(scenario.operation, last.found)):
            events, last = [*events, last], answer
        yield from (*events, last)
        if isinstance(last, Answered):
            return
    yield from ncp_act(scenario, policy, stack)


def may_act(operation: str, found: bool) -> Answered | None:
    """The answer that ends a call after the look-up of its first name, or None.

    >>> may_act("rename", found=False), may_act("mkdir", found=True), may_act("mkdir", found=False)
    (Answered(answer='ENOENT'), Answered(answer='EEXIST'), None)
    """
    if operation in MAKES:
        return Answered("EEXIST") if found else None
    return None if found else Answered("ENOENT")


def longest_safe(scenario: Scenario, policy: Policy) -> int:
    """The longest name, in bytes, up to which this operation overruns no stack, whatever the server has; at most 4095.

    >>> longest_safe(Scenario(operation="rename"), POLICIES[UNPATCHED])
    3127
    """
    below, word = scenario.room - SAVED - scenario.extra_depth, scenario.machine.word // 8
    looking, acting = scenario.frames
    names = 0 if scenario.operation in UNNAMED else len(scenario.lengths)

    def needed(length: int) -> int:
        array = aligned(policy.buffer or length + 1, word)
        return max(looking + array, acting + names * array)

    longest = max(0, bisect_right(range(PATH_MAX), below, key=needed) - 1)
    return PATH_MAX - 1 if 0 < policy.longest <= longest else longest  # what is longer is refused


@takes_inputs
def simulate(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Run:
    """One directory operation.

    >>> run = simulate(Scenario(operation="rename", length=4095), POLICIES[UNPATCHED])
    >>> run.numbers["overrun (B)"], run.numbers["answer"], run.numbers["sent (B)"]
    (1936, 'success', '255 255 255 255')
    """
    stack = scenario.stack
    events = tuple(directory_operation(scenario, policy, stack))
    numbers = {
        "answer": of_kind(events, Answered)[0].answer,
        "sent (B)": " ".join(str(event.wire) for event in of_kind(events, Sent)) or "nothing",
        "stack used (B)": scenario.machine.stack - stack.lowest,
        "room (B)": scenario.room,
        "overrun (B)": stack.overrun,
        "of it in the task descriptor (B)": min(stack.overrun, scenario.task),
        "no overrun up to names of (B)": longest_safe(scenario, policy),
    }
    return Run(scenario, policy, events, numbers)
