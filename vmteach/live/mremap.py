"""mremap on the Linux that the reader is running: is the model's today the real one?

The child makes random and named calls in an empty part of its own address space, and tells after each what it
returned and which mappings stand there. It touches no other memory.
"""

import errno
import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vmteach.live import Answer, answered, in_child, needs_linux
from vmteach.run import Record, Values

if TYPE_CHECKING:
    from vmteach.kernel.mm import AddressSpace

SECONDS = 5.0  # what a child may take
Operation = list[Any]  # one call for the child: its name and what it is given
ARENA = 0x20_0000_0000  # far below what the kernel hands out by itself, within 39-bit address spaces
FILLING = ARENA + (1 << 30)  # where mappings are put that only fill the list
MOST_FILLED = 70_000  # mappings: the default limit is 65530; where it is raised, the list is not filled


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
    from vmteach.patches.mremap import CASES

    page = os.sysconf("SC_PAGESIZE") if hasattr(os, "sysconf") else 4096
    asked = tuple(names) or tuple(CASES)
    plans = [_plan(name, page, below_limit) for name in asked]
    given = needs_linux() or in_child(__name__, _request(plans, contents=True), seconds)
    sequences = zip(asked, given.get("sequences", ()))
    rows = [_judge(name, steps[-2], steps[-1], page, below_limit) for name, steps in sequences]
    return answered({"rows": rows, **given}, Asked, f"{len(rows)} calls made on this kernel")


def _request(sequences: list[list[Operation]], contents: bool) -> Record:
    return {"sequences": sequences, "contents": contents, "most": MOST_FILLED}


def _plan(name: str, page: int, below_limit: int | None) -> list[Operation]:
    """The operations of one named call: its mappings with contents, the filling, the call."""
    from vmteach.patches.mremap import CASES, MAPPINGS

    case = CASES[name]
    mappings = ((name, *MAPPINGS[name]) for name in case.mappings)
    plan: list[Operation] = [["map", ARENA + at * page, n * page, prot, name] for name, at, n, prot in mappings]
    target = (1 << 47) - page if case.border else ARENA + case.new_addr * page
    call = ["remap", ARENA + case.addr * page, case.old * page, case.new * page, case.flags, target]
    return [*plan, ["fill", below_limit], call]


def _judge(name: str, before: Record, after: Record, page: int, below_limit: int | None) -> Asked:
    """The row of one named call: the invariants of the model, asked of the real address space."""
    from vmteach.kernel.mm import Call
    from vmteach.kernel.sound import INVARIANTS, name_of

    call, result = Call(*after["op"][1:]), after["result"]
    spaces = _space(before, page), _space(after, page)
    broken = [key for key, holds in INVARIANTS.items() if holds(spaces[0], call, result, spaces[1])]
    shown = name_of(result - ARENA if ARENA <= result < FILLING else result)
    elsewhere = result >= 0 and not ARENA <= result < FILLING
    room = before["result"] if below_limit is not None else None
    return Asked(name, room, "a free place" if elsewhere else shown, ", ".join(broken) or "none")


def _space(step: Record, page: int) -> "AddressSpace":
    """What the child saw in its arena, as an address space of the model."""
    from vmteach.kernel.mm import AddressSpace, Vma

    vmas = [Vma(start, end, prot) for start, end, prot in step["vmas"]]
    pages = {int(addr): content for addr, content in step["pages"].items() if content}
    return AddressSpace(page, (1 << 47) - page, vmas=vmas, pages=pages, map_count=len(vmas))


def play_tests_of_others(seconds: float = SECONDS) -> Answer:
    """The tests of the Linux Test Project and of the kernel, made on this kernel: one `Played` a test that differs."""
    from vmteach.cases.mremap import plan_of, verdict
    from vmteach.tables import read_cases

    tests = [row for row in read_cases("mremap-peers") if row["kernel_6_18_44"] != "not run"]
    plans = [plan_of(row) for row in tests]
    given: Record = needs_linux() or _small_pages() or in_child(__name__, _request(plans, False), seconds)
    ended = [steps[-1] for steps in given.get("sequences", [])]
    found = [verdict(row, end["result"], _mapped(end["vmas"])) for row, end in zip(tests, ended)]
    rows = [Played(row["suite_and_case"], row["what"], said) for row, said in zip(tests, found) if said]
    told = f"{len(ended)} tests of others made on this kernel, {len(rows)} not as on Linux 6.18.44"
    return answered({"rows": rows, **given}, Played, told)


