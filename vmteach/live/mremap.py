"""mremap on the Linux that the reader is running: is the model's today the real one?

The child makes random and named calls in an empty part of its own address space, and tells after each what it
returned and which mappings stand there. It touches no other memory.
"""

import errno
import os
import random
from collections.abc import Callable, Iterator, Sequence
from mmap import PAGESIZE
from pathlib import Path
from typing import Any, NamedTuple

from vmteach import tables
from vmteach.cases.mremap import ARENA, plan_of, verdict
from vmteach.kernel.mm import AddressSpace, Call, Vma
from vmteach.kernel.mmap import do_mmap, do_munmap, zap_page_range
from vmteach.kernel.sound import INVARIANTS, name_of
from vmteach.live import Answer, answered, in_child, needs_linux
from vmteach.patches.mremap import CASES, MAPPINGS, POLICIES, TODAY
from vmteach.run import Record, Values

SECONDS = 5.0  # what a child may take
Operation = list[Any]  # one call for the child: its name and what it is given
FILLING = ARENA + (1 << 30)  # where mappings are put that only fill the list; both are far below what the kernel gives
MOST_FILLED = 70_000  # mappings: the default limit is 65530; where it is raised, the list is not filled
TASK_SIZE = (1 << 47) - PAGESIZE  # the end of user space


class Asked(NamedTuple):
    """A named call on the real kernel: what it returned and which invariants it broke there."""

    call: str
    below_limit: int | None
    returned: str
    broken: str


class Played(NamedTuple):
    """A test of others that went another way on this kernel than on Linux 6.18.44."""

    test: str
    what: str
    differs: str


class Difference(NamedTuple):
    """A call on which the model's kernel of today and the real one disagree."""

    number: int
    call: str
    model: str
    kernel: str


def is_of_today(release: str) -> bool:
    """Whether a kernel is one that the policy "today" describes: 6.17 and later.

    >>> is_of_today("6.18.44"), is_of_today("6.8.0-31-generic")
    (True, False)
    """
    major, minor = (int("".join(filter(str.isdigit, part)) or 0) for part in (release + ".0").split(".")[:2])
    return (major, minor) >= (6, 17)


def ask_calls(names: Sequence[str] = (), below_limit: int | None = None, seconds: float = SECONDS) -> Answer:
    """The chapter's named calls (all, if none is named), made on this kernel: one `Asked` a call.

    `below_limit` is the number of mappings that the process may still make: the child fills its list up
    to there. None leaves it as it is, tens of thousands below.
    """
    asked = tuple(names) or tuple(CASES)
    given = needs_linux() or _made([_plan(name, below_limit) for name in asked], True, seconds)
    sequences = zip(asked, given.get("sequences", ()))
    rows = [_judge(name, steps[-2], steps[-1], below_limit) for name, steps in sequences]
    return answered({"rows": rows, **given}, Asked, "{count} calls made on this kernel")


def _made(sequences: list[list[Operation]], contents: bool, seconds: float) -> Record:
    """What the child saw after each operation, with the contents of pages or without."""
    return in_child(__name__, {"sequences": sequences, "contents": contents, "most": MOST_FILLED}, seconds)


def _plan(name: str, below_limit: int | None) -> list[Operation]:
    """The operations of one named call: its mappings with contents, the filling, the call."""
    case = CASES[name]
    mappings = ((name, *MAPPINGS[name]) for name in case.mappings)
    plan: list[Operation] = [
        ["map", ARENA + at * PAGESIZE, pages * PAGESIZE, prot, name] for name, at, pages, prot in mappings
    ]
    target = TASK_SIZE if case.border else ARENA + case.new_addr * PAGESIZE
    call = ["remap", ARENA + case.addr * PAGESIZE, case.old * PAGESIZE, case.new * PAGESIZE, case.flags, target]
    return [*plan, ["fill", below_limit], call]


