"""Exercises of csum_trail: what a load touches, a tail that stays within its buffer, and what the fix costs."""

from collections.abc import Callable, Mapping
from typing import Any

from vmteach.exercises import Goal, Guesses, Option, Question, Task, Verdict, misfit, not_yet, right
from vmteach.machine import PRESETS
from vmteach.patches.csum_trail import PATCHED, POLICIES, UNPATCHED, Loaded, Scenario, schedule, simulate

NEEDS = """\
from vmteach.machine import PRESETS
from vmteach.patches.csum_trail import Scenario
"""

PAGE = 4096
BEYOND = "bytes touched in the next page (B)"


def _bytes(count: int) -> str:
    return f"{count} byte{'s' * (count != 1)}"


# ---- touched


def _span(load: Loaded) -> tuple[int, int]:
    return load.address, load.address + load.width - 1


def check_touched(touched: Any, given: Mapping[str, Any]) -> Verdict:
    if not (isinstance(touched, tuple | list) and [type(byte) for byte in touched] == [int, int]):
        return not_yet("Write two whole numbers: the first byte that the load touches, and the last one.")
    first, last = touched
    if first > last:
        return not_yet("The first of the two is to be the lower one.")
    loads = list(schedule(given["start"], given["length"], POLICIES[UNPATCHED]))
    final = loads[-1]
    if (first, last) == _span(final):
        return right(f"A load of {_bytes(final.width)}, {max(0, last + 1 - PAGE)} of them in the next page.")
    if (first, last) in map(_span, loads):
        return not_yet("This kernel makes that load, but it is not its last one.")
    if (first, last) == (final.address, final.address + final.kept - 1):
        return not_yet("Those bytes are added to the sum. Which ones are loaded?")
    if (count := last + 1 - first) not in (1, 2, 4):
        return not_yet(f"You name {count} bytes. A load has 1, 2 or 4.")
    if (first, last) == _span(list(schedule(given["start"], given["length"], POLICIES[PATCHED]))[-1]):
        return not_yet("The kernel after ends with that load. The older prologue looks at fewer bits.")
    return not_yet("No load of this kernel is like that. Go through the prologue first: how many bytes does it use up?")


def _numbers(start: int, length: int) -> dict[str, int]:
    """A buffer, and the bytes of the last load as the model makes it."""
    first, last = _span(list(schedule(start, length, POLICIES[UNPATCHED]))[-1])
    return {"start": start, "length": length, "first": first, "last": last}


TOUCHED = Task(
    name="touched",
    rung="fill one line",
    minutes=5,
    asks="A buffer of $length bytes begins at byte $start of its page. Which is the first byte that the **last** load "
    "of the kernel before touches, and which is the last one? Bytes of the next page count on after 4095.",
    stub="""\
touched = (0, 0)  # the first and the last byte that the last load touches
""",
    answer="touched",
    solution="""\
touched = ($first, $last)
""",
    hints=(
        "Three parts, one after the other: the prologue, the loads of four, the tail.",
        "Divide $start by four. What is left over gives the two low bits; at which of them does this prologue look?",
        "From byte 4070 on: it is 4068 + 2, so bit 1 is set and bit 0 is not. Two bytes are used up, and "
        "the loop begins at byte 4072.",
    ),
    reason="The last load touches the bytes $first to $last. It is four bytes wide, however few are wanted.",
    wrong_turn="To stop where the buffer does. The mask keeps no more, but the load comes before the mask.",
    kernel="The routine of 2.4.18 tests bit 1 of the address only, and its tail is one load of four bytes and a mask.",
    check=check_touched,
    variants=(_numbers(4091, 5), _numbers(4073, 10), _numbers(4086, 9), _numbers(4087, 6)),
)


# ---- tail


def _walked(width: Callable[[int, int], Any], address: int, left: int) -> tuple[int, int] | str:
    """How many loads the rule makes, and the byte that they reach; or why they cannot be made."""
    loads, at, end = 0, address, address + left
    while at < end:
        got = width(at, end - at)
        if problem := misfit(got, int):
            return problem
        if got not in (1, 2, 4):
            return f"A load has 1, 2 or 4 bytes, and your rule asks for {got}."
        loads, at = loads + 1, at + got
    return loads, at


