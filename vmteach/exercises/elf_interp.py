"""Exercises of elf_interp: a field read from bytes, checks that come in time, a caller killed all the same."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vmteach.exercises import Goal, Guesses, Option, Question, Task, Verdict, misfit, not_yet, right
from vmteach.patches.elf_interp import (
    ARCHS,
    EXEC,
    FILES,
    PATCHED,
    POLICIES,
    UNPATCHED,
    Checked,
    Crossed,
    Killed,
    Policy,
    Scenario,
    Started,
    elf,
    simulate,
)

NEEDS = """\
from vmteach.patches import elf_interp
from vmteach.patches.elf_interp import Policy, Scenario
"""

CALLER = "the caller"
CASES = tuple(Scenario(arch=arch, interpreter=name) for arch in ARCHS for name in FILES)


# ---- field


def check_field(read: Any, given: Mapping[str, Any]) -> Verdict:
    at = given["at"]
    for number, order in ((0x1234, "big"), (0x1234, "little"), (62, "little"), (20, "big"), (0xFF00, "big")):
        machine, kind = (number, EXEC) if at == 18 else (62, number)
        data = elf(machine, kind, 32, order)  # type: ignore[arg-type]
        got = read(data, order)
        if problem := misfit(got, int):
            return not_yet(problem)
        if got == number:
            continue
        where = f"A field of {number:#06x} in {order}-endian order comes out as {got:#x}."
        if got == int.from_bytes(data[at : at + 2], "little" if order == "big" else "big"):
            return not_yet(f"{where} The two bytes are the other way round there.")
        if got in tuple(data[at : at + 2]):
            return not_yet(f"{where} The field has two bytes.")
        other = 34 - at
        if got == int.from_bytes(data[other : other + 2], order):  # type: ignore[arg-type]
            return not_yet(f"{where} That is the field beside it.")
        return not_yet(where)
    return right("In both byte orders.")


FIELD = Task(
    name="field",
    rung="fill one line",
    minutes=5,
    asks="Read `$field` from the bytes of a file: it has two bytes and begins at byte $at. `order` is `big` "
    "or `little`, as "
    "the file's own header says.",
    stub="""\
def read(data, order):
    return ...  # $field, from bytes $at and on
""",
    answer="read",
    solution="""\
def read(data, order):
    return int.from_bytes(data[$at : $at + 2], order)
""",
    hints=(
        "Which of the two bytes counts 256 times?",
        "In big-endian order the big end comes first, and in little-endian order the little one.",
        "The bytes 01 02 are 258 in big-endian order (256 + 2) and 513 in little-endian order (1 + 512).",
    ),
    reason="Two bytes, one of which counts 256 times. Which one is what the byte order says.",
    wrong_turn="To read every file as your own machine would. A foreign interpreter is just the file for "
    "which that is wrong.",
    kernel="It compares the field as its own machine reads it. A file of the other byte order comes out as "
    "a number that "
    "nobody has, and is refused too: by luck, for the byte order is looked at nowhere.",
    check=check_field,
    variants=({"field": "e_machine", "at": 18}, {"field": "e_type", "at": 16}),
)


# ---- early


def check_early(mine: Any, _: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, Policy):
        return not_yet("Hand in a `Policy(early=...)`.")
    killed = [case for case in CASES if simulate(case, mine).numbers[CALLER] == "is killed"]
    if killed:
        one = killed[0]
        return not_yet(
            f"The caller is killed in {len(killed)} of {len(CASES)} cases, for instance on {one.arch} with "
            f"the interpreter "
            f"`{one.interpreter}`."
        )
    return right(f"Nobody is killed, in any of {len(CASES)} cases.")


EARLY = Task(
    name="early",
    rung="change one rule",
    minutes=5,
    asks="Choose what is asked of an interpreter **before** the point of no return, so that no caller is "
    "ever killed for the "
    "contents of a file. The names are `machine` and `type`.",
    stub="""\
mine = Policy(early=())  # names of checks
""",
    answer="mine",
    solution="""\