def _judge(name: str, before: Record, after: Record, below_limit: int | None) -> Asked:
    """The row of one named call: the invariants of the model, asked of the real address space."""
    call, result, (was, now) = Call(*after["op"][1:]), after["result"], map(_space, (before, after))
    broken = [key for key, holds in INVARIANTS.items() if holds(was, call, result, now)]
    returned = name_of(result - ARENA if _in_arena(result) else result)
    room = None if below_limit is None else before["result"]
    elsewhere = result >= 0 and not _in_arena(result)
    return Asked(name, room, "a free place" if elsewhere else returned, ", ".join(broken) or "none")


def _in_arena(addr: int) -> bool:
    return ARENA <= addr < FILLING


def _space(step: Record) -> AddressSpace:
    """What the child saw in its arena, as an address space of the model."""
    vmas = [Vma(start, end, prot) for start, end, prot in step["vmas"]]
    pages = {int(addr): content for addr, content in step["pages"].items() if content}
    return AddressSpace(PAGESIZE, TASK_SIZE, vmas=vmas, pages=pages, map_count=len(vmas))


def play_tests_of_others(seconds: float = SECONDS) -> Answer:
    """The tests of the Linux Test Project and of the kernel, made on this kernel: one `Played` a test that differs."""
    tests = [row for row in tables.read_cases("mremap-peers") if row["kernel_6_18_44"] != "not run"]
    given = needs_linux() or _small_pages() or _made([plan_of(row) for row in tests], False, seconds)
    ended = [steps[-1] for steps in given.get("sequences", ())]
    found = [verdict(row, end["result"], _mapped(end)) for row, end in zip(tests, ended)]
    rows = [Played(row["suite_and_case"], row["what"], said) for row, said in zip(tests, found) if said]
    told = f"{len(ended)} tests of others made on this kernel, {{count}} not as on Linux 6.18.44"
    return answered({"rows": rows, **given}, Played, told)


def _small_pages() -> Record:
    why = f"these tests count in pages of 4096 bytes, and here one has {PAGESIZE}"
    return {} if PAGESIZE == 4096 else {"why": why}


def _mapped(step: Record) -> Callable[[int], bool]:
    space = _space(step)
    return lambda addr: space.at(addr) is not None


def compare_random(calls: int = 2000, seed: int = 2004, touched: bool = False, seconds: float = SECONDS) -> Answer:
    """Random mmap, munmap and mremap calls on this kernel and in the model's today: one `Difference` a miss.

    Before each call the model is given the address space that the kernel shows, so that every call is judged
    by itself. With `touched` false no page is ever written: neighbours of equal rights then always become one
    mapping, and the lists of mappings must be equal. With `touched` true every page is written first; which
    neighbours become one then depends on where their pages came from, and the model leaves that out. So the
    pages, their rights and their contents must be equal, not the borders between mappings.
    """
    plan = list(random_operations(random.Random(seed), calls, PAGESIZE, "p" if touched else ""))
    given = needs_linux() or _made([plan], touched, seconds)
    (steps,) = given.get("sequences", ([],))
    pairs = zip([{"vmas": [], "pages": {}}, *steps], steps)
    rows = [missed for number, pair in enumerate(pairs, 1) if (missed := _compare(number, *pair, touched))]
    return answered({"rows": rows, **given}, Difference, f"{len(steps)} random calls, {{count}} differences")


def random_operations(rng: random.Random, count: int, page: int, fill: str) -> Iterator[Operation]:
    """Operations for the child within 40 pages of the arena, sensible and senseless ones mixed.

    >>> next(random_operations(random.Random(1), 1, 4096, ""))[0] in ("map", "unmap", "remap")
    True
    """

    def place() -> int:
        odd = int(rng.choice("0" * 30 + "17"))  # now and then not on a page border
        return ARENA + rng.randrange(40) * page + odd

    def length() -> int:
        odd = int(rng.choice("0001")) * rng.randrange(1, page)
        return max(0, rng.randrange(9) * page - odd)

    for number in range(count):
        kind = rng.choices(("map", "unmap", "remap"), (4, 1, 8))[0]
        if kind == "map":
            start = ARENA + rng.randrange(36) * page
            yield ["map", start, rng.randrange(1, 9) * page, rng.choice(("rw-", "r--")), fill and f"{number}"]
        elif kind == "unmap":
            yield ["unmap", place(), length()]
        else:
            yield ["remap", place(), length(), length(), int(rng.choice("011233357")), place()]


