"""Exercises of rawio: counting pages and bytes, a rule for a short list, what the strict rule throws away."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vmteach.exercises import Goal, Guesses, Option, Question, Task, Verdict, misfit, not_yet, right
from vmteach.machine import KIB, PRESETS
from vmteach.patches import rawio
from vmteach.patches.rawio import PATCHED, POLICIES, SHORT, UNPATCHED, Scenario, pages_wanted, simulate

NEEDS = "from vmteach.patches.rawio import Scenario, pages_wanted\n"

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
        walked = next(event.walked for event in events if isinstance(event, rawio.Flushed))
        return walked, next(event.length for event in events if isinstance(event, rawio.Mapped))

    def __str__(self) -> str:
        begins = "on" if not self.va % self.page else "within"
        return f"{self.got} of {self.wanted} pages got, {self.length:,} bytes that begin {begins} a page"


# ---- count


def check_count(mine: Any, given: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, tuple | list) or len(mine) != 2 or any(misfit(value, int, float) for value in mine):
        return not_yet("Give two numbers: pages wanted, and bytes covered.")
    buffer: Buffer = given["buffer"]
    pages, covered = mine
    true = buffer.wanted, buffer.short[1]
    if (pages, covered) == true:
        return right("Up at the end, down at the beginning; and the first page covers only what is left of it.")
    if (covered, pages) == true:
        return not_yet("Both numbers are there, but the pages come first.")
    if pages == -(-buffer.length // buffer.page) != true[0]:
        return not_yet("So many pages would do if the buffer began on a page border. Where does it begin?")
    if pages == true[0] + 1:
        return not_yet("One page too many. Which is the last byte of the buffer, and in which page does it lie?")
    if pages != true[0]:
        return not_yet("The pages are not right yet. Number them: in which one is the first byte, in which the last?")
    if covered == buffer.got * buffer.page:
        return not_yet("So much is in the pages. But their first bytes do not belong to the buffer.")
    return not_yet("The pages are right, the bytes are not. Where does the last page end that was got?")


COUNT = Task(
    name="count",
    rung="fill one line",
    minutes=4,
    asks="A buffer at $va is $length bytes long; a page has $page bytes. How many pages are wanted? And $got of them "
    "got: how many bytes of the buffer does that cover?",
    stub="""\
va, length, page, got = $va, $length, $page, $got
mine = (0, 0)  # pages wanted, bytes covered
""",
    answer="mine",
    solution="""\