mine = Policy(early=("machine", "type"))
""",
    hints=(
        "Begin with what the patch does, and look at the case that is left.",
        "What depends only on the contents of the file can be asked early.",
        "A tuple with one name is written with a comma: `(" + '"a"' + ",)`. With two names it needs no other.",
    ),
    reason="Each of the two is still compared late if it is not asked early, and a late failure kills.",
    wrong_turn="To stop at the machine, as the patch did: it was the case that somebody had met.",
    kernel="Today's kernel still compares the type late.",
    check=check_early,
)


# ---- honest


MADE_UP = (  # steps that no kernel of the model makes, and whether the rule holds
    ((Crossed(), Checked("interpreter", "type", "1", False), Started("program")), False),
    ((Crossed(), Checked("interpreter", "type", "3", True), Killed("SIGKILL")), True),
)


def check_honest(honest: Any, _: Mapping[str, Any]) -> Verdict:
    for label, policy in POLICIES.items():
        for case in CASES:
            run = simulate(case, policy)
            late = False
            for step in run.events:
                late = late or isinstance(step, Crossed)
                if late and isinstance(step, Checked) and not step.ok:
                    break
            else:
                late = False
            got = honest(run)
            if problem := misfit(got, bool):
                return not_yet(problem)
            if got is late:
                where = f"The kernel `{label}` on {case.arch} with the interpreter `{case.interpreter}`"
                if late:
                    return not_yet(f"{where}: a check fails past the point, and you call it honest.")
                if any(isinstance(step, Checked) and not step.ok for step in run.events):
                    return not_yet(f"{where}: a check fails in time. That is what checks are for.")
                return not_yet(f"{where}: no check fails, and you call it dishonest.")
    run = simulate(CASES[0], POLICIES[PATCHED])
    for events, holds in MADE_UP:
        if honest(replace(run, events=events)) is not holds:
            what = (
                "nobody is killed, and yet a check fails late"
                if not holds
                else "somebody is killed, and no check fails"
            )
            return not_yet(
                f"Right for every kernel of the model. But in a made-up run {what}. The rule asks for checks."
            )
    return right("The rule names every check that comes too late, in any kernel.")


HONEST = Task(
    name="honest",
    rung="change one rule",
    minutes=8,
    asks="Say it as a rule: **past the point of no return no check fails.** Write it as a function of a "
    "run. In `run.events` "
    "a step of the type `elf_interp.Crossed` is the point, and steps of the type `elf_interp.Checked` have "
    "a field `ok`.",
    stub="""\
def honest(run):
    return ...  # True if no check fails past the point of no return
""",
    answer="honest",
    solution="""\
def honest(run):
    passed = False
    for event in run.events:
        passed = passed or isinstance(event, elf_interp.Crossed)
        if passed and isinstance(event, elf_interp.Checked) and not event.ok:
            return False
    return True
""",
    hints=(
        "Walk through the events in their order.",
        "Remember whether the point was passed.",
        "In `[check fails, point, check passes]` the rule holds: the failure came in time.",
    ),
    reason="Two things must come together: the point was passed, and a check failed after it.",
    wrong_turn="To forbid every failure. A check that fails in time is a check that works.",
    kernel="A rule is worth more than a patch: it also names the checks that nobody has tripped over yet.",
    check=check_honest,
)


# ---- kill


def check_kill(mine: Any, _: Mapping[str, Any]) -> Verdict:
    if not isinstance(mine, list | tuple) or not all(isinstance(case, Scenario) for case in mine):
        return not_yet("Hand in a list of `Scenario(...)`.")
    if len(mine) > 50:
        return not_yet("Fifty scenarios are enough.")
    for number, case in enumerate(mine, 1):
        outcome = simulate(case, POLICIES[PATCHED]).numbers
        if outcome[CALLER] != "is killed":
            return not_yet(f"Number {number} of your list ends with {outcome['outcome']}: the caller is not killed.", 0)
    if not mine:
        return not_yet("The list is empty.", 0)
    return right("Each of these callers is killed for what a file says.", len({case.arch for case in mine}))


KILL = Task(
    name="kill",
    rung="break it",
    minutes=6,
    asks="The patch is in. Find scenarios in which the kernel **after** still kills the caller, on as many "
    "architectures as you "
    "can: the score is their number. (`arch`, `program`, `interpreter`; the names of architectures are in "
    "`elf_interp.ARCHS`.)",
    stub="""\
