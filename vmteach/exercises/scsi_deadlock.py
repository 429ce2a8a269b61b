"""Exercises of scsi_deadlock: reading a script, another way into it, a disk that is forgotten, what form 1 leaves."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vmteach.exercises import Goal, Guesses, Option, Question, Task, Verdict, not_yet, right
from vmteach.kernel.threads import Stepped, cycle, lock_order, replay
from vmteach.machine import PRESETS
from vmteach.patches import scsi_deadlock as scsi
from vmteach.patches.scsi_deadlock import POLICIES, UNPATCHED, Policy, Scenario, simulate

NEEDS = "from vmteach.patches.scsi_deadlock import Policy, Scenario\n"

WAITING, DEADLOCK = "disks left waiting (worst end)", "deadlock"
FORM_1, FORM_2 = POLICIES[scsi.PATCHED], POLICIES["later (form 2)"]
WORDS = 30  # of a script: enough for anything sensible, and soon explored


# ---- pairs


def check_pairs(pairs: Any, given: Mapping[str, Any]) -> Verdict:
    if not isinstance(pairs, set | frozenset | list | tuple):
        return not_yet('Write pairs of two locks each, in a set, such as {("A", "B")}.')
    try:
        found = {(str(held).rstrip("0123456789"), str(wanted).rstrip("0123456789")) for held, wanted in pairs}
    except (TypeError, ValueError):
        return not_yet('Write pairs of two locks each, in a set, such as {("A", "B")}.')
    names = {name for pair in found for name in pair}
    if not names <= {"H", "Q"}:
        return not_yet(f'The locks are "H" and "Q". You have {", ".join(sorted(map(repr, names - {"H", "Q"})))}.')
    true = _pairs(given["script"])
    if found == true:
        ring = cycle(lock_order([_restart(given["script"]), scsi.dispatcher(Scenario(), FORM_1, 0)]))
        safe = "With the dispatchers' order that is a cycle: a deadlock can be." if ring else "No cycle: it is safe."
        return right(f"These are all. {safe}")
    if found == {(wanted, held) for held, wanted in true}:
        return not_yet("These are turned round: in each pair the lock that is held comes first.")
    for held, wanted in sorted(found - true):
        return not_yet(
            f'You have ("{held}", "{wanted}"). Stop at each +{wanted}, and in `run`: is {held} still held there?'
        )
    return not_yet("Every pair that you have is there, but not all that are there. `run` takes a lock too.")


def _restart(script: str) -> Any:
    return scsi.scsi_restart_operations(Scenario(disks=2), Policy(script))


def _pairs(script: str) -> set[tuple[str, str]]:
    """Which lock is held while which one is wanted, a queue's lock being Q."""
    return {(order.held[0], order.wanted[0]) for order in lock_order([_restart(script)])}


PAIRS = Task(
    name="pairs",
    rung="fill one line",
    minutes=5,
    asks="Somebody posts a script: `$script`. Which pairs (held, wanted) does it have, its dispatch "
    '(`run`) and the way to the next disk included? Write them down with "H" and "Q", and decide whether '
    "the script is safe.",
    stub="""\
script = "$script"
pairs = set()  # your pairs, such as {("A", "B"), ("B", "C")}
""",
    answer="pairs",
    solution="""\
script = "$script"
pairs = $pairs
""",
    hints=(
        "Go through the words from left to right and keep a list of what is held.",
        "At each `+` pair every lock on the list with the one that is taken. `run` contains R4, which "
        "takes H. After the last word in the brackets the next disk begins.",
        "In the script `clear [+Q -Q +H -H]` the list is empty at `+Q` and empty again at `+H`: it has no pair at all, "
        "although both locks are taken.",
    ),
    reason="The pairs are `$pairs`. The dispatchers hold a Q while they want H. A script is safe if, "
    "together with that, there is no way round in a ring.",
    wrong_turn="To look at the order of the words. What counts is what is **held** when a lock is **wanted**.",
    kernel="In form 1, which this patch probably took (inferred), E holds nothing when it asks for a Q. "
    "Today a checker, lockdep, collects these pairs while the kernel runs.",
    check=check_pairs,
    variants=(
        {"script": "clear +H [check -H +Q run +H -Q] -H", "pairs": '{("Q", "H")}'},
        {"script": "clear +H [check +Q run -Q] -H", "pairs": '{("H", "Q"), ("H", "H"), ("Q", "H")}'},
        {"script": "clear +H [check -H +Q run -Q +H] -H", "pairs": '{("Q", "H")}'},
        {"script": "clear [+H +Q -H run -Q]", "pairs": '{("H", "Q"), ("Q", "H")}'},
    ),
)