def _compare(number: int, before: Record, after: Record, touched: bool) -> Difference | None:
    """None if the model, told the state before, comes to the same result and state; else how they differ."""
    space, real = _space(before), _space(after)
    model, kernel = _in_the_model(space, after["op"], after["result"]), after["result"]
    ours, theirs = ((result, _look(each, touched)) for result, each in ((model, space), (kernel, real)))
    if ours == theirs:
        return None
    kind, *arguments = after["op"]
    what = (f"{name_of(result)} {seen}" for result, seen in (ours, theirs))
    return Difference(number, f"{kind} {arguments}", *what)


def _in_the_model(space: AddressSpace, op: Operation, kernel: int) -> int:
    """What an operation of the child gives in the model's address space; `kernel` is what it gave there.

    Where a free place was to be found, any free place is right: then the new mapping is taken out of the model. The
    child does the same: it unmaps what was placed outside of the arena after it has looked at it.
    """
    kind, *arguments = op
    if kind != "remap":
        return do_mmap(space, *arguments) if kind == "map" else do_munmap(space, *arguments)
    call, policy = Call(*arguments), POLICIES[TODAY]
    result = policy.procedure(space, call, policy)
    somewhere = result >= 0 and not call.fixed and result != call.addr
    placed = space.at(result) if somewhere and kernel > 0 and not _in_arena(kernel) else None
    if placed is None:
        return result
    space.remove(placed)
    zap_page_range(space, placed.start, placed.end)
    return kernel


def _look(space: AddressSpace, touched: bool) -> list[object]:
    """What is compared: the mappings; or, where pages were written, each page, its rights and its content."""
    if not touched:
        return list(space.vmas)
    covered = ((addr, vma.prot) for vma in space.vmas for addr in range(vma.start, vma.end, space.page))
    return [(addr, prot, space.pages.get(addr, "")) for addr, prot in covered]


# The child's side


def child(request: Values) -> Record:
    """Run the sequences, each in an empty arena: after every step its result and the mappings there."""
    import gc

    gc.disable()
    memory = _Memory(request["most"])
    if why := memory.why_not():
        return {"why": why}
    try:
        return {"sequences": [list(memory.steps(sequence, request["contents"])) for sequence in request["sequences"]]}
    except _CannotFill as reason:
        return {"why": str(reason)}


class _CannotFill(Exception):
    """The list of mappings cannot be filled; the message says why."""


