"""Rows of pinning calls and of whole reads: pages got, what was recorded, covered, walked, released and returned."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from vmteach.cases import Outside, first_difference
from vmteach.machine import KIB
from vmteach.patches import rawio
from vmteach.patches.rawio import CHUNK, Event
from vmteach.run import Record, of_kind
from vmteach.tables import Case

KERNEL = rawio.POLICIES[rawio.UNPATCHED]
ERRORS = {"EFAULT": -14, "ENOMEM": -12}
CONSUMERS = {"file": "O_DIRECT file", "raw": "raw device", "nfs": "O_DIRECT over NFS"}


class Memory:
    """The areas of a row: which of their pages can be had, and what is left of room and memory.

    >>> row = {"kernel": "2.4.22", "direction": "read", "page_bytes": 4096, "vmas": "8048000-804a000:rwt"}
    >>> get = Memory(row | {"room_pages": 1, "free_pages": -1}).pages_from(0x8048000)
    >>> get(), get()
    ('', 'EFAULT')
    """

    def __init__(self, row: Case) -> None:
        areas = re.findall(r"([0-9a-f]+)-([0-9a-f]+):([a-z]*)(\d*)", row["vmas"])
        self.areas = [(int(start, 16), int(end, 16), flags, int(first or 0)) for start, end, flags, first in areas]
        self.page, self.room, self.free = row["page_bytes"], row["room_pages"], row["free_pages"]
        self.right = "w" if row["direction"] == "read" else "r"
        self.bad = "b" if row["kernel"] != "2.4.32" else "bv"  # 2.4.32 refuses reserved pages too
        self.present: set[int] = set()

    def pages_from(self, va: int) -> Callable[[], str]:
        """A source of the pages from `va` on, in order: empty for each that is got, else the error."""
        answers: Iterator[str] = map(self.page_at, range(va // self.page * self.page, 1 << 65, self.page))
        return answers.__next__

    def page_at(self, addr: int) -> str:
        start, _, flags, first = self.area_of(addr)
        if "i" in flags or self.right not in flags:
            return "EFAULT"
        if addr not in self.present and (addr - start) // self.page >= first and (error := self.take(flags)):
            return error
        self.present.add(addr)
        return rawio.BAD_FRAME if set(self.bad) & set(flags) else ""

    def area_of(self, addr: int) -> tuple[int, int, str, int]:
        """The area that the address is in or, if that grows down, the next one above; else one without rights."""
        behind = [area for area in self.areas if addr < area[1]]
        return behind[0] if behind and (behind[0][0] <= addr or "g" in behind[0][2]) else (0, 0, "", 0)

    def take(self, flags: str) -> str:
        """A new page for an area: empty, or the error where room or memory is used up."""
        if "t" in flags and not self.room:
            return "EFAULT"
        if not self.free:
            return "ENOMEM"
        self.room -= "t" in flags
        self.free -= 1
        return ""


def pinning(row: Case) -> str:
    """One call of map_user_kiobuf."""
    va, length, page = row["va"], row["length_bytes"], row["page_bytes"]
    if row["pages_wanted"] < 0:
        return Outside("the address wraps")
    if row["list_alloc"] != "ok" and row["pages_wanted"] > CHUNK // page + 1:
        return Outside("the list is too short, and a longer one cannot be had")
    events = rawio.map_user_kiobuf(va, length, page, Memory(row).pages_from(va), KERNEL)
    theirs = row | {"stale": row["stale_old"] + row["stale_unset"]}
    differ = first_difference({name: (ours, theirs[name]) for name, ours in numbers(events).items()})
    return f"kind {row['kind']}: {differ}" if differ else ""


def numbers(events: tuple[Event, ...]) -> Record:
    """The columns of a row of pinning."""
    pinned, mapped, failed = _outcome(events)
    flushed = _one(events, rawio.Flushed) or rawio.Flushed(pinned.chunk, 0, 0)
    got, length, covered = (pinned.got, mapped.length, mapped.covered) if mapped else (0, 0, 0)
    return {
        "pages_wanted": pinned.wanted,
        "answer": ERRORS[failed.error] if failed else 0,
        "pages_got": got,
        "length_recorded_bytes": length,
        "covered_bytes": covered,
        "pointers_walked": flushed.walked,
        "stale": flushed.stale,
        "refs_left": got - sum(event.pages for event in of_kind(events, rawio.Released)),
    }


def whole_read(row: Case) -> str:
    """One read or write through a consumer, chunk by chunk."""
    total = bytes_there(row)
    if total <= 0 or row["chunk_list"] in ("", "-"):
        return Outside("nothing is there to move")
    memory, consumer, chunks, done, error = Memory(row), CONSUMERS[row["consumer"]], [], 0, ""
    for begin in range(0, total, CHUNK):
        va, length = row["va"] + begin, min(CHUNK, total - begin)
        events = rawio.map_user_kiobuf(va, length, row["page_bytes"], memory.pages_from(va), KERNEL)
        pinned, mapped, failed = _outcome(events)
        if failed:
            chunks.append(f"{pinned.wanted}/{ERRORS[failed.error]}/0")
            error = failed.error
            break
        chunks.append(f"{pinned.wanted}/{pinned.got}/{length}")
        part, error = rawio.moved(consumer, length, mapped.covered, row["unit_bytes"])
        done += part
        if part < length:
            break
    if row["chunk_list"] != " ".join(chunks):
        return f"{row['consumer']}, kind {row['kind']}: chunks {' '.join(chunks)}"
    answer = done or ERRORS.get(error, 0)
    return "" if answer == row["answer"] else f"{row['consumer']}, kind {row['kind']}: {answer} for {row['answer']}"


def bytes_there(row: Case) -> int:
    """Bytes that the call can move at most: a device never grows, and its size counts whole KiB (chapter 1)."""
    raw, length = row["consumer"] == "raw", int(row["length_bytes"])
    if not raw and row["direction"] != "read":
        return length
    end = row["file_bytes"] // KIB * KIB if raw else row["file_bytes"]
    return min(length, int(end) - int(row["offset"]))


def _outcome(events: tuple[Event, ...]) -> tuple[Any, ...]:
    """How a chunk was pinned, and how it was passed on or failed; None for what did not happen."""
    return _one(events, rawio.Pinned), _one(events, rawio.Mapped), _one(events, rawio.Failed)


def _one(events: tuple[Event, ...], kind: type) -> Any:
    return next(iter(of_kind(events, kind)), None)


TABLES = {"map": pinning, "read": whole_read}
