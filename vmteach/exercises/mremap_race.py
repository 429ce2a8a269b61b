"""Exercises of mremap_race: the second look, another way into the crash, a repair without a test, a blind test."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from vmteach.exercises import Goal, Guesses, Option, Question, Task, Verdict, misfit, not_yet, right
from vmteach.kernel.threads import State, Stepped, replay
from vmteach.machine import PRESETS
from vmteach.patches import mremap_race as race
from vmteach.patches.mremap_race import INVARIANTS, POLICIES, UNPATCHED, Clearer, Policy, Scenario

NEEDS = """\
from vmteach.machine import PRESETS
from vmteach.patches.mremap_race import Clearer, Policy, Scenario
"""

VALUES = {race.NONE, race.PRESENT, race.SWAP}


# ---- seen


def check_seen(seen: Any, given: Mapping[str, Any]) -> Verdict:
    if not isinstance(seen, set | frozenset | list | tuple) or not all(value in tuple(VALUES) for value in seen):
        return not_yet('Write a set with some of "none", "present" and "swap entry".')
    found, true = set(seen), _seen(given["scenario"])
    if found == true:
        return right("All that can be found there, over every order of the steps.")
    if found < true:
        return not_yet("What you have can be found. But C may come earlier, later, or in between: is that all?")
    if race.PRESENT not in found:
        return not_yet("Must C have come by then? Nobody makes it hurry.")
    return not_yet("Not all of that can be found. When can C come (M4 to M7), and what does **this** C leave behind?")


def _seen(scenario: Scenario) -> set[str]:
    """What the entry holds when M, which has found it present, stands at M9, over all orders of the kernel before."""
    there = (state.data for state in _states(scenario) if state.at[0] == "M9")
    return {tables.old for tables in there if tables.kept == race.PRESENT}


def _states(scenario: Scenario) -> Iterator[State]:
    program = race.program(scenario, POLICIES[UNPATCHED])
    known, front = {program.start}, [program.start]
    while front:
        state = front.pop()
        yield state
        new = {after for _, after in program.moves(state)} - known
        known |= new
        front += new


def _variant(clearer: Clearer, table: bool) -> Mapping[str, Any]:
    scenario = Scenario(clearer=clearer, table_present=table)
    answer = ", ".join(f'"{value}"' for value in sorted(_seen(scenario)))
    return {"scenario": scenario, "who": clearer.value, "is": "there" if table else "missing", "answer": answer}


SEEN = Task(
    name="seen",
    rung="fill one line",
    minutes=4,
    asks="One thread M, version 1, and one thread C: $who. The target's table is $is. M has found the "
    "source entry present at M3, and comes to M9. Which values may the entry have **there**, "
    "over all orders of the steps?",
    stub="""\
seen = set()  # some of "none", "present", "swap entry"
""",
    answer="seen",
    solution="""\
seen = {$answer}
""",
    hints=(
        "Which lock does C need, and from where to where does M not hold it?",
        "Two things decide: whether C can come between M3 and M9, and what it leaves behind if it does.",
        "Two extremes are enough. Let C come when M is through: what does M9 find? Then let it come as early as M3 and "
        "its locks allow.",
    ),
    reason="Here it is {$answer}. What C can do before M9, it may do or not do; and where M never drops the lock after "
    "M3, nothing can change.",
    wrong_turn="To take the first look for good, because M holds `mmap_sem` all the time. C never asks for that lock.",
    kernel="A kernel could keep a few free page tables in stock and never sleep here. Then the lock is not dropped, as "
    "long as the stock lasts: the bug is rarer, not gone.",
    check=check_seen,
    variants=(
        _variant(Clearer.TRUNCATE, table=False),
        _variant(Clearer.ANON, table=False),
        _variant(Clearer.ANON, table=True),
        _variant(Clearer.FILE, table=False),
    ),
)


# ---- turns


def check_turns(turns: Any, _: Mapping[str, Any]) -> Verdict:
    if not isinstance(turns, str):
        return not_yet("Write the turns as one text, names with blanks between them.")
    try:
        events = replay(race.program(Scenario(), POLICIES[UNPATCHED]), turns.split()[:100])
    except ValueError as error:
        return not_yet(f"There are two threads here: {error}.")
    order = [event.at for event in events if isinstance(event, Stepped)]
    if "M6" not in order or "C1" not in order[: order.index("M6")]:
        return not_yet("C is to take its first step before M takes M6.")
    if "M10" not in order:
        return not_yet(f"M does not come to M10: its last step is {[at for at in order if at[0] == 'M'][-1]}.")
    if len(order) != len(race.found(Scenario(), POLICIES[UNPATCHED]).shortest):
        return not_yet(f"A crash, after {len(order)} steps. The way of the picture has fewer or as many: end at M10.")
    return right("M6 needs no lock. So C may have its lock before M has even asked for memory.")


TURNS = Task(
    name="turns",
    rung="fill one line",
    minutes=5,
    asks="The shortest way is not the only one of its length. Write an order of turns in which C takes its first step "
    "**before M6**, and version 1 still crashes after as few steps as in the picture.",
    stub="""\
