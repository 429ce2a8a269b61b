"""What a page asks the models themselves, in a browser: a question as JSON in, an answer as JSON out.

source      the same stage and the same checks as in a notebook; nothing here knows that it runs in a page
left out    experiments on a real kernel, tables of pandas, figures of matplotlib: a browser has none of these
"""

import json
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from importlib import import_module
from io import StringIO

from vmteach.exercises import Goal, Outcome, chapter, marked, task_of
from vmteach.figures.lanes import story
from vmteach.figures.words import number
from vmteach.kernel.threads import Program, State, replay, walk
from vmteach.lab.exercise import exercise
from vmteach.lab.stage import At, Stage
from vmteach.patches import STEMS
from vmteach.run import Record, one_of


def answer(question: str) -> str:
    """The answer to {"kind": "show" | "check", "stem": ..., ...}; what cannot be is {"error": a sentence}.

    >>> answer('{"kind": "show", "stem": "nothing"}')[:40]
    '{"error": "stem must be one of blkdev_eo'
    """
    asked = json.loads(question)
    try:
        kind = asked.pop("kind", None)
        one_of("kind", kind, tuple(KINDS))
        one_of("stem", asked.get("stem"), STEMS)
        return json.dumps(KINDS[kind](**asked))
    except (ValueError, TypeError) as wrong:
        return json.dumps({"error": str(wrong)})


def entry(stage: Stage, at: At, label: str) -> Record:
    """A run as a page has it: its scene for an explorer and its numbers, or why there is none."""
    try:
        numbers, panel = stage.panel(at, label)
    except ValueError as impossible:
        return {"error": str(impossible)}
    return {"scene": panel, "rows": [[name, number(value)] for name, value in numbers.items()]}


def said_at(stage: Stage, goal: Goal, at: At) -> tuple[str, str]:
    """What a goal says at a position: outcome and HTML."""
    try:
        verdict = goal.verdict(stage.state(at), stage.numbers(at))
    except ValueError as impossible:
        return "not yet", marked(f"**Not yet.** There is nothing to see at these stops: {impossible}.")
    word = "Reached." if verdict else "Not yet."
    return verdict.outcome.value, marked(f"**{word}** {verdict.message}")


def show(stem: str, at: Record) -> Record:
    """The entries of the kernels at a position, and what the chapter's goals say there."""
    stage = _stage(stem)
    held = stage.held(at)
    entries = [entry(stage, held, label) for label in held["policies"]]
    goals = [said_at(stage, goal, held) for goal in chapter(stem).GOALS]
    return {"entries": entries, "goals": [{"outcome": outcome, "html": html} for outcome, html in goals]}


def check(stem: str, name: str, source: str) -> Record:
    """The verdict on an answer cell's source, as HTML."""
    task = task_of(stem, name)
    names: Record = {}
    printed = StringIO()
    exec(chapter(stem).NEEDS, names)
    try:
        with redirect_stdout(printed):
            exec(compile(source, "<your cell>", "exec"), names)
    except BaseException as trouble:
        said = marked(f"**Your cell ended with {type(trouble).__name__}:** {trouble}")
        return {"outcome": "your code raised", "html": said}
    if task.answer not in names:
        return {"outcome": "not yet", "html": marked(f"**Not yet.** Your cell must define `{task.answer}`.")}
    verdict = exercise(stem, name).check(names[task.answer])
    if verdict.outcome is Outcome.NOT_ATTEMPTED:  # its words are for cells that one runs
        return {"outcome": verdict.outcome.value, "html": marked(f"**{verdict.word}** Change the answer above first.")}
    return {"outcome": verdict.outcome.value, "html": marked(f"**{verdict.word}** {verdict.text}")}


def order(stem: str, turns: list[str]) -> Record:
    """What happens on both kernels when the threads get the CPU in this order, and what each could do next.

    >>> found = order("scsi_deadlock", "E E E R0 R0 R0 R0 E".split())["kernels"][0]
    >>> found["stuck"], found["next"]["E"]
    (['R0', 'E'], 'waits for Q0, which R0 holds')
    """
    one_of("a chapter with threads", stem, ORDERED)
    patch = import_module(f"vmteach.patches.{stem}")
    labels = (patch.UNPATCHED, patch.PATCHED)
    programs = {label: patch.program(patch.Scenario(), patch.POLICIES[label]) for label in labels}
    return {"kernels": [{"label": label, **_ordered(program, turns)} for label, program in programs.items()]}


def _ordered(program: Program, turns: list[str]) -> Record:
    """The lines of a schedule, each thread's next step in words, and those that can never go on."""
    schedule, names = replay(program, turns), [each.name for each in program.threads]
    *_, state = walk(program, schedule)
    able = {i for i, _ in program.moves(state)}
    ahead = {name: _ahead(program, state, i, i in able) for i, name in enumerate(names)}
    stuck = [names[i] for i in program.stuck(state)]
    return {"lines": story(schedule), "next": ahead, "able": [names[i] for i in sorted(able)], "stuck": stuck}


def _ahead(program: Program, state: State, i: int, able: bool) -> str:
    """What a thread would do with a turn."""
    says = {step.at: step.says for step in program.threads[i].steps}.get(state.at[i])
    if says is None:
        return "has ended"
    if able:
        return says
    wants = program.wants(i, state.at[i])
    holder = program.owner(state, wants)
    return "finds no idle CPU" if holder is None else f"waits for {wants}, which {program.threads[holder].name} holds"


ORDERED = ("mremap_race", "scsi_deadlock")  # the chapters whose models are threads
KINDS: dict[str, Callable[..., Record]] = {"show": show, "check": check, "order": order}


@cache
def _stage(stem: str) -> Stage:
    patch, figure = (import_module(f"vmteach.{room}.{stem}") for room in ("patches", "figures"))
    return Stage(patch, figure)