# ---- turns


def check_turns(turns: Any, _: Mapping[str, Any]) -> Verdict:
    if not isinstance(turns, str):
        return not_yet("Write the turns as one text, names with blanks between them.")
    names = turns.split()[:100]
    try:
        events = replay(scsi.program(Scenario(), POLICIES[UNPATCHED]), [*names, "R0", "E"])
    except ValueError as error:
        return not_yet(f"There is one dispatcher and the recovery here: {error}.")
    taken = [event for event in events if isinstance(event, Stepped)]
    stuck = sorted(event.wants for event in events[-2:] if not isinstance(event, Stepped))
    if [event.thread for event in taken[:3]] != ["E"] * 3:
        return not_yet("The first three steps are to be E's.")
    if stuck != ["H", "Q0"]:
        return not_yet("After these turns one of the two can still take a step, or is through. Print the story.")
    return right("As soon as R0 has its queue's lock, nothing helps any more.")


TURNS = Task(
    name="turns",
    rung="fill one line",
    minutes=5,
    asks="The shortest way is not the only one. Write an order of turns in which **E takes the first three "
    "steps**, and the kernel before still ends in a deadlock after as few steps as in the picture.",
    stub="""\
turns = "R0 E R0 R0 E E"  # the way of the picture: write yours
""",
    answer="turns",
    solution="""\
turns = "E E E R0 R0 R0"
""",
    hints=(
        "After three steps E holds `H` and has not asked for `Q0` yet.",
        "What must R0 do to be in its way, and how far does it get before it wants `H`?",
        "R1 takes `Q0`. Then R0 looks at the flag (R2), which E has cleared: it goes on, and does not leave.",
    ),
    reason="E stands before E4, and `Q0` is free. R0 comes, takes it (R1), passes R2 and R3 because the "
    "recovery is over, and wants `H`.",
    wrong_turn="To let R0 begin, as the picture does. R0 may come at any time before E asks for its queue's lock.",
    kernel="On a machine with two processors the two really run at once; who comes first is a matter of nanoseconds.",
    check=check_turns,
)


# ---- forgotten

READY = Scenario(dispatchers=2, disks=2)
BLOCKED = replace(READY, blocked=frozenset({0}))


def check_forgotten(mine: Any, _: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, Policy):
        return not_yet('Hand in a `Policy("...")` with your script.')
    if not mine.split:
        return not_yet("With one lock for everything there is nothing to order. Keep `split` as it was.")
    words = mine.restart.replace("[", " ").replace("]", " ").split()
    if len(words) > WORDS:
        return not_yet(f"The script has {len(words)} words. A dozen are enough.")
    try:
        ready, blocked = simulate(READY, mine).numbers, simulate(BLOCKED, mine).numbers
    except ValueError as error:
        return not_yet(f"The model cannot run that script: {error}.")
    if "reachable" in (ready[DEADLOCK], blocked[DEADLOCK]):
        return not_yet("Some order of steps ends in a deadlock. Which lock is held while another one is wanted?")
    if waiting := ready[WAITING]:
        return not_yet(
            f"No deadlock, but {waiting} disk(s) left waiting even when none is blocked. Is everything started?"
        )
    if waiting := blocked[WAITING]:
        return not_yet(
            f"No deadlock, but {waiting} disk(s) left waiting behind the blocked one. Which word leaves the loop?"
        )
    if "+H" not in words:
        return not_yet(
            "No deadlock and no disk forgotten. But `H` is to be taken somewhere, and yours does without it."
        )
    return right("The dispatch looks at the disk (R3) and at the host (R5) by itself.")


