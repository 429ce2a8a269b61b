"""Exercises of rawio: counting pages and bytes, a rule for a short list, what the strict rule discards."""

from typing import NamedTuple

from vmteach.exercises import Answer, Faults, Given, Numbers, Position, are, check, not_yet, right, written
from vmteach.machine import KIB, PRESETS
from vmteach.patches import rawio
from vmteach.patches.rawio import PATCHED, POLICIES, SHORT, UNPATCHED, pages_wanted, simulate
from vmteach.run import of_kind

STALE, COVERED = "stale pointers walked", "bytes covered (B)"


class Buffer(NamedTuple):
    """A buffer, the page size, and how many of its pages were got."""

    va: int
    length: int
    page: int
    got: int

    @property
    def wanted(self) -> int:
        return pages_wanted(self.va, self.length, self.page)

    @property
    def short(self) -> tuple[int, int]:
        """Pointers walked and bytes recorded under the rule that keeps what was got."""
        answers = iter([""] * self.got + ["ENOMEM"])
        events = rawio.map_user_kiobuf(self.va, self.length, self.page, answers.__next__, POLICIES[SHORT])
        return of_kind(events, rawio.Flushed)[0].walked, of_kind(events, rawio.Mapped)[0].length

    def __str__(self) -> str:
        begins = "on" if not self.va % self.page else "within"
        return f"{self.got} of {self.wanted} pages got, {self.length:,} bytes that begin {begins} a page"


@check
def check_count(mine: Answer, given: Given) -> Faults:
    yield not are(mine, 2, int, float), "Give two numbers: pages wanted, and bytes covered."
    buffer: Buffer = given["buffer"]
    pages, covered = mine
    true = wanted, _ = buffer.wanted, buffer.short[1]
    if (pages, covered) == true:
        return right("Up at the end, down at the beginning; and the first page covers only what is left of it.")
    yield (covered, pages) == true, "Both numbers are there, but the pages come first."
    if pages == -(-buffer.length // buffer.page) != wanted:
        yield "So many pages would do if the buffer began on a page border. Where does it begin?"
    if pages == wanted + 1:
        yield "One page too many. Which is the last byte of the buffer, and in which page does it lie?"
    if pages != wanted:
        yield "The pages are not right yet. Number them: in which one is the first byte, in which the last?"
    if covered == buffer.got * buffer.page:
        yield "So much is in the pages. But their first bytes do not belong to the buffer."
    return not_yet("The pages are right, the bytes are not. Where does the last page end that was got?")


SMALL, LARGE = 4096, 16384
SIZES = (0x4000, 0x4000, SMALL, 3), (0x4200, 0x4000, SMALL, 1), (0x4200, 0x3E00, SMALL, 4), (0x4200, 0x100, SMALL, 1)
LISTS = [Buffer(*sizes) for sizes in (*SIZES, (0x8000, 0x20000, LARGE, 7))]


@check
def check_keep(keep: Answer, _: Given) -> Faults:
    for buffer in LISTS:
        answer = keep(*buffer)
        if not are(answer, 3, int, float):
            yield "Give three numbers: pointers to walk, bytes to record, pages to release at once."
        (walked, recorded, released), (walk, record) = answer, buffer.short
        if released:
            yield f"{buffer}: that lets pages go at once. They are to be kept, for the disk to write into."
        yield walked > walk, f"{buffer}: that walks {walked} pointers, and not all of them were set."
        yield walked < walk, f"{buffer}: a page that was got is not flushed."
        if recorded > buffer.length:
            yield f"{buffer}: that records {recorded:,} bytes, more than were asked for."
        if recorded != record:
            fewer = "fewer" if recorded > record else "more"
            yield f"{buffer}: that records {recorded:,} bytes, and the pages cover {fewer}."
    return right("Pages and length say the same, and nothing is walked that was not set.")


@check
def check_thrown(mine: Answer, _: Given) -> Faults:
    yield mine.machine not in PRESETS.values(), "Hand in a `Scenario(...)` with one of the machines in `PRESETS`."
    yield mine.length_kib > 16384, "Take a read of 16384 KiB at most."
    unpatched, strict = (simulate(mine, POLICIES[label]).numbers for label in (UNPATCHED, PATCHED))
    if unpatched["last chunk"] == rawio.WILD:
        yield "There the unpatched kernel follows a stale pointer. That is no reason to prefer it."
    if unpatched["pages got"] == unpatched["pages wanted"]:
        yield "There every page is got, so both kernels do the same."
    lost = (int(unpatched[COVERED]) - int(strict[COVERED])) // KIB
    if not lost:
        yield "The read is short, but no chunk is: the last one gets no page, and both kernels report it."
    return right("The score is how many KiB the unpatched kernel delivers and the strict rule does not.", lost)


@check
def check_none(state: Position, numbers: Numbers) -> Faults:
    stale = numbers[UNPATCHED][STALE]
    if state["limit_kib"] >= state["length_kib"]:
        yield "The tmpfs is to have less room than the read is long."
    yield stale, f"The unpatched kernel walks {stale} stale pointers."
    return right("Some chunk gets no page at all, and this is an error that every kernel reports.")


@check
def check_memory(state: Position, numbers: Numbers) -> Faults:
    stale = numbers[UNPATCHED][STALE]
    yield state["limit_kib"] < state["length_kib"], "The tmpfs is to have room enough for the read."
    yield not stale, "The unpatched kernel walks no stale pointer."
    return right(f"{stale} stale pointers, and the tmpfs had room: memory ended within a chunk.")


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "rawio",
    globals(),
    count=tuple(
        {"va": f"0x{b.va:X}", "length": f"0x{b.length:X}", "page": b.page, "got": b.got, "buffer": b}
        for b in (Buffer(0x1FF0, 0x20, 4096, 1), Buffer(0x1200, 0x2E00, 4096, 2), Buffer(0x6000, 0x8000, 16384, 1))
    ),
)