turns = "M M M M M M C C C M M M M"  # the way of the picture: write yours
""",
    answer="turns",
    solution="""\
turns = "M M M M M C M C C M M M M"
""",
    hints=(
        "C needs `PTL`. After which step of M is it free?",
        "And what must not happen before C has given it back? M takes it again at M7.",
        "After five turns of M the lock is free, and M6 is next. Whoever gets the sixth turn decides.",
    ),
    reason="C takes `PTL` right after M5. M6 needs no lock, so M may ask for its page meanwhile.",
    wrong_turn="To let C begin before M2. It then keeps the lock until the entry is cleared, and M finds that at M3.",
    kernel="This needs two processors, or one on which M is interrupted between the two steps.",
    check=check_turns,
)


# ---- repair

TESTS = tuple(
    Scenario(clearer=clearer, clearers=clearers, machine=PRESETS[machine])
    for machine, clearers in (("2 GB", 2), ("32 MB", 0))
    for clearer in Clearer
)


def check_repair(mine: Any, _: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, Policy) or not isinstance(mine.nothing, tuple):
        return not_yet("Hand in a `Policy(...)`: yes-or-no fields, and a tuple for `nothing`.")
    if any(misfit(getattr(mine, field.name), bool) for field in fields(mine) if field.name != "nothing"):
        return not_yet("The fields of a policy are True or False.")
    if mine.skips_if_gone:
        return not_yet("That is the test of version 2, or more than it. Do without: `skips_if_gone` stays False.")
    for scenario in TESTS:
        if kind := race.found(scenario, mine).breaks:
            who = f"{scenario.clearers} threads C ({scenario.clearer.value})" if scenario.clearers else "M alone"
            return not_yet(f"{scenario.machine.name}, {who}: {kind}, {INVARIANTS[kind]}.")
    return right("No order of steps breaks an invariant, and the second look need not be asked.")


REPAIR = Task(
    name="repair",
    rung="change one rule",
    minutes=6,
    asks="Version 2 asks the second look whether it found anything. Find a repair that does **without** that test: "
    "leave `skips_if_gone` as it is, and change another rule of version 1, so that nothing bad can happen with any "
    "kind of clearer. Fields: `nothing`, `atomic`, `drops_map`, `rereads`, `clears_old`, `table_first`.",
    stub="""\
mine = Policy(skips_if_gone=False)  # change me
""",
    answer="mine",
    solution="""\
mine = Policy(table_first=True)
""",
    hints=(
        "Why must the source be looked up a second time at all?",
        "Either the lock is dropped before anything was learned under it, or the pointer to the source stays good.",
        "Take `drops_map=False`: the pointer stays good, but the map is held while M sleeps, which is I4. Which other "
        "field has to do with the map, or with when M sleeps?",
    ),
    reason="Allocate first: then the lock is never dropped after the look-up. Another one is `atomic=False`: without "
    "atomic maps the pointer stays good, and an entry that is none is moved as none, which does no harm.",
    wrong_turn="To keep the value that M3 has read (`rereads=False`). It is written although the page has been freed.",
    kernel="Today's kernels allocate first. Plain 2.4.22 has no atomic maps; the faster version of the -aa kernel made "
    "the bug.",
    check=check_repair,
)


# ---- blind

WRONG = (race.CACHED, race.KEPT, race.SKIPS, race.LEAVES)


def check_blind(mine: Any, _: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, Scenario) or mine.machine not in PRESETS.values() or not isinstance(mine.clearer, Clearer):
        return not_yet("Hand in a `Scenario(...)` with a machine of `PRESETS` and a `Clearer`.")
    sizes = (mine.clearers, mine.mapped_mib, mine.vm_cache_scan_ratio, mine.addr, mine.length)
    if any(misfit(size, int) for size in sizes):
        return not_yet("Take whole numbers.")
    if race.found(mine, POLICIES[UNPATCHED]).breaks != "I1":
        return not_yet("Version 1 does not crash there. A test that never failed tells nothing about a repair.")
    passed = [label for label in WRONG if not race.found(mine, POLICIES[label]).breaks]
    if len(passed) < 2:
        return not_yet(f"The test finds {len(WRONG) - len(passed)} of the four wrong repairs. It is to be blinder.")
    most = " More do not get through any test that finds version 1." if len(passed) == 3 else ""
    return right(f"It lets through: {', '.join(passed)}. The score is how many.{most}", len(passed))


BLIND = Task(
    name="blind",
    rung="break it",
    minutes=7,
    asks="Four wrong repairs are among the policies, as `what if`. Somebody tests a repair with a single scenario, in "
    "which version 1 crashes. Find one that is as **blind** as can be: version 1 crashes there, and as many of the "
    "four as possible break nothing. Fields: `machine`, `clearers`, `clearer`, `mapped_mib`, "
    "`vm_cache_scan_ratio`. The score is how many wrong repairs pass.",
    stub="""\