FORGOTTEN = Task(
    name="forgotten",
    rung="change one rule",
    minutes=7,
    asks="Disk 0 is blocked for a while, disk 1 is ready and has a command, and E is the last one who can "
    "start it. Form 1 leaves its loop at the first blocked disk. Write a script that has no deadlock and "
    "leaves no disk waiting, and that still takes `H` somewhere.",
    stub="""\
mine = Policy("clear +H [check -H +Q run -Q +H] -H")  # change me
""",
    answer="mine",
    solution="""\
mine = Policy("clear +H [-H +Q run -Q +H] -H")
""",
    hints=(
        "One of the words may leave the brackets for good.",
        "Who else makes the same checks, a moment later? Look at R3 and R5.",
        "Take the host's counter: E reads it, and at R5 the dispatch reads it again, with `H` held. The "
        "same goes for the disk, at R3.",
    ),
    reason="Leave `check` out: the dispatch looks for itself. Then the `H` around it protects nothing, and "
    "what is left when you drop that too is form 2.",
    wrong_turn="To move `check` to another place. Wherever it stands, it leaves the loop and forgets the disks behind.",
    kernel="This is how the second repair, form 2, came to say that no host lock is needed.",
    check=check_forgotten,
)


# ---- idle


def check_idle(mine: Any, _: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, Scenario):
        return not_yet("Hand in a `Scenario(...)`: disks, dispatchers, and what is blocked.")
    if mine.dispatchers > 3:
        return not_yet("Take three dispatchers or fewer: the orders of more take long to walk.")
    first, second = (scsi.found(mine, policy).waiting for policy in (FORM_1, FORM_2))
    if first <= second:
        return not_yet("Form 1 and form 2 leave equally many disks waiting here. The patch does not lose yet.")
    return right(
        f"Disks left waiting: {first} with form 1, {second} with form 2. The score is the difference.", first - second
    )


IDLE = Task(
    name="idle",
    rung="break it",
    minutes=6,
    asks="Against the kernel before, this patch never loses in the model. Against the later repair (form "
    "2) it does. Find a scenario in which **form 1** leaves disks waiting at its worst end that form 2 "
    "would start. Fields: `disks` and `commands` (up to 4), `dispatchers` (up to 3), `can_queue`, "
    "`blocked` (a set of disk numbers, such as `{0}`). The score is how many disks; get as many as you can.",
    stub="""\
mine = Scenario()  # change me
""",
    answer="mine",
    solution="""\
mine = Scenario(disks=4, blocked={0})
""",
    hints=(
        "What makes E of form 1 leave its loop before the last disk?",
        "A blocked disk does, and so does a full host. Disks behind that point are not looked at.",
        "With `disks=2, blocked={1}` nothing is lost, for disk 1 is the last. Where should the "
        "blocked one stand, and how many should be behind it?",
    ),
    reason="E leaves at the first blocked disk, and all disks behind it stay as they are until somebody "
    "else comes. Form 2 goes through all of them. A full host (`can_queue=1`) does the same: E leaves at `check`, "
    "before any dispatch could mark the disks behind as starved. With form 2 R5 marks them.",
    wrong_turn="To block the last disk. Nothing stands behind it, so nothing is forgotten.",
    kernel="Nobody is harmed if a dispatcher comes along. But a disk whose last dispatcher has left waits "
    "for its next request.",
    check=check_idle,
)

EXERCISES = (PAIRS, TURNS, FORGOTTEN, IDLE)


# ---- the explorer