def check_tail(width: Any, _: Mapping[str, Any]) -> Verdict:
    made = []
    for end in (100, 101, 102, 103, *range(PAGE - 3, PAGE + 1)):
        for left in (1, 2, 3):
            walked = _walked(width, end - left, left)
            if isinstance(walked, str):
                return not_yet(walked)
            made.append((end, f"{_bytes(left)} left from byte {end - left} on", *walked, left.bit_count()))
    for _end, where, _loads, reached, _fewest in made:
        if reached > PAGE:
            return not_yet(f"With {where}, you touch {_bytes(reached - PAGE)} of the next page.")
    for end, where, _loads, reached, _fewest in made:
        if reached > end:
            behind = _bytes(reached - end)
            return not_yet(f"No load leaves the page. But with {where}, you touch {behind} past the buffer.")
    for _end, where, loads, _reached, fewest in made:
        if loads > fewest:
            return not_yet(f"Nothing past the buffer is touched. But with {where}, you make {loads} loads: too many.")
    return right("No byte past the buffer is touched, and no load is made in vain. The address does not matter.")


TAIL = Task(
    name="tail",
    rung="change one rule",
    minutes=6,
    asks="Keep the older prologue and write another tail, without the patch's guard. `left` bytes (1 to 3) are left, "
    "from byte `address` on; say how wide the next load is: 1, 2 or 4. You are asked again until nothing is left. "
    "No load may touch a byte **past the buffer**, wherever a page ends, and the loads are to be **as few as "
    "possible**.",
    stub="""\
def width(address, left):
    return 4  # bytes of the next load
""",
    answer="width",
    solution="""\
def width(address, left):
    return 2 if left >= 2 else 1
""",
    hints=(
        "When does a load stay within the buffer? Compare its width with something.",
        "Go through the three values of `left`. How few loads can there be for each of them?",
        "With one byte left only a load of 1 byte stays within the buffer. With three left, 4 is too wide and no load "
        "has 3: there must be two loads.",
    ),
    reason="A load that is no wider than what is left cannot leave the buffer, and so not the page, aligned or not: "
    "`left >= 2` allows a load of two bytes.",
    wrong_turn="To ask for an even address as well. A load of two bytes at an odd address is not aligned, but "
    "what harms is crossing into a page that is not there, and it cannot cross inside of a buffer within one page.",
    kernel="The patch, as it is inferred, kept the wide load and looked for the end of the page first. Some routines "
    "of today do the tail in halfwords and bytes.",
    check=check_tail,
)


# ---- cost


def check_cost(mine: Any, _: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, Scenario):
        return not_yet("Hand in a `Scenario(...)`: a machine, a length, and what is left after it.")
    if mine.machine not in PRESETS.values():
        return not_yet("Take a machine of the panel, as it is.")
    before, after = (simulate(mine, POLICIES[label]).numbers for label in (UNPATCHED, PATCHED))
    if before["oops"] == "yes":
        return not_yet("The kernel before has an oops there. Against that no number of loads counts.", 0)
    old, new = int(before["loads"]), int(after["loads"])
    if new > old:
        return right(f"No oops in either, and {new} loads in place of {old}.", round(100 * (new - old) / old, 1))
    if mine.offset % 2 == 0:
        return not_yet(f"The buffer begins at byte {mine.offset}, and both prologues do the same there.", 0)
    return not_yet(f"Both make equally many loads, even with an odd start, as byte {mine.offset} is.", 0)


COST = Task(
    name="cost",
    rung="break it",
    minutes=6,
    asks="Find a buffer with which the newer prologue only **costs**: the kernel before has no oops, and the kernel "
    "after makes more loads. The score is how many more, in percent; get as many as you can. Fields: `machine`, "
    "`length`, `behind` (bytes of the page after the buffer), `neighbour`.",
    stub="""\
mine = Scenario()  # your buffer
""",
    answer="mine",
    solution="""\
mine = Scenario(length=4, behind=3)
""",
    hints=(
        "For which starts do the two prologues not do the same?",
        "`simulate(mine, POLICIES[PATCHED]).numbers` says how many loads there are. The share is large if few.",
        "6 bytes with 1 after them begin at byte 4089. After has a load of 1, one of 2, and a tail for 3 bytes: three "
        "loads. Before has two, and an oops. Its tail is the trouble: when is there none?",
    ),
    reason="At byte 4089 one load of four takes the whole buffer before, with no tail. After, there are loads of "
    "one, two and one bytes (the last is four wide): three for one, 200 percent more.",
    wrong_turn="To take a long buffer. The newer prologue makes two loads more at the most, which is "
    "little beside hundreds.",
    kernel="After an odd start kernel 2.4.22 pays up to two loads more, whether or not a page was in danger. What a "
    "load costs in time is not in this model.",
    check=check_cost,
)

