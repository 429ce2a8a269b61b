"""The exercises of a chapter: prose in STEM.md, for a teacher to edit; checks in STEM.py, for the course to run.

A module vmteach/exercises/STEM.py has five names, all but the checks read from STEM.md by `written`:

NEEDS        the import lines that its stubs need
EXERCISES    a tuple of Tasks in the order of the chapter, at least one on each of the three RUNGS
GOALS        a tuple of two Goals on the explorer
RECALL       a tuple of three Questions
PREDICTIONS  what is asked before anything runs, by name, and what is said to other answers

A Task's `stub` is the answer cell, word for word; `solution` is the same cell solved. Both define the name `answer`:
a function, a Scenario, a Policy, or a plain value. An answer that equals the stub's is "not attempted", and where the
stub's is of a class of the course one of another class is sent back: a check need not ask. `check_NAME(answer, given)`
looks at the kind of mistake, the most telling kind first: under `@check` it yields what may be wrong with what there
is to say then, and returns `right(...)`. A message says what the answer would mean, or where it fails, and never what
is right.
Functions in an answer are called within bounds; if one raises or never ends the check is left by itself, with the
learner's own line.
Where numbers vary, `$name` in any text (and in stub and solution) stands for `given["name"]`, one mapping of `variants`
at a time; the first is the chapter's. Hints are three: a nudge, where to look, a worked sub-step. The bank
tests/bank/STEM.py holds right and wrong answers with the verdict that each must get.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import wraps
from html import escape
from importlib import import_module
from math import isclose, isfinite
from numbers import Rational, Real
from re import sub
from string import Template
from types import ModuleType
from typing import Any, NamedTuple

from vmteach.exercises import prose
from vmteach.patches import STEMS
from vmteach.run import Values, is_truth, one_of

RUNGS = ("fill one line", "change one rule", "break it")
# What a check gets: what the reader wrote, which may be anything; what varies in the task; the explorer's two.
Answer = Any
Given = Values
Position = Values
Numbers = Mapping[str, Values]
Check = Callable[[Answer, Given], "Verdict"]
# What may be wrong, each with what there is to say then, or words that are empty where nothing is; then a Verdict.
Faults = Generator[tuple[object, str] | str, None, "Verdict"]


class Outcome(StrEnum):
    """What a check can say."""

    NOT_ATTEMPTED = "not attempted"
    RIGHT = "right"
    NOT_YET = "not yet"
    RAISED = "your code raised"


@dataclass(frozen=True)
class Verdict:
    """An outcome and what there is to say about it; true if the answer is right.

    >>> not_yet("That is a lap too few.")
    Not yet. That is a lap too few.
    """

    outcome: Outcome
    message: str
    score: float | None = None
    printed: str = ""  # what the learner's code printed while it was checked
    judged: str = ""  # the answer, and the cell that gave it
    _COLOURS = {Outcome.RIGHT: "#00664B", Outcome.NOT_YET: "#8C4B00", Outcome.RAISED: "#B3261E"}

    def __bool__(self) -> bool:
        return self.outcome is Outcome.RIGHT

    @property
    def word(self) -> str:
        return f"{self.outcome.capitalize()}."

    @property
    def text(self) -> str:
        """The message, with the score if there is one."""
        return self.message + (f" Score: {self.score:g}." if self.score is not None else "")

    def __repr__(self) -> str:
        printed = f"\nYour code printed:\n{self.printed}" if self.printed else ""
        judged = f"\n({self.judged})" if self.judged else ""
        return f"{self.word} {self.text}{judged}{printed}"

    def _repr_html_(self) -> str:
        colour = self._COLOURS.get(self.outcome, "#595959")
        printed = f"<p>Your code printed:</p><pre>{escape(self.printed)}</pre>" if self.printed else ""
        judged = f"<p><small>Judged: {marked(self.judged)}</small></p>" if self.judged else ""
        return card(
            f"<p><strong>{self.word}</strong> {marked(self.text)}</p>{judged}{printed}", colour, 'role="status"'
        )


def right(message: str, score: float | None = None) -> Verdict:
    return Verdict(Outcome.RIGHT, message, score)


def not_yet(message: str, score: float | None = None) -> Verdict:
    return Verdict(Outcome.NOT_YET, message, score)


def check(finds: Callable[..., Faults]) -> Callable[..., Verdict]:
    """The check that says the first thing that it finds wrong, and looks no further.

    >>> @check
    ... def check_even(number, _):
    ...     yield misfit(number, int)
    ...     yield number % 2, f"{number} is odd."
    ...     return right("Two halves are equal.")
    >>> check_even("4", {}), check_even(3, {}), check_even(4, {})
    (Not yet. Your function gives a str, not an int., Not yet. 3 is odd., Right. Two halves are equal.)
    """

    @wraps(finds)
    def judged(*asked: object) -> Verdict:
        faults = finds(*asked)
        try:
            while True:
                fault = next(faults)
                wrong, words = fault if isinstance(fault, tuple) else (fault, fault)
                if wrong:
                    return not_yet(str(words))
        except StopIteration as end:
            verdict: Verdict = end.value
            return verdict

    return judged


def misfit(value: object, *kinds: type, what: str = "Your function gives") -> str:
    """Why a value is of the wrong kind, in words; empty if it is of one of these kinds.

    >>> misfit(None, int), misfit("3", int), misfit(3, int)
    ('Your function gives nothing (None): is there a `return`?', 'Your function gives a str, not an int.', '')
    >>> misfit(3.0, int), misfit(3.5, int)
    ('', 'Your function gives 3.5, which is no whole number.')
    """
    if value is None:
        return f"{what} nothing (None): is there a `return`?"
    if _endless(value):
        return f"{what} {value}, which is no number to reckon with."
    if any(_fits(value, kind) for kind in kinds):
        return ""
    if int in kinds and isinstance(value, Real) and not is_truth(value):
        return f"{what} {value}, which is no whole number."
    names = " or ".join(kind.__name__ for kind in kinds)
    return f"{what} {_a(type(value).__name__)}, not {_a(names)}."


def are(values: object, count: int, *kinds: type) -> bool:
    """Whether these are so many values, each of one of these kinds.

    >>> are((1, 2), 2, int), are([1, "2"], 2, int), are(12, 2, int)
    (True, False, False)
    """
    if not isinstance(values, Sequence) or len(values) != count:
        return False
    return not any(misfit(value, *kinds) for value in values)


def _endless(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, Rational) and not isfinite(value)


def _fits(value: object, kind: type) -> bool:
    """Whether a value is of a kind; a number that is whole is an int, whatever its type."""
    if is_truth(value) or kind is bool:
        return is_truth(value) and kind is bool
    if kind is int:
        return isinstance(value, Real) and bool(value == value // 1)
    return isinstance(value, Real if kind is float else kind)


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"


@dataclass(frozen=True)
class Task:
    """One exercise."""

    name: str
    rung: str
    minutes: int
    asks: str
    stub: str
    answer: str  # the name that stub and solution define
    solution: str
    hints: tuple[str, str, str]
    reason: str  # why this is the answer
    wrong_turn: str  # what is often answered instead, and what it overlooks
    kernel: str  # what the kernel does
    check: Check
    variants: tuple[Given, ...] = field(default=({},))

    def __post_init__(self) -> None:
        one_of("rung", self.rung, RUNGS)


@dataclass(frozen=True)
class Goal:
    """A state of the explorer to be reached.

    `check(state, numbers)` gets what the explorer has under those names, and nothing else, so that the verdict
    of every state can be written into a page without a kernel. `needs` are the kernels that must be shown.
    """

    name: str
    asks: str
    check: Callable[[Position, Numbers], Verdict]
    hints: tuple[str, ...]
    reason: str
    needs: tuple[str, ...] = ()

    def verdict(self, state: Position, numbers: Numbers) -> Verdict:
        """What the goal says about a state."""
        hidden = [label for label in self.needs if label not in numbers]
        if hidden:
            return not_yet(f"Show the kernel {' and the kernel '.join(map(repr, hidden))} too.")
        return self.check(state, numbers)


class Asked(NamedTuple):
    """A prediction: what is asked, what came out, and other answers with what each of them overlooks.

    The answer is a number from `low` to `high` in `unit`, or one of `choices`.

    >>> Asked("How many steps?", 13, {10: "These are the steps of M alone."}).to(10.1, 13)
    'These are the steps of M alone.'
    """

    question: str
    result: Answer
    overlooked: Mapping[Answer, str]
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    def to(self, guess: Answer, result: Answer) -> str:
        """What to say to a guess, 2 % up or down; nothing where something else came out, or nothing is known."""
        for known, said in self.overlooked.items():
            if result == self.result and (guess == known or _near(guess, known)):
                return said
        return ""


def _near(guess: Answer, known: Answer) -> bool:
    return not isinstance(guess, str) and not isinstance(known, str) and isclose(guess, known, rel_tol=0.02)


class Option(NamedTuple):
    """An answer that can be chosen, and what is said to whoever chooses it."""

    text: str
    feedback: str
    right: bool = False


class Question(NamedTuple):
    """A question to answer without looking back; one option is right."""

    asks: str
    options: tuple[Option, ...]


class Written(NamedTuple):
    """What a chapter's two files say together."""

    needs: str
    exercises: tuple[Task, ...]
    goals: tuple[Goal, ...]
    recall: tuple[Question, ...]
    predictions: Mapping[str, Asked]


