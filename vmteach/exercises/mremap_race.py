"""Exercises of mremap_race: the second look, another way into the crash, a repair without a test, a blind test."""

from collections.abc import Iterator

from vmteach.exercises import Answer, Faults, Given, Numbers, Position, check, not_yet, right, written
from vmteach.kernel.entry import INVARIANTS, NONE, PRESENT, SWAP, Clearer
from vmteach.kernel.threads import State, Stepped, replay
from vmteach.machine import PRESETS
from vmteach.patches import mremap_race as race
from vmteach.patches.mremap_race import POLICIES, UNPATCHED, Scenario
from vmteach.run import of_kind

VALUES = {NONE, PRESENT, SWAP}


@check
def check_seen(seen: Answer, given: Given) -> Faults:
    if not isinstance(seen, set | frozenset | list | tuple) or not all(value in tuple(VALUES) for value in seen):
        yield 'Write a set with some of "none", "present" and "swap entry".'
    found, true = set(seen), _seen(given["scenario"])
    if found == true:
        return right("All that can be found there, over every order of the steps.")
    yield found < true, "What you have can be found. But C may run earlier, later, or in between: is that all?"
    yield PRESENT not in found, "Must C have run by then? Nothing makes it hurry."
    return not_yet("Not all of that can be found. When can C run (M4 to M7), and what does **this** C leave behind?")


def _seen(scenario: Scenario) -> set[str]:
    """What the entry holds when M, which has found it present, stands at M9, over all orders of version 1."""
    there = (state.data for state in _states(scenario) if state.at[0] == "M9")
    return {tables.old for tables in there if tables.kept == PRESENT}


def _states(scenario: Scenario) -> Iterator[State]:
    program = race.program(scenario, POLICIES[UNPATCHED])
    known, front = {program.start}, [program.start]
    while front:
        state = front.pop()
        yield state
        new = {after for _, after in program.moves(state)} - known
        known |= new
        front += new


def _variant(clearer: Clearer, table: bool) -> Given:
    scenario = Scenario(clearer=clearer, table_present=table)
    answer = ", ".join(f'"{value}"' for value in sorted(_seen(scenario)))
    return {"scenario": scenario, "who": clearer.value, "is": "there" if table else "missing", "answer": answer}


@check
def check_turns(turns: Answer, _: Given) -> Faults:
    yield not isinstance(turns, str), "Write the turns as one text, names with blanks between them."
    try:
        events = replay(race.program(Scenario(), POLICIES[UNPATCHED]), turns.split()[:100])
    except ValueError as error:
        return not_yet(f"There are two threads here: {error}.")
    order = [event.at for event in of_kind(events, Stepped)]
    if "M6" not in order or "C1" not in order[: order.index("M6")]:
        yield "Let C take its first step before M takes M6."
    last = [at for at in order if at[0] == "M"][-1]
    yield "M10" not in order, f"M does not come to M10: its last step is {last}."
    if len(order) != len(race.found(Scenario(), POLICIES[UNPATCHED]).shortest):
        yield f"A crash, after {len(order)} steps. The way of the picture has fewer or as many: end at M10."
    return right("M6 needs no lock. So C may have its lock before M has even asked for memory.")


TESTS = tuple(
    Scenario(clearer=clearer, clearers=clearers, machine=PRESETS[machine])
    for machine, clearers in (("2 GB", 2), ("32 MB", 0))
    for clearer in (Clearer.TRUNCATE, Clearer.FILE, Clearer.ANON)
)


@check
def check_repair(mine: Answer, _: Given) -> Faults:
    if mine.skips_if_gone:
        yield "That is the test of version 2, or more than it. Do without: `skips_if_gone` stays False."
    for scenario in TESTS:
        who = f"{scenario.clearers} threads C ({scenario.clearer.value})" if scenario.clearers else "M alone"
        kind = race.found(scenario, mine).breaks
        yield kind, f"{scenario.machine.name}, {who}: {kind}, {INVARIANTS.get(kind, '')}."
    return right("No order of steps breaks an invariant, and the second look-up needs no test.")


WRONG = (race.CACHED, race.KEPT, race.SKIPS, race.LEAVES)


@check
def check_blind(mine: Answer, _: Given) -> Faults:
    yield mine.machine not in PRESETS.values(), "Hand in a `Scenario(...)` with a machine of `PRESETS`."
    if race.found(mine, POLICIES[UNPATCHED]).breaks != "I1":
        yield "Version 1 does not crash there. A test that never failed tells nothing about a repair."
    passed = [label for label in WRONG if not race.found(mine, POLICIES[label]).breaks]
    if len(passed) < 2:
        yield f"The test finds {len(WRONG) - len(passed)} of the four wrong repairs. It is to be blinder."
    most = " More do not get through any test that finds version 1." if len(passed) == 3 else ""
    return right(f"It lets through: {', '.join(passed)}. The score is how many.{most}", len(passed))


@check
def check_alone(state: Position, numbers: Numbers) -> Faults:
    happens = numbers[UNPATCHED]["what can happen"]
    yield state["clearers"], "No other thread may clear the entry."
    yield not happens.startswith("I1"), f"Version 1, M alone: {happens}."
    return right("M's own request for memory has cleared the entry that M was moving.")


@check
def check_larger(state: Position, numbers: Numbers) -> Faults:
    if state["machine"] != "1 GB" or state["mapped_mib"] > 12:
        yield "The 1 GB machine is wanted, with 12 MiB of mapped pages at most."
    return check_alone(state, numbers)


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "mremap_race",
    globals(),
    seen=(
        _variant(Clearer.TRUNCATE, table=False),
        _variant(Clearer.ANON, table=False),
        _variant(Clearer.ANON, table=True),
        _variant(Clearer.FILE, table=False),
    ),
)