def _small_pages() -> dict[str, str]:
    page = os.sysconf("SC_PAGESIZE")
    return {} if page == 4096 else {"why": f"these tests count in pages of 4096 bytes, and here one has {page}"}


def _mapped(vmas: Sequence[Sequence[Any]]) -> Callable[[int], bool]:
    return lambda addr: any(start <= addr < end for start, end, _ in vmas)


def compare_random(calls: int = 2000, seed: int = 2004, touched: bool = False, seconds: float = SECONDS) -> Answer:
    """Random mmap, munmap and mremap calls on this kernel and in the model's today: one `Difference` a miss.

    Before each call the model is given the address space that the kernel shows, so that every call is judged
    by itself. With `touched` false no page is ever written: neighbours of equal rights then always become one
    mapping, and the lists of mappings must be equal. With `touched` true every page is written first; which
    neighbours become one then depends on where their pages came from, and the model leaves that out. So the
    pages, their rights and their contents must be equal, not the borders between mappings.
    """
    page = os.sysconf("SC_PAGESIZE") if hasattr(os, "sysconf") else 4096
    plan = list(random_operations(random.Random(seed), calls, page, "p" if touched else ""))
    given = needs_linux() or in_child(__name__, _request([plan], contents=touched), seconds)
    steps = given["sequences"][0] if "sequences" in given else []
    pairs = zip([{"vmas": [], "pages": {}}, *steps], steps)
    missed = (_compare(number, *pair, page, touched) for number, pair in enumerate(pairs, 1))
    rows = [difference for difference in missed if difference]
    return answered({"rows": rows, **given}, Difference, f"{len(steps)} random calls, {len(rows)} differences")


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


def _compare(number: int, before: Record, after: Record, page: int, touched: bool) -> Difference | None:
    """None if the model, told the state before, comes to the same result and state; else how they differ."""
    from vmteach.kernel import mm, mmap
    from vmteach.kernel.sound import name_of
    from vmteach.patches import mremap as model

    space, real = _space(before, page), _space(after, page)
    kind, *arguments = after["op"]
    policy = model.POLICIES[model.TODAY]
    if kind == "map":
        start, length, prot, fill = arguments
        result = mmap.do_mmap(space, start, length, prot, fill)
    elif kind == "unmap":
        result = mmap.do_munmap(space, *arguments)
    else:
        call = mm.Call(*arguments)
        result = policy.procedure(space, call, policy)
        if result >= 0 and not call.fixed and result != call.addr:
            result = _take_the_kernels_place(space, result, after["result"])
    same = result == after["result"] and _look(space, touched) == _look(real, touched)
    if same:
        return None
    what = [f"{name_of(r)} {_look(s, touched)}" for r, s in ((result, space), (after["result"], real))]
    return Difference(number, f"{kind} {arguments}", *what)


def _take_the_kernels_place(space: "AddressSpace", model: int, kernel: int) -> int:
    """Where a free place was to be found, any free place is right: take the new mapping out of the model.

    The child does the same: it unmaps what was placed outside of the arena after it has looked at it.
    """
    placed = space.at(model)
    if placed and not ARENA <= kernel < FILLING and kernel > 0:
        space.remove(placed)
        for addr in [addr for addr in space.pages if placed.start <= addr < placed.end]:
            del space.pages[addr]
        return kernel
    return model


def _look(space: "AddressSpace", touched: bool) -> list[object]:
    """What is compared: the mappings; or, where pages were written, each page, its rights and its content."""
    if not touched:
        return list(space.vmas)
    step = space.page
    covered = [(addr, vma.prot) for vma in space.vmas for addr in range(vma.start, vma.end, step)]
    return [(addr, prot, space.pages.get(addr, "")) for addr, prot in covered]


# The child's side


def child(request: Values) -> Record:
    """Run the sequences, each in an empty arena: after every step its result and the mappings there."""
    import gc

    gc.disable()
    memory = _Memory(request["most"])
    if why := memory.why_not():
        return {"why": why}
    done = []
    for sequence in request["sequences"]:
        steps = []
        for op in sequence:
            result = getattr(memory, op[0])(*op[1:])
            if isinstance(result, str):
                return {"why": result}
            steps.append({"op": op, "result": result, **memory.state(request["contents"])})
            memory.forget_what_was_placed_elsewhere(op, result)
        memory.empty()
        done.append(steps)
    return {"sequences": done}