class _Memory:
    """The child's own memory in the arena, through libc."""

    RIGHTS = {"---": 0, "r--": 1, "rw-": 3}
    PRIVATE_ANONYMOUS, MAP_FIXED, NOREPLACE, NORESERVE = 0x22, 0x10, 0x100000, 0x4000

    def __init__(self, most: int) -> None:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        self.ctypes, self.filled, self.most = ctypes, 0, most
        size, number, pointer = ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p
        self._mmap, self._mremap, self._munmap, self._mprotect = libc.mmap, libc.mremap, libc.munmap, libc.mprotect
        self._mmap.restype = self._mremap.restype = pointer
        self._mmap.argtypes = (pointer, size, number, number, number, ctypes.c_long)
        self._mremap.argtypes = (pointer, size, size, number, pointer)
        self._munmap.argtypes = (pointer, size)
        self._mprotect.argtypes = (pointer, size, number)

    def steps(self, sequence: list[Operation], contents: bool) -> Iterator[Record]:
        """What each operation returned and left in the arena, which is empty afterwards."""
        for op in sequence:
            result = getattr(self, op[0])(*op[1:])
            yield {"op": op, "result": result, **self.state(contents)}
            if op[0] == "remap" and result > 0 and not _in_arena(result):
                self._munmap(result, -(-op[3] // PAGESIZE) * PAGESIZE)
        self._munmap(ARENA, FILLING - ARENA)

    def result(self, value: int | None) -> int:
        """An address or 0, or minus the errno."""
        failed = value in (-1, self.ctypes.c_void_p(-1).value)
        return -self.ctypes.get_errno() if failed else (value or 0)

    def place(self, start: int, length: int, rights: int, flags: int) -> int:
        """A new private mapping: its address, or minus the errno."""
        return self.result(self._mmap(start, length, rights, self.PRIVATE_ANONYMOUS | flags, -1, 0))

    def map(self, start: int, length: int, prot: str, fill: str) -> int:
        got = self.place(start, length, self.RIGHTS["rw-" if fill else prot], self.MAP_FIXED)
        if fill and got >= 0:
            for i in range(length // PAGESIZE):
                content = f"{fill}{i}".encode() + b"\0"
                self.ctypes.memmove(start + i * PAGESIZE, content, len(content))
            self._mprotect(start, length, self.RIGHTS[prot])
        return got

    def unmap(self, start: int, length: int) -> int:
        return self.result(self._munmap(start, length))

    def remap(self, addr: int, old: int, new: int, flags: int, target: int) -> int:
        return self.result(self._mremap(addr, old, new, flags, target))

    def fill(self, below_limit: int | None) -> int:
        """Map single pages, none beside another, until `below_limit` more may come; how many those are."""
        if below_limit is None:
            return 0
        limit = int(Path("/proc/sys/vm/max_map_count").read_text())
        if limit > self.most:
            raise _CannotFill(f"vm.max_map_count is {limit} here; only a list of up to {self.most} mappings is filled")
        before, self.filled = self.filled, self.filled + limit - below_limit - self.count()
        for n in range(before, self.filled):
            if self.place(FILLING + 2 * n * PAGESIZE, PAGESIZE, 0, self.MAP_FIXED | self.NORESERVE) < 0:
                raise _CannotFill("the list of mappings could not be filled")
        for n in range(self.filled, before):
            self._munmap(FILLING + 2 * n * PAGESIZE, PAGESIZE)
        return limit - self.count()

    def why_not(self) -> str:
        """Nothing if the arena is free, else the reason in words."""
        length = FILLING - ARENA + 2 * self.most * PAGESIZE
        got = self.place(ARENA, length, 0, self.NOREPLACE | self.NORESERVE)
        if got > 0:
            self._munmap(got, length)
        if got != ARENA:
            return f"the place for the experiment is taken or refused ({errno.errorcode.get(-got, 'moved')})"
        return "" if os.access("/proc/self/maps", os.R_OK) else "/proc/self/maps cannot be read"

    def count(self) -> int:
        with open("/proc/self/maps") as lines:
            return sum("[vsyscall]" not in line for line in lines)

    def state(self, written: bool) -> Record:
        """The arena's mappings and, if pages were written, what is in them."""
        vmas = list(self.vmas())
        readable = (addr for s, e, rights in vmas if rights[0] == "r" for addr in range(s, e, PAGESIZE))
        return {"vmas": vmas, "pages": {a: self.ctypes.string_at(a).decode() for a in readable if written}}

    def vmas(self) -> Iterator[tuple[int, int, str]]:
        """The start, the end and the rights of each mapping in the arena, in the order of their addresses."""
        with open("/proc/self/maps") as lines:
            for line in lines:
                where, rights, *_ = line.split(maxsplit=2)
                start, end = (int(part, 16) for part in where.split("-"))
                if start >= FILLING:
                    break
                if start >= ARENA:
                    yield start, end, rights[:3]