EXERCISES = (TOUCHED, TAIL, COST)


# ---- the explorer


def check_earlier(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    here = numbers[UNPATCHED]
    if here["oops"] == "yes" and state["behind"]:
        return right(f"{_bytes(state['behind'])} left in the page, and still the last load leaves it.")
    if here["oops"] == "yes":
        return not_yet("An oops, but the buffer ends where its page does.")
    if here[BEYOND]:
        return not_yet("The next page is touched, and on this machine it is there.")
    return not_yet("No load of the kernel before leaves the page here.")


def check_unharmed(_: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    here = numbers[UNPATCHED]
    if not here[BEYOND]:
        return not_yet("No load of the kernel before leaves the page here.")
    if here["oops"] == "yes":
        return not_yet("The next page is touched, and it is not there: an oops.")
    return right("A byte of somebody else's is loaded and masked off, and nobody ever knows.")


GOALS = (
    Goal(
        name="earlier",
        asks="An oops in the kernel before, although the buffer does **not** end at the end of its page.",
        check=check_earlier,
        hints=(
            "The tail's load must leave the page. At which byte does it begin then, after an odd start?",
            "It must begin at byte 4093, and have fewer than three bytes to keep.",
        ),
        reason="Leave 1 byte and take 2 bytes of buffer, or leave 2 bytes and take 1: their tail begins at byte 4093.",
        needs=(UNPATCHED,),
    ),
    Goal(
        name="unharmed",
        asks="The kernel before loads a byte of the next page, and there is **no** oops.",
        check=check_unharmed,
        hints=("What does the size of the machine decide?", "In which memory is there always a page after a page?"),
        reason="A machine without high memory, such as 256 MB: all of its memory is mapped, page after page.",
        needs=(UNPATCHED,),
    ),
)


# ---- without looking back

RECALL = (
    Question(
        "The extra byte is masked off. Why can it hurt at all?",
        (
            Option("Because it changes the sum.", "The mask takes care of that: the sum was right every time."),
            Option("Because the load comes before the mask, and needs the page.", "No page, no load, no mask.", True),
            Option("Because the load is not aligned.", "This processor makes such loads. Crossing is the harm."),
        ),
    ),
    Question(
        "Why can an aligned load of four bytes never lie in two pages?",
        (
            Option("Because a page ends at a multiple of four, and so does the load.", "Nothing else is needed.", True),
            Option("Because the processor forbids it.", "It forbids nothing: it makes misaligned loads, and they can."),
            Option("Because the buffer ends before the page does.", "It may end with it; the load asks for no buffer."),
        ),
    ),
    Question(
        "What must be shown before a fix is dropped?",
        (
            Option("That nobody has met the bug for a year.", "This one needs four conditions at once: it is seldom."),
            Option("That the author of the fix agrees.", "He may err. It is the code that must be looked at."),
            Option(
                "That no input needs it, by a check that could fail.", "All inputs are tried, and it can fail.", True
            ),
        ),
    ),
)


# ---- the prediction

GUESSES = {
    "beyond": Guesses(
        1,
        {
            0: (
                "The buffer ends with its page, but the last load need not: it takes four bytes even where three "
                "are left."
            ),
            2: "Two would need a load at an even place. The start is odd, and steps of two and four leave it so.",
            3: (
                "Three would need a load at the page's last byte. From this start all loads of four leave 1 when "
                "their address is divided by four: the last is at 4093."
            ),
            4: "Four would be a load that has no byte of the buffer. There is none.",
        },
    ),
}