def check_crowd(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    if (state["dispatchers"], state["disks"]) != (3, 3):
        return not_yet("Three dispatchers and three disks are wanted.")
    here = numbers[UNPATCHED]
    if here[DEADLOCK] == "impossible":
        return right("Many who want the locks, and no deadlock: nobody ever finds a lock held.")
    return not_yet(f"A deadlock can be reached here, after {here['way to the deadlock (steps)']} steps.")


def check_alone(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    here = numbers[UNPATCHED]
    if PRESETS[state["machine"]].cpus < 2:
        return not_yet("This machine has one CPU. Take one with several.")
    if here[DEADLOCK] == "reachable":
        return not_yet(f"A cycle, and a deadlock too: after {here['way to the deadlock (steps)']} steps.")
    return right("The cycle is in the code; the deadlock needs two threads that meet in it.")


GOALS = (
    Goal(
        name="crowd",
        asks="Three dispatchers, three disks, and yet no deadlock in the kernel before.",
        check=check_crowd,
        hints=(
            "A ring needs two who are in the middle of something at the same time.",
            "What do the machines differ in that has to do with this?",
        ),
        reason="Any machine with one CPU, up to 1 GB. A thread that holds a spin lock cannot be "
        "interrupted, so nobody else ever finds it held. A kernel built for one processor leaves these "
        "locks out altogether.",
        needs=(UNPATCHED,),
    ),
    Goal(
        name="alone",
        asks="A machine with several CPUs on which the kernel before has a cycle in its lock order, and "
        "still no deadlock.",
        check=check_alone,
        hints=("Two threads are needed for a ring. Who is the second one?", "What if the second one never comes?"),
        reason="No dispatcher. E alone takes the locks in both orders, one after the other, and never "
        "waits for itself.",
        needs=(UNPATCHED,),
    ),
)


# ---- without looking back

RECALL = (
    Question(
        "In which order may a thread take a queue's lock and the host's?",
        (
            Option(
                "The host's first: it protects more.",
                "The dispatchers take it second. One thread with the other order is enough for a ring.",
            ),
            Option(
                "Either, if it gives both back in the end.",
                "Both threads of the deadlock would have given their locks back in the end. They never came to it.",
            ),
            Option(
                "The queue's first, then the host's; it need not take both.",
                "That is the order of the dispatch, and one order for everybody leaves no ring.",
                True,
            ),
        ),
    ),
    Question(
        "A test ran for a hundred hours and met no deadlock. What does it prove?",
        (
            Option(
                "Little: the bad orders may be a handful among very many.",
                "Walking all states of a model proves absence for the model; a lock order without a cycle "
                "proves it for every thread that keeps to it.",
                True,
            ),
            Option(
                "That a deadlock is impossible.",
                "It proves that none was met. Which orders of steps came up, nobody knows.",
            ),
            Option(
                "That the lock order has no cycle.",
                "A test without a deadlock is just what this kernel shows almost always, and its lock order has a "
                "cycle.",
            ),
        ),
    ),
    Question(
        "Why can the kernel before not hang on one CPU?",
        (
            Option(
                "Because one CPU has no interrupts.",
                "It has, but while one of these locks is held they are off.",
            ),
            Option(
                "Because who holds one of these locks is not interrupted.",
                "So nobody else runs who could find it held.",
                True,
            ),
            Option(
                "Because a small machine has one disk.",
                "The number of disks does not matter for it: one disk and two CPUs are enough for the deadlock.",
            ),
        ),
    ),
)


# ---- the prediction

GUESSES = {
    "way": Guesses(
        6,
        {
            2: "Two steps take a lock, R1 and E2. Others come before and between, and they count.",
            4: "R1 to R3 and E2 are four. But E1 must come before R2, or R0 leaves; and E3 is a step as well.",
            5: "After five steps every order leads there. One of the two still has a step to take.",
            8: "The two that are awaited were counted. Only what is done is a step.",
        },
    ),
}