mine = Scenario(clearers=2)  # change me
""",
    answer="mine",
    solution="""\
mine = Scenario(machine=PRESETS["32 MB"], clearers=0)
""",
    hints=(
        "The table of the clearers says who finds what. Which kind of clearer crashes version 1, and does little else?",
        "A page that is cleared but not freed makes no I3. And with nobody else about, is there anything left behind?",
        "`Scenario(clearer=Clearer.FILE)` lets two of them pass. There is a way to have an entry of a file cleared "
        "with no other thread at all: it is in the section Vary.",
    ),
    reason="M alone, whose own reclaim clears the entry of a file. Nothing is freed, so the cached value does no harm; "
    "there is no swap entry to skip; and the old entry is gone already. Only the kept map is seen.",
    wrong_turn="To take more threads for a harder test. What counts is what they leave behind, and when.",
    kernel="A repair that stops the crash of the report has passed one test. The invariants ask for the others.",
    check=check_blind,
)

EXERCISES = (SEEN, TURNS, REPAIR, BLIND)


# ---- the explorer


def check_alone(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    if state["clearers"]:
        return not_yet("No other thread may clear the entry.")
    happens = numbers[UNPATCHED]["what can happen"]
    if not happens.startswith("I1"):
        return not_yet(f"Version 1, M alone: {happens}.")
    return right("M's own request for memory has cleared the entry that M was moving.")


def check_larger(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    if state["machine"] != "1 GB" or state["mapped_mib"] > 12:
        return not_yet("The 1 GB machine is wanted, with 12 MiB of mapped pages at most.")
    return check_alone(state, numbers)


GOALS = (
    Goal(
        name="alone",
        asks="Crash version 1 with no other thread at all.",
        check=check_alone,
        hints=("Who else clears entries? Follow M6.", "How many pages does a pass of reclaim see on a small machine?"),
        reason="The 32 MB or the 256 MB machine: a sixth of its lists is less than the mapped pages in front, so the "
        "pass ends among them, and `swap_out` is called. With 16 MiB in front larger machines get there too: the pass "
        "tolerates 100 mapped pages for each page wanted (`vm_mapped_ratio`), 3,200 in all, and 16 MiB are 4,096.",
        needs=(UNPATCHED,),
    ),
    Goal(
        name="larger",
        asks="The same on the 1 GB machine, with no more than 12 MiB of mapped pages in front.",
        check=check_larger,
        hints=("The pass has to end sooner.", "One pass of reclaim looks at 1/`vm_cache_scan_ratio` of the lists."),
        reason="A `vm_cache_scan_ratio` of 60. A larger ratio is a shorter pass.",
        needs=(UNPATCHED,),
    ),
)


# ---- without looking back

RECALL = (
    Question(
        "What must be done after a lock was dropped and taken again?",
        (
            Option("Nothing, if no other CPU has run.", "The thread itself may have changed things, in its reclaim."),
            Option("Learn again, and expect to find nothing.", "Version 1 did the first half, not the second.", True),
            Option("Learn again what was learned under it.", "That is what version 1 did at M9. Who read the answer?"),
        ),
    ),
    Question(
        "Why does holding `mmap_sem` not keep truncate away?",
        (
            Option("M gives it back at M5.", "At M5 it gives `PTL` back. It holds `mmap_sem` to the end."),
            Option("It may be held by many at once.", "M holds it alone. But truncate never asks for it."),
            Option("Truncate comes from the file.", "It goes from there to the entries, and takes `PTL` alone.", True),
        ),
    ),
    Question(
        "How can one thread on one CPU race with itself?",
        (
            Option("Its own reclaim clears entries.", "It asks for memory, and clears what it was moving.", True),
            Option("It is interrupted by a timer.", "An interrupt alone changes no entry."),
            Option("It cannot: a race needs two.", "Two **activities** do, and one may be called by the other."),
        ),
    ),
)


# ---- the prediction

GUESSES = {
    "way": Guesses(
        13,
        {
            3: "These are the steps of C. M has to come to its read as well.",
            8: "After these the entry can be gone. M still has to come to its read.",
            10: "These are the steps of M. The three of C must come in between.",
            12: "The read itself is a step too.",
        },
    ),
}