class Teaching(NamedTuple):
    """What a teacher has beside a chapter: a question for discussion in four places, and what to leave out."""

    why: str
    run: str
    vary: str
    change: str
    at_30: str
    at_45: str


def teaching(stem: str) -> Teaching:
    """The teacher's part of a chapter's prose.

    >>> teaching("scsi_deadlock").why
    'The bug was hardly ever hit. Does that make it less of a bug?'
    """
    one_of("chapter", stem, STEMS)
    section = next((s for s in prose.sections(stem) if s.kind == "Teaching"), None)
    if section is None:
        raise ValueError(f"vmteach/exercises/{stem}.md must have a section '## Teaching'")
    why, run, vary, change = (prose.joined(section.part(part)) for part in ("Why", "Run", "Vary", "Change"))
    return Teaching(why, run, vary, change, section.given["at 30 minutes"], section.given["at 45 minutes"])


def written(stem: str, module: Values, **variants: tuple[Given, ...]) -> Written:
    """The prose of a chapter's STEM.md, with each `check_NAME` of the module, and the values that vary in a task.

    ValueError names the file, the line and the mending.
    """
    found = _by_kind(stem)
    checks = {name.removeprefix("check_"): one for name, one in module.items() if name.startswith("check_")}
    _look_up(stem, (*checks, *variants), [*found.get("Exercise", ()), *found.get("Goal", ())])
    try:
        return Written(
            found["Imports"][0].code(),
            tuple(_task(s, checks[s.name], variants.get(s.name, ({},))) for s in found["Exercise"]),
            tuple(_goal(s, checks[s.name]) for s in found["Goal"]),
            tuple(_question(s) for s in found["Recall"]),
            {s.name: _asked(s) for s in found["Prediction"]},
        )
    except KeyError as missing:
        raise ValueError(f"vmteach/exercises/{stem}.md must have a heading or a property {missing}") from None
    except ValueError as wrong:
        raise ValueError(f"vmteach/exercises/{stem}.md, {wrong}") from None