mine = [Scenario(arch="i386", interpreter="ppc")]  # your scenarios
""",
    answer="mine",
    solution="""\
mine = [Scenario(arch=arch, interpreter="relocatable") for arch in elf_interp.ARCHS]
""",
    hints=(
        "Which of the two late checks did the patch not move?",
        "Look at the map: which interpreter ends the same way before and after, and badly?",
        "The machine of the file must be right, so that the early check passes. What else does a header say of a file?",
    ),
    reason="A relocatable file for the right machine passes the early check. Its type is compared past "
    "the point of no return.",
    wrong_turn="To try foreign machines. That is what the patch is for.",
    kernel="On Linux 6.18 the caller of such a program is still killed; the live experiment below shows "
    "what yours does.",
    check=check_kill,
)

EXERCISES = (FIELD, EARLY, HONEST, KILL)


# ---- the explorer


def check_spared(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    if state["interpreter"] not in ARCHS or state["interpreter"] == Scenario().arch:
        return not_yet("The interpreter is to be an ELF file for another machine than i386.")
    if numbers[UNPATCHED][CALLER] == "is killed":
        return not_yet("The caller is killed.")
    return right(f"{numbers[UNPATCHED]['outcome']}: the interpreter was never looked at.")


def check_left(state: Mapping[str, Any], numbers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    if numbers[PATCHED][CALLER] != "is killed":
        return not_yet(f"{numbers[PATCHED]['outcome']}: the caller {numbers[PATCHED][CALLER]}.")
    return right("The patch moved one of two checks. This is the other one.")


GOALS = (
    Goal(
        name="spared",
        asks="The interpreter is an ELF file for another machine, the kernel is the one before, and yet the "
        "caller lives on.",
        check=check_spared,
        hints=("Which checks come before the interpreter is opened?", "What if the program itself is refused?"),
        reason="Any program that this kernel refuses, such as one for ppc. It ends with `ENOEXEC`, and "
        "nobody looks at the "
        "interpreter.",
        needs=(UNPATCHED,),
    ),
    Goal(
        name="left",
        asks="The kernel is the one after, and the caller is killed.",
        check=check_left,
        hints=(
            "Two checks came late before. Which one still does?",
            "A header says what a file is, and for which machine.",
        ),
        reason="The interpreter `relocatable`: its machine is right, its type is 1, and the type is still "
        "compared late.",
        needs=(PATCHED,),
    ),
)


# ---- without looking back

RECALL = (
    Question(
        "What does the point of no return take away?",
        (
            Option("The file.", "It is still open, and is closed on every path."),
            Option("The caller, and with it the only one who could be told of an error.", "So an error kills.", True),
            Option("The right to read the interpreter.", "It is read again past the point, to be mapped."),
        ),
    ),
    Question(
        "Which of the interpreter's properties did the patch move to the front?",
        (
            Option("The machine.", "The magic was early before, and the type is late to this day.", True),
            Option("The type.", "It is still compared late."),
            Option("All that the file says.", "That would have been better."),
        ),
    ),
    Question(
        "Why can a kernel compare the machine before it knows whether a file has 32 or 64 bits?",
        (
            Option("It tries both.", "It need not."),
            Option(
                "The field is at the same place, and as wide, in both.", "The first fields have fixed widths.", True
            ),
            Option("The magic says it.", "The magic is the same in both; a byte after it says the class."),
        ),
    ),
)


# ---- the prediction

GUESSES = {
    "errno": Guesses(
        "ELIBBAD",
        {
            "ENOENT": "The file is there. What is wrong stands inside it.",
            "ENOEXEC": "That is for the program, whose machine is right. A bad interpreter has an error of its own.",
            "SIGSEGV": (
                "So it ended before. Now the question comes in front of the point of no return, where there is "
                "still somebody to tell."
            ),
            "runs": (
                "A kernel for i386 cannot run what this interpreter holds. It compared the two before the patch as "
                "well, only too late."
            ),
        },
    ),
}
