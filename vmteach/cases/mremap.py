"""Rows of single mremap calls: result, list, every page, count, lost pages, where it stopped, what broke.

And the tests of others, of the Linux Test Project and of the kernel itself, played on the model of today's kernel.
"""

import re
from collections.abc import Callable
from typing import Any

from vmteach.cases import Outside, first_difference
from vmteach.kernel.mm import FIXED, AddressSpace, Asserted, Call, Followed, Vma
from vmteach.kernel.mmap import do_mmap, do_munmap
from vmteach.kernel.sound import Broke, name_of
from vmteach.patches.mremap import PATCHED, POLICIES, TODAY, UNPATCHED, Returned, run_call
from vmteach.run import Record, of_kind
from vmteach.tables import Case

PAGE = 4096
SEEN = ("result", "stop", "vmas", "pages", "map_count", "leaked", "broken")
RELEASES = {UNPATCHED: "2_4_22", PATCHED: "2_4_27"}


class AllButOne:
    """Descriptors that memory always has room for, but for the n-th one that is asked for.

    >>> few = AllButOne(2)
    >>> [bool(few) for _ in range(3)]
    [True, False, True]
    """

    def __init__(self, nth: int) -> None:
        self.nth, self.asked = nth, 0

    def __bool__(self) -> bool:
        self.asked += 1
        return self.asked != self.nth

    def __add__(self, _: int) -> "AllButOne":
        return self

    __sub__ = __add__


def one_call(row: Case) -> str:
    """Both kernels of a row: the first column that differs, with the release."""
    for policy, release in RELEASES.items():
        ours, theirs = played(row, policy), seen(row, release)
        if differ := first_difference({name: (ours[name], theirs[name]) for name in SEEN}):
            return f"{release.replace('_', '.')}, group {row['group']}: {differ}"
    return ""


def space_of(row: Case) -> AddressSpace:
    """The address space of a row, and what memory it has left; assertions stop the call, as they did there."""
    words = {column: _words(row[column]) for column in ("vmas", "pages")}
    pages = {int(addr, 16) * PAGE: content for addr, content in (word.split(":") for word in words["pages"])}
    vmas = [_vma(word) for word in words["vmas"]]
    space = AddressSpace(limit=row["limit"], vmas=vmas, pages=pages, map_count=len(vmas), stops=True)
    if row["descriptors"] is not None:
        space.descriptors = row["descriptors"]
    if row["fail_at"]:
        space.descriptors = AllButOne(row["fail_at"])  # type: ignore[assignment]
    if row["pt_fail_at"]:
        space.page_tables = row["pt_fail_at"] - 1
    return space


def played(row: Case, policy: str) -> Record:
    """What the model does with the call of a row, in the words of the table."""
    space = space_of(row)
    call = Call(*(int(row[column], 16) for column in ("addr", "old_len", "new_len", "flags", "new_addr")))
    events = run_call(space, call, POLICIES[policy])
    if of_kind(events, Followed):
        return dict.fromkeys(SEEN, "") | {"stop": "wild"}
    return left(space) | {
        "result": "".join(
            hex(each.result) if each.result >= 0 else str(each.result) for each in of_kind(events, Returned)
        ),
        "stop": "".join(f"bug {asserted.where.split(':')[0]}" for asserted in of_kind(events, Asserted)),
        "broken": " ".join(event.invariant for event in of_kind(events, Broke)),
    }


def left(space: AddressSpace) -> dict[str, str]:
    """The address space after a call, in the words of the table."""
    return {
        "vmas": " ".join(f"{v.start // PAGE:x}-{v.end // PAGE:x}:{v.prot}" for v in space.vmas) or "none",
        "pages": " ".join(f"{addr // PAGE:x}:{content}" for addr, content in sorted(space.pages.items())) or "none",
        "map_count": str(space.map_count),
        "leaked": " ".join(sorted(space.leaked, key=int)),
    }


def seen(row: Case, release: str) -> Record:
    """What the kernel of a row did; a column that is empty there says "as before" or "as in 2.4.22"."""
    if release == "2_4_27" and row["same_2_4_27"]:
        release = "2_4_22"
    found = {name: "" if (value := row[f"{name}_{release}"]) is None else str(value) for name in SEEN}
    if found["stop"] != "wild":
        found |= {name: found[name] or row[name] for name in ("vmas", "pages")}
    return found | {"leaked": " ".join(sorted(found["leaked"].split(), key=int))}


def _words(value: str) -> list[str]:
    return [] if value == "none" else value.split()


def _vma(word: str) -> Vma:
    where, prot = word.split(":")
    start, end = (int(page, 16) * PAGE for page in where.split("-"))
    return Vma(start, end, prot)


ARENA = 0x20_0000_0000  # where the tests of others are played: their addresses count from here


def plan_of(row: Case) -> list[list[Any]]:
    """The operations of a test of others, as the child of an experiment makes them; the call is the last."""
    plan: list[list[Any]] = []
    for kind, first, pages, prot in re.findall(r"(map|unmap) (\d+)\+(\d+) ?([rw-]*)", row["setup_in_pages"]):
        where = ARENA + int(first) * PAGE, int(pages) * PAGE
        plan.append([kind, *where, prot, ""] if kind == "map" else [kind, *where])
    addr, old_len, new_len, flags, new_addr = (int(n, 0) for n in re.findall(r"=(\w+)", row["call_in_bytes"]))
    return [*plan, ["remap", ARENA + addr, old_len, new_len, flags, new_addr + (ARENA if flags & FIXED else 0)]]


def verdict(row: Case, result: int, is_mapped: Callable[[int], bool]) -> str:
    """Nothing if a call of a test of others did as Linux 6.18.44 did, else in which way not."""
    _, source, _, _, flags, target = plan_of(row)[-1]
    places = {source: "source", target if flags & FIXED else -1: "target"}
    said = name_of(result) if result < 0 else places.get(result, "a free place")
    if said != row["kernel_6_18_44"]:
        return f"{said}, and Linux 6.18.44 says {row['kernel_6_18_44']}"
    for column, mapped in (("pages_expected_mapped", True), ("pages_expected_unmapped", False)):
        pages = [int(number) for number in str(row[column] or "").split()]
        if any(is_mapped(ARENA + page * PAGE) != mapped for page in pages):
            return "other pages are mapped"
    return ""


def todays_call(row: Case) -> str:
    """A test of others on the model of today's kernel: the result, and which pages are mapped afterwards."""
    if row["kernel_6_18_44"] == "not run":
        return Outside(row["adapted"])
    space = AddressSpace(task_size=(1 << 47) - PAGE)
    for kind, *where in (plan := plan_of(row))[:-1]:
        _ = do_mmap(space, *where) if kind == "map" else do_munmap(space, *where)
    result = POLICIES[TODAY].procedure(space, Call(*plan[-1][1:]), POLICIES[TODAY])
    return verdict(row, result, lambda addr: space.at(addr) is not None)


TABLES = {"random": one_call, "edges": one_call, "room": one_call, "peers": todays_call}