def _by_kind(stem: str) -> dict[str, list[prose.Section]]:
    found: dict[str, list[prose.Section]] = {}
    for section in prose.sections(stem):
        found.setdefault(section.kind, []).append(section)
    return found


def _look_up(stem: str, names: Iterable[str], sections: Iterable[prose.Section]) -> None:
    """ValueError unless there is a section of each name."""
    if lacking := set(names) - {section.name for section in sections}:
        named = ", ".join(sorted(lacking))
        raise ValueError(f"vmteach/exercises/{stem}.md must have an exercise or a goal named {named}")


def _task(section: prose.Section, check: Check, variants: tuple[Given, ...]) -> Task:
    nudge, where, step = prose.items(section.part("Hints"))
    reason, wrong_turn, kernel = (prose.joined(section.part(part)) for part in ("Why", "Wrong turn", "In the kernel"))
    return Task(
        section.name,
        section.given["rung"],
        int(section.given["minutes"]),
        prose.joined(section.text),
        section.code("Stub"),
        section.given["answer"],
        section.code("Solution"),
        (nudge, where, step),
        reason,
        wrong_turn,
        kernel,
        check,
        variants,
    )


def _goal(section: prose.Section, check: Callable[..., Verdict]) -> Goal:
    needs = tuple(name for name in section.given.get("needs", "").split("; ") if name)
    hints = tuple(prose.items(section.part("Hints")))
    return Goal(section.name, prose.joined(section.text), check, hints, prose.joined(section.part("Why")), needs)


def _question(section: prose.Section) -> Question:
    return Question(prose.joined(section.text), tuple(Option(*o) for o in prose.options(section.part("Options"))))


def _asked(section: prose.Section) -> Asked:
    low, high = (prose.value(section.given[end]) if end in section.given else None for end in ("low", "high"))
    choices = tuple(section.given["choices"].split(" | ")) if "choices" in section.given else ()
    overlooked = prose.guesses(section.part("Guesses"))
    result = prose.value(section.given["result"])
    return Asked(prose.joined(section.text), result, overlooked, section.given.get("unit", ""), low, high, choices)


def moved(state: Position, scenario: object, but: tuple[str, ...] = ()) -> list[str]:
    """The controls that do not stand where the scenario has them, those in `but` left out."""
    here = {field: getattr(scenario, field) for field in state if field not in ("policies", *but)}
    return [field for field, value in here.items() if state[field] not in (value, getattr(value, "name", value))]


def chapter(stem: str) -> ModuleType:
    """The exercises of a chapter."""
    one_of("chapter", stem, STEMS)
    return import_module(f"vmteach.exercises.{stem}")


def task_of(stem: str, name: str) -> Task:
    """An exercise of a chapter by its name; ValueError names what there is."""
    known: dict[str, Task] = {task.name: task for task in chapter(stem).EXERCISES}
    one_of("exercise", name, tuple(known))
    return known[name]


def fill(text: str, given: Given) -> str:
    """The text with the values of a variant in it.

    >>> fill("of all $pages pages", {"pages": 64})
    'of all 64 pages'
    """
    return Template(text).substitute(given)


def marked(text: str) -> str:
    """Plain text with `code` and **words that matter** as HTML; everything else is escaped.

    >>> marked("`a < b`, **always**")
    '<code>a &lt; b</code>, <strong>always</strong>'
    """
    text = sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
    return sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", text).replace("\n\n", "</p><p>")


def card(inside: str, colour: str, attributes: str = "") -> str:
    """A box with a coloured edge. While something in it has the focus, keys are not the notebook's."""
    style = f"border-left:4px solid {colour};padding:2px 12px;margin:4px 0;max-width:880px;line-height:1.45"
    inside = inside.replace("<p>", '<p style="margin:6px 0">')
    return f'<div class="vmteach-card" data-lm-suppress-shortcuts="true" {attributes} style="{style}">{inside}</div>'
