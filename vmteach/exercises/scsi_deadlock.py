"""Exercises of scsi_deadlock: reading a script, another way into it, a disk that is forgotten, what form 1 leaves."""

from dataclasses import replace

from vmteach.exercises import Answer, Faults, Given, Numbers, Position, check, not_yet, right, written
from vmteach.kernel.lockorder import cycle, lock_order
from vmteach.kernel.threads import Stepped, replay
from vmteach.machine import PRESETS
from vmteach.patches import scsi_deadlock as scsi
from vmteach.patches.scsi_deadlock import POLICIES, UNPATCHED, Policy, Scenario, simulate
from vmteach.run import of_kind

WAITING, DEADLOCK = "disks left waiting (worst end)", "deadlock"
FORM_1, FORM_2 = POLICIES[scsi.PATCHED], POLICIES["patched (form 2)"]
WORDS = 30  # of a script: enough for anything sensible, and soon explored


@check
def check_pairs(pairs: Answer, given: Given) -> Faults:
    found, true = _read_pairs(pairs), _pairs(given["script"])
    if found is None:
        return not_yet('Write pairs of two locks each, in a set, such as {("A", "B")}.')
    others = {name for pair in found for name in pair} - {"H", "Q"}
    yield others, f'The locks are "H" and "Q". You have {", ".join(sorted(map(repr, others)))}.'
    if found == true:
        ring = cycle(lock_order([_restart(given["script"]), scsi.dispatcher(Scenario(), FORM_1, 0)]))
        safe = "With the dispatchers' order that is a cycle: a deadlock can be." if ring else "No cycle: it is safe."
        return right(f"These are all. {safe}")
    if found == {(wanted, held) for held, wanted in true}:
        yield "These are turned round: in each pair the lock that is held comes first."
    for held, wanted in sorted(found - true):
        yield f'You have ("{held}", "{wanted}"). Stop at each +{wanted}, and in `run`: is {held} still held there?'
    return not_yet("Every pair that you have is there, but not all that are there. `run` takes a lock too.")


def _read_pairs(pairs: Answer) -> set[tuple[str, str]] | None:
    """Pairs of locks without their disks' numbers; None if the answer is something else."""
    if not isinstance(pairs, set | frozenset | list | tuple):
        return None
    try:
        return {(str(held).rstrip("0123456789"), str(wanted).rstrip("0123456789")) for held, wanted in pairs}
    except (TypeError, ValueError):
        return None


def _restart(script: str) -> Answer:
    return scsi.scsi_restart_operations(Scenario(disks=2), Policy(script))


def _pairs(script: str) -> set[tuple[str, str]]:
    """Which lock is held while which one is wanted, a queue's lock being Q."""
    return {(order.held[0], order.wanted[0]) for order in lock_order([_restart(script)])}


@check
def check_turns(turns: Answer, _: Given) -> Faults:
    yield not isinstance(turns, str), "Write the turns as one text, names with blanks between them."
    try:
        events = replay(scsi.program(Scenario(), POLICIES[UNPATCHED]), [*turns.split()[:100], "R0", "E"])
    except ValueError as error:
        return not_yet(f"There is one dispatcher and the recovery here: {error}.")
    taken = [event.thread for event in of_kind(events, Stepped)]
    stuck = sorted(event.wants for event in events[-2:] if not isinstance(event, Stepped))
    yield taken[:3] != ["E"] * 3, "The first three steps must be E's."
    if stuck != ["H", "Q0"]:
        yield "After these turns one of the two can still take a step, or is through. Print the story."
    return right("As soon as R0 has its queue's lock, nothing helps any more.")


READY = Scenario(dispatchers=2, disks=2)
BLOCKED = replace(READY, blocked=frozenset({0}))


@check
def check_forgotten(mine: Answer, _: Given) -> Faults:
    words = mine.restart.replace("[", " ").replace("]", " ").split()
    yield not mine.split, "With one lock for everything there is nothing to order. Keep `split` as it was."
    yield len(words) > WORDS, f"The script has {len(words)} words. A dozen are enough."
    try:
        ready, blocked = simulate(READY, mine).numbers, simulate(BLOCKED, mine).numbers
    except ValueError as error:
        return not_yet(f"The model cannot run that script: {error}.")
    if "reachable" in (ready[DEADLOCK], blocked[DEADLOCK]):
        yield "Some order of steps ends in a deadlock. Which lock is held while another one is wanted?"
    for numbers, where in (
        (ready, "even when none is blocked. Is everything started?"),
        (blocked, "behind the blocked one. Which word leaves the loop?"),
    ):
        yield numbers[WAITING], f"No deadlock, but {numbers[WAITING]} disk(s) left waiting {where}"
    if "+H" not in words:
        yield "No deadlock and no disk forgotten. But `H` is to be taken somewhere, and yours does without it."
    return right("The dispatch looks at the disk (R3) and at the host (R5) by itself.")


@check
def check_idle(mine: Answer, _: Given) -> Faults:
    yield mine.dispatchers > 3, "Take three dispatchers or fewer: the orders of more take long to walk."
    first, second = (scsi.found(mine, policy).waiting for policy in (FORM_1, FORM_2))
    if first <= second:
        yield "Form 1 and form 2 leave equally many disks waiting here. The patch does not lose yet."
    waiting = f"Disks left waiting: {first} with form 1, {second} with form 2."
    return right(f"{waiting} The score is the difference.", first - second)


@check
def check_crowd(state: Position, numbers: Numbers) -> Faults:
    here = numbers[UNPATCHED]
    yield (state["dispatchers"], state["disks"]) != (3, 3), "Set three dispatchers and three disks."
    if here[DEADLOCK] != "impossible":
        yield f"A deadlock can be reached here, after {here['way to the deadlock (steps)']} steps."
    return right("Many threads want the locks, and no deadlock: none ever finds a lock held.")


@check
def check_alone(state: Position, numbers: Numbers) -> Faults:
    here = numbers[UNPATCHED]
    yield PRESETS[state["machine"]].cpus < 2, "This machine has one CPU. Take one with several."
    if here[DEADLOCK] == "reachable":
        yield f"A cycle, and a deadlock too: after {here['way to the deadlock (steps)']} steps."
    return right("The cycle is in the code; the deadlock needs two threads that meet in it.")


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "scsi_deadlock",
    globals(),
    pairs=(
        {"script": "clear +H [check -H +Q run +H -Q] -H", "pairs": '{("Q", "H")}'},
        {"script": "clear +H [check +Q run -Q] -H", "pairs": '{("H", "Q"), ("H", "H"), ("Q", "H")}'},
        {"script": "clear +H [check -H +Q run -Q +H] -H", "pairs": '{("Q", "H")}'},
        {"script": "clear [+H +Q -H run -Q]", "pairs": '{("H", "Q"), ("Q", "H")}'},
    ),
)
