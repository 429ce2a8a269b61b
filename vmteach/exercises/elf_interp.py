"""Exercises of elf_interp: a field read from bytes, checks that come in time, a caller killed all the same."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import dropwhile, product

from vmteach.exercises import Answer, Faults, Given, Numbers, Position, check, misfit, not_yet, right, written
from vmteach.kernel.binfmt import ARCHS, Checked
from vmteach.kernel.elf import EXEC, elf
from vmteach.patches import elf_interp as patch
from vmteach.patches.elf_interp import PATCHED, POLICIES, UNPATCHED, Scenario, simulate

CALLER = "the caller"
CASES = tuple(Scenario(arch=arch, interpreter=name) for arch in ARCHS for name in patch.FILES)


@check
def check_field(read: Answer, given: Given) -> Faults:
    at = given["at"]
    for number, order in ((0x1234, "big"), (0x1234, "little"), (62, "little"), (20, "big"), (0xFF00, "big")):
        data = elf(*((number, EXEC) if at == 18 else (62, number)), 32, order)  # type: ignore[arg-type]
        mine, beside = data[at : at + 2], data[34 - at : 36 - at]
        got = read(data, order)
        yield misfit(got, int)
        if got == number:
            continue
        where = f"A field of {number:#06x} in {order}-endian order comes out as {got:#x}."
        if got == int.from_bytes(mine, "little" if order == "big" else "big"):
            yield f"{where} The two bytes are the other way round there."
        yield got in tuple(mine), f"{where} The field has two bytes."
        yield got == int.from_bytes(beside, order), f"{where} That is the field beside it."  # type: ignore[arg-type]
        yield where
    return right("In both byte orders.")


@check
def check_early(mine: Answer, _: Given) -> Faults:
    killed = [case for case in CASES if simulate(case, mine).numbers[CALLER] == "is killed"]
    for one in killed[:1]:
        where = f"for instance on {one.arch} with the interpreter `{one.interpreter}`"
        yield f"The caller is killed in {len(killed)} of {len(CASES)} cases, {where}."
    return right(f"Nobody is killed, in any of {len(CASES)} cases.")


MADE_UP = (  # steps that no kernel of the model makes, and whether the rule holds
    ((patch.Crossed(), Checked("interpreter", "type", "1", False), patch.Started("program")), False),
    ((patch.Crossed(), Checked("interpreter", "type", "3", True), patch.Killed("SIGKILL")), True),
)


@check
def check_honest(honest: Answer, _: Given) -> Faults:
    for (label, policy), case in product(POLICIES.items(), CASES):
        run = simulate(case, policy)
        got, late = honest(run), _fails_late(run.events)
        yield misfit(got, bool)
        if got != late:
            continue
        where = f"The kernel `{label}` on {case.arch} with the interpreter `{case.interpreter}`"
        yield late, f"{where}: a check fails past the point, and you call it honest."
        yield any(map(_fails, run.events)), f"{where}: a check fails in time. That is what checks are for."
        yield f"{where}: no check fails, and you call it dishonest."
    for events, holds in MADE_UP:
        if honest(replace(run, events=events)) != holds:
            what = "somebody is killed, and no check fails" if holds else "nobody is killed, and yet a check fails late"
            yield f"Right for every kernel of the model. But in a made-up run {what}. The rule asks for checks."
    return right("The rule names every check that comes too late, in any kernel.")


def _fails(event: object) -> bool:
    return isinstance(event, Checked) and not event.ok


def _fails_late(events: Sequence[object]) -> bool:
    """Whether a check fails past the point of no return."""
    return any(map(_fails, dropwhile(lambda event: not isinstance(event, patch.Crossed), events)))


@check
def check_kill(mine: Answer, _: Given) -> Faults:
    if not isinstance(mine, list | tuple) or not all(isinstance(case, Scenario) for case in mine):
        yield "Hand in a list of `Scenario(...)`."
    yield len(mine) > 50, "Fifty scenarios are enough."
    for number, case in enumerate(mine, 1):
        outcome = simulate(case, POLICIES[PATCHED]).numbers
        if outcome[CALLER] != "is killed":
            return not_yet(f"Number {number} of your list ends with {outcome['outcome']}: the caller is not killed.", 0)
    if not mine:
        return not_yet("The list is empty.", 0)
    return right("Each of these callers is killed for what a file says.", len({case.arch for case in mine}))


@check
def check_spared(state: Position, numbers: Numbers) -> Faults:
    if state["interpreter"] not in ARCHS or state["interpreter"] == Scenario().arch:
        yield "Choose an interpreter for another machine than i386."
    yield numbers[UNPATCHED][CALLER] == "is killed", "The caller is killed."
    return right(f"{numbers[UNPATCHED]['outcome']}: the interpreter was never looked at.")


@check
def check_left(_: Position, numbers: Numbers) -> Faults:
    here = numbers[PATCHED]
    yield here[CALLER] != "is killed", f"{here['outcome']}: the caller {here[CALLER]}."
    return right("The patch moved one of two checks. This is the other one.")


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "elf_interp",
    globals(),
    field=({"field": "e_machine", "at": 18}, {"field": "e_type", "at": 16}),
)