class _Memory:
    """The child's own memory in the arena, through libc."""

    RIGHTS = {"---": 0, "r--": 1, "rw-": 3}
    PRIVATE_ANONYMOUS, MAP_FIXED, NOREPLACE, NORESERVE = 0x22, 0x10, 0x100000, 0x4000

    def __init__(self, most: int) -> None:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        self.ctypes, self.page = ctypes, os.sysconf("SC_PAGESIZE")
        size, number, pointer = ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p
        self._mmap, self._mremap = libc.mmap, libc.mremap
        self._munmap, self._mprotect = libc.munmap, libc.mprotect
        self._mmap.restype = self._mremap.restype = pointer
        self._mmap.argtypes = (pointer, size, number, number, number, ctypes.c_long)
        self._mremap.argtypes = (pointer, size, size, number, pointer)
        self._munmap.argtypes = (pointer, size)
        self._mprotect.argtypes = (pointer, size, number)
        self.filled, self.most = 0, most

    def result(self, value: int | None) -> int:
        """An address or 0, or minus the errno."""
        failed = value in (-1, self.ctypes.c_void_p(-1).value)
        return -self.ctypes.get_errno() if failed else (value or 0)

    def map(self, start: int, length: int, prot: str, fill: str) -> int:
        first = "rw-" if fill else prot
        flags = self.PRIVATE_ANONYMOUS | self.MAP_FIXED
        got = self.result(self._mmap(start, length, self.RIGHTS[first], flags, -1, 0))
        if fill and got >= 0:
            for i in range(length // self.page):
                content = f"{fill}{i}".encode() + b"\0"
                self.ctypes.memmove(start + i * self.page, content, len(content))
            self._mprotect(start, length, self.RIGHTS[prot])
        return got

    def unmap(self, start: int, length: int) -> int:
        return self.result(self._munmap(start, length))

    def remap(self, addr: int, old: int, new: int, flags: int, target: int) -> int:
        return self.result(self._mremap(addr, old, new, flags, target))

    def fill(self, below_limit: int | None) -> int | str:
        """Map single pages, none beside another, until `below_limit` more may come; how many those are."""
        if below_limit is None:
            return 0
        limit = self.limit()
        if limit > self.most:
            return f"vm.max_map_count is {limit} here; only a list of up to {self.most} mappings is filled"
        flags = self.PRIVATE_ANONYMOUS | self.MAP_FIXED | self.NORESERVE
        for _ in range(limit - below_limit - self.count()):
            if self.result(self._mmap(FILLING + 2 * self.filled * self.page, self.page, 0, flags, -1, 0)) < 0:
                return "the list of mappings could not be filled"
            self.filled += 1
        for _ in range(self.count() - limit + below_limit):
            self.filled -= 1
            self._munmap(FILLING + 2 * self.filled * self.page, self.page)
        return limit - self.count()

    def empty(self) -> None:
        self._munmap(ARENA, FILLING - ARENA)

    def forget_what_was_placed_elsewhere(self, op: Operation, result: int) -> None:
        if op[0] == "remap" and result > 0 and not ARENA <= result < FILLING:
            self._munmap(result, -(-op[3] // self.page) * self.page)

    def why_not(self) -> str:
        """Nothing if the arena is free, else the reason in words."""
        flags = self.PRIVATE_ANONYMOUS | self.NOREPLACE | self.NORESERVE
        length = FILLING - ARENA + 2 * self.most * self.page
        got = self.result(self._mmap(ARENA, length, 0, flags, -1, 0))
        if got != ARENA:
            if got > 0:
                self._munmap(got, length)
            return f"the place for the experiment is taken or refused ({errno.errorcode.get(-got, 'moved')})"
        self._munmap(ARENA, length)
        return "" if os.access("/proc/self/maps", os.R_OK) else "/proc/self/maps cannot be read"

    def limit(self) -> int:
        return int(Path("/proc/sys/vm/max_map_count").read_text())

    def count(self) -> int:
        with open("/proc/self/maps") as lines:
            return sum("[vsyscall]" not in line for line in lines)

    def state(self, written: bool) -> Record:
        """The arena's mappings and, if pages were written, what is in them."""
        vmas = []
        with open("/proc/self/maps") as lines:
            for line in lines:
                where, rights, *_ = line.split(maxsplit=2)
                start, end = (int(part, 16) for part in where.split("-"))
                if start >= FILLING:  # they come in the order of their addresses
                    break
                if start >= ARENA:
                    vmas.append((start, end, rights[:3]))
        readable = [addr for s, e, rights in vmas if rights[0] == "r" for addr in range(s, e, self.page)]
        pages = {a: self.ctypes.string_at(a).decode() for a in readable} if written else {}
        return {"vmas": vmas, "pages": pages}
