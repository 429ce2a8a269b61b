"""Exercises of elf_interp: a field read from bytes, checks that come in time, a caller killed all the same."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import dropwhile, product

from vmteach.exercises import Answer, Given, Numbers, Position, Verdict, misfit, not_yet, right, written
from vmteach.kernel.binfmt import ARCHS, Checked
from vmteach.kernel.elf import EXEC, elf
from vmteach.patches import elf_interp as patch
from vmteach.patches.elf_interp import PATCHED, POLICIES, UNPATCHED, Scenario, simulate

CALLER = "the caller"
CASES = tuple(Scenario(arch=arch, interpreter=name) for arch in ARCHS for name in patch.FILES)


def check_field(read: Answer, given: Given) -> Verdict:
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


def check_early(mine: Answer, _: Given) -> Verdict:
    killed = [case for case in CASES if simulate(case, mine).numbers[CALLER] == "is killed"]
    if killed:
        one = killed[0]
        return not_yet(
            f"The caller is killed in {len(killed)} of {len(CASES)} cases, for instance on {one.arch} with "
            f"the interpreter "
            f"`{one.interpreter}`."
        )
    return right(f"Nobody is killed, in any of {len(CASES)} cases.")


MADE_UP = (  # steps that no kernel of the model makes, and whether the rule holds
    ((patch.Crossed(), Checked("interpreter", "type", "1", False), patch.Started("program")), False),
    ((patch.Crossed(), Checked("interpreter", "type", "3", True), patch.Killed("SIGKILL")), True),
)


def check_honest(honest: Answer, _: Given) -> Verdict:
    for (label, policy), case in product(POLICIES.items(), CASES):
        run = simulate(case, policy)
        got = honest(run)
        if problem := misfit(got, bool):
            return not_yet(problem)
        if got == _fails_late(run.events):
            where = f"The kernel `{label}` on {case.arch} with the interpreter `{case.interpreter}`"
            return _misjudged(run.events, where)
    for events, holds in MADE_UP:
        if honest(replace(run, events=events)) != holds:
            what = "somebody is killed, and no check fails" if holds else "nobody is killed, and yet a check fails late"
            return not_yet(
                f"Right for every kernel of the model. But in a made-up run {what}. The rule asks for checks."
            )
    return right("The rule names every check that comes too late, in any kernel.")


def _fails(event: object) -> bool:
    return isinstance(event, Checked) and not event.ok


def _fails_late(events: Sequence[object]) -> bool:
    """Whether a check fails past the point of no return."""
    return any(map(_fails, dropwhile(lambda event: not isinstance(event, patch.Crossed), events)))


def _misjudged(events: Sequence[object], where: str) -> Verdict:
    """What to say of a run that was called honest and is not, or the other way round."""
    if _fails_late(events):
        return not_yet(f"{where}: a check fails past the point, and you call it honest.")
    if any(map(_fails, events)):
        return not_yet(f"{where}: a check fails in time. That is what checks are for.")
    return not_yet(f"{where}: no check fails, and you call it dishonest.")


def check_kill(mine: Answer, _: Given) -> Verdict:
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


def check_spared(state: Position, numbers: Numbers) -> Verdict:
    if state["interpreter"] not in ARCHS or state["interpreter"] == Scenario().arch:
        return not_yet("Choose an interpreter for another machine than i386.")
    if numbers[UNPATCHED][CALLER] == "is killed":
        return not_yet("The caller is killed.")
    return right(f"{numbers[UNPATCHED]['outcome']}: the interpreter was never looked at.")


def check_left(state: Position, numbers: Numbers) -> Verdict:
    if numbers[PATCHED][CALLER] != "is killed":
        return not_yet(f"{numbers[PATCHED]['outcome']}: the caller {numbers[PATCHED][CALLER]}.")
    return right("The patch moved one of two checks. This is the other one.")


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "elf_interp",
    globals(),
    field=({"field": "e_machine", "at": 18}, {"field": "e_type", "at": 16}),
)
