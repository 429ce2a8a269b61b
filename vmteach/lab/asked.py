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

from vmteach.exercises import Goal, chapter, marked
from vmteach.figures.words import number
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
    scene = {key: part for key, part in panel.items() if key != "more"}
    return {"scene": scene, "rows": [[name, number(value)] for name, value in numbers.items()]}


def said_at(stage: Stage, goal: Goal, at: At) -> tuple[str, str]:
    """What a goal says at a position: outcome and HTML."""
    try:
        verdict = goal.verdict(stage.state(at), stage.numbers(at))
    except ValueError as impossible:
        return "not yet", marked(f"**Not reached yet.** There is nothing to see at these stops: {impossible}.")
    word = "Reached." if verdict else "Not reached yet."
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
    known = {task.name: task for task in chapter(stem).EXERCISES}
    one_of("exercise", name, tuple(known))
    names: Record = {}
    printed = StringIO()
    exec(chapter(stem).NEEDS, names)
    try:
        with redirect_stdout(printed):
            exec(compile(source, "<your cell>", "exec"), names)
    except BaseException as trouble:
        said = marked(f"**Your cell ended with {type(trouble).__name__}:** {trouble}")
        return {"outcome": "your code raised", "html": said}
    if known[name].answer not in names:
        return {"outcome": "not yet", "html": marked(f"**Not yet.** Your cell must define `{known[name].answer}`.")}
    verdict = exercise(stem, name).check(names[known[name].answer])
    return {"outcome": verdict.outcome.value, "html": marked(f"**{verdict.word}** {verdict.text}")}


KINDS: dict[str, Callable[..., Record]] = {"show": show, "check": check}


@cache
def _stage(stem: str) -> Stage:
    patch, figure = (import_module(f"vmteach.{room}.{stem}") for room in ("patches", "figures"))
    return Stage(patch, figure)