va, length, page, got = $va, $length, $page, $got
mine = (-(-(va + length) // page) - va // page, min(length, got * page - va % page))
""",
    hints=(
        "Number the pages. In which one does the first byte lie, and in which one the last?",
        "In hexadecimal the last three digits are the place within a page of 4096 bytes. The first page is partly "
        "somebody else's.",
        "The buffer of the step by hand, at 0x1200, has 0x200 bytes of its first page before it. So that "
        "page covers 0x1000 - 0x200 bytes.",
    ),
    reason="The end is rounded up and the beginning down. What the pages cover begins with the buffer and ends with "
    "the last page that was got.",
    wrong_turn="To divide the length by the page. A buffer of two bytes needs two pages if a border runs between them.",
    kernel="`map_user_kiobuf` counts like this. In 2.4.22 it then records the length as it was asked for, whatever "
    "number of pages it got.",
    check=check_count,
    variants=tuple(
        {"va": f"0x{b.va:X}", "length": f"0x{b.length:X}", "page": b.page, "got": b.got, "buffer": b}
        for b in (Buffer(0x1FF0, 0x20, 4096, 1), Buffer(0x1200, 0x2E00, 4096, 2), Buffer(0x6000, 0x8000, 16384, 1))
    ),
)


# ---- keep

SMALL, LARGE = 4096, 16384
SIZES = (0x4000, 0x4000, SMALL, 3), (0x4200, 0x4000, SMALL, 1), (0x4200, 0x3E00, SMALL, 4), (0x4200, 0x100, SMALL, 1)
LISTS = [Buffer(*sizes) for sizes in (*SIZES, (0x8000, 0x20000, LARGE, 7))]


def check_keep(keep: Any, _: Mapping[str, Any]) -> Verdict:
    for buffer in LISTS:
        answer = keep(*buffer)
        if not isinstance(answer, Sequence) or len(answer) != 3 or any(misfit(n, int, float) for n in answer):
            return not_yet("Give three numbers: pointers to walk, bytes to record, pages to release at once.")
        (walked, recorded, released), (walk, record) = answer, buffer.short
        if released:
            return not_yet(f"{buffer}: that lets pages go at once. They are to be kept, for the disk to write into.")
        if walked > walk:
            return not_yet(f"{buffer}: that walks {walked} pointers, and not all of them were set.")
        if walked < walk:
            return not_yet(f"{buffer}: a page that was got is not flushed.")
        if recorded > buffer.length:
            return not_yet(f"{buffer}: that records {recorded:,} bytes, more than were asked for.")
        if recorded != record:
            fewer = "fewer" if recorded > record else "more"
            return not_yet(f"{buffer}: that records {recorded:,} bytes, and the pages cover {fewer}.")
    return right("Pages and length say the same, and nothing is walked that was not set.")


KEEP = Task(
    name="keep",
    rung="change one rule",
    minutes=7,
    asks="This is what the kernel before does with a list of pinned pages: how many pointers it walks, how many bytes "
    "it records, how many pages it releases at once. Change the rule so that a short list keeps the pages that were "
    "got, walks nothing stale, and records just what they cover. `got` is at least 1, and it may be all.",
    stub='''\
def keep(va, length, page, got):
    """Pointers to walk, bytes to record, pages to release at once."""
    return pages_wanted(va, length, page), length, 0
''',
    answer="keep",
    solution='''\
def keep(va, length, page, got):
    """Pointers to walk, bytes to record, pages to release at once."""
    return got, min(length, got * page - va % page), 0
''',
    hints=(
        "Two of the three numbers are wrong when the list is short. Which one is right already?",
        "How many pointers were set? And where does the last page end that was got, counted from the buffer's first "
        "byte?",
        "At 0x4200 one page covers 0xE00 bytes, up to 0x5000. But if only 0x100 bytes are wanted, then it is 0x100.",
    ),
    reason="As many pointers were set as pages were got. These cover all up to the end of the last one, less what "
    "stands before the buffer in the first, and never more than was asked for.",
    wrong_turn="To mend the walk and leave the length. No stale pointer is walked here, but the length is a promise "
    "that the list does not keep, and the next reader breaks it.",
    kernel="This is the rule that the chapter calls short. Whether the patch had it or the strict one is not known. "
    "Pages and length are two figures that must agree, which makes two chances to be wrong.",
    check=check_keep,
)


# ---- thrown


def check_thrown(mine: Any, _: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, Scenario) or mine.machine not in PRESETS.values():
        return not_yet("Hand in a `Scenario(...)` with one of the machines in `PRESETS`.")
    sizes = (mine.length_kib, mine.limit_kib, mine.va, mine.vm_passes, mine.vm_cache_scan_ratio)
    if any(misfit(size, int) for size in sizes) or mine.length_kib > 16384:
        return not_yet("Take whole numbers, and a read of 16384 KiB at most.")
    before, after = (simulate(mine, POLICIES[label]).numbers for label in (UNPATCHED, PATCHED))
    if before["ends with"] == rawio.WILD:
        return not_yet("There the kernel before ends with a wild access. Nobody would have it back for that.")
    if before["pages got"] == before["pages wanted"]:
        return not_yet("There every page is got, so both kernels do the same.")
    lost = (int(before[COVERED]) - int(after[COVERED])) // KIB
    if not lost:
        return not_yet("The read is short, but no chunk is: the last one gets no page, and both kernels report it.")
    return right("The score is how many KiB the kernel before delivers and the strict one does not.", lost)


THROWN = Task(
    name="thrown",
    rung="break it",
    minutes=6,
    asks="The strict rule is safe, and it has a price. Find a scenario in which the kernel **before** delivers more of "
    "the file than the kernel **after**, with no wild access. Fields: `machine`, `length_kib`, `limit_kib`, `va`, "
    "`vm_cache_scan_ratio`, `vm_passes`. The score is how many KiB more; get as many as you can.",
    stub="""\
mine = Scenario(limit_kib=1024)  # change me
""",
    answer="mine",
    solution="""\
mine = Scenario(limit_kib=508)
""",
    hints=(
        "What does the strict rule do with the pages of a chunk of which one is missing?",
        "A chunk is 512 KiB, and earlier chunks are safe. How many of a chunk's pages can be got while it is still "
        "short?",
        "A room of 768 KiB fills one chunk, and half of the second: 256 KiB are thrown away. Which room leaves just "
        "one page of a chunk unfilled?",
    ),
    reason="One page is missing at the end of a chunk, and the strict rule releases the 127 others. On a machine whose "
    "flush is empty the kernel before hands them on.",
    wrong_turn="To make the read longer. All chunks before the short one are delivered by both kernels: no more than "
    "one chunk can be lost.",
    kernel="If the first chunk fails, the program gets an honest error, and can ask again with a smaller buffer. "
    "What the kernel before delivers here comes with a length that is too large.",
    check=check_thrown,
)

EXERCISES = (COUNT, KEEP, THROWN)


# ---- the explorer


def check_all_or_none(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    if state["limit_kib"] >= state["length_kib"]:
        return not_yet("The tmpfs is to have less room than the read is long.")
    if stale := numbers[UNPATCHED][STALE]:
        return not_yet(f"The kernel before walks {stale} stale pointers.")
    return right("Some chunk gets no page at all, and this is an error that every kernel reports.")


def check_memory(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    if state["limit_kib"] < state["length_kib"]:
        return not_yet("The tmpfs is to have room enough for the read.")
    if not (stale := numbers[UNPATCHED][STALE]):
        return not_yet("The kernel before walks no stale pointer.")
    return right(f"{stale} stale pointers, and the tmpfs had room: memory ended within a chunk.")


GOALS = (
    Goal(
        name="none",
        asks="No stale pointer in the kernel before, although the tmpfs has less room than the read is long.",
        check=check_all_or_none,
        hints=("A chunk is 512 KiB. Which lists are not short?", "What if not one page of a chunk is got?"),
        reason="A room that ends where a chunk ends: none, or 512 KiB. The next chunk gets no page, and that is an "
        "error, not a short list.",
        needs=(UNPATCHED,),
    ),
    Goal(
        name="memory",
        asks="Stale pointers in the kernel before, although the tmpfs has room enough for the read.",
        check=check_memory,
        hints=(
            "How much of the lists does a caller see in 6 passes, each over 1/`vm_cache_scan_ratio` of them?",
            "The clean pages stand behind the pinned half. On a small machine few pages are free to begin with.",
        ),
        reason="Much room, a small machine, and a large ratio: six passes end among the pinned pages. From 1 GB up the "
        "free memory is enough for 1 MiB.",
        needs=(UNPATCHED,),
    ),
)


# ---- without looking back

RECALL = (
    Question(
        "Which result of `get_user_pages` was forgotten?",
        (
            Option("An error, with no page.", "A negative result was taken for a failure, then as now."),
            Option("Some of the pages.", "Neither an error nor all: a part, and it was taken for the whole.", True),
            Option("All of the pages.", "This is the one result for which the kernel before is right."),
        ),
    ),
    Question(
        "Why did the bug do nothing visible on most i386 machines?",
        (
            Option("Pages are smaller there.", "The list is as short there, and the length as wrong."),
            Option("The maplist is cleared there.", "It is cleared nowhere: old pointers stand in it."),
            Option("The flush is empty there.", "And the block path counts pages, not bytes: it stops in time.", True),
        ),
    ),
    Question(
        "What must be released on the strict path?",
        (
            Option("Every page that was got.", "A failed call must leave no page pinned.", True),
            Option("Every page that was wanted.", "Behind those that were got stand pointers of an earlier read."),
            Option("Nothing: the call has failed.", "Then the pages would stay pinned, and nobody would know of them."),
        ),
    ),
)


# ---- the prediction

GUESSES = {
    "handed": Guesses(
        128,
        {
            192: "All that can be got. But 64 of them are the second chunk's, and strict releases a chunk that is "
            "short.",
            64: "That is what the second chunk gets. It is short, and strict releases it.",
            0: "The request goes in chunks of 512 KiB. The first is complete, and on its way before the second fails.",
            256: "All that were wanted. The tmpfs has room for three quarters of that.",
        },
    ),
}
