"""Exercises: an answer cell, a check that knows the usual mistakes, three hints, a reasoned solution.

What a learner hands in is called within bounds (bounded.py). In a notebook the check also knows which cell gave the
answer, says so, and does not judge an answer that is older than a failed run of its cell.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from html import escape
from os import environ
from typing import Any

from vmteach.exercises import Outcome, Task, Verdict, card, chapter, fill, marked, misfit, not_yet, task_of
from vmteach.lab import cells, kept
from vmteach.lab.bounded import Bounds, Guarded, Raised, Unfinished, guard, same_code
from vmteach.lab.note import HIDDEN, QUIET, Note, hidden
from vmteach.run import Record

NOTHING: Any = ...  # no answer was handed in
LONGEST = 60  # characters of an answer that a verdict repeats
HINTS = ("a nudge", "where to look", "one step worked out")


@cache
def exercise(stem: str, name: str) -> "Exercise":
    """An exercise of a chapter. It is the same one each time, so that hints go on where they were.

    >>> exercise("shm_big_iron", "laps").check()
    Not attempted. Change the cell above, run it, and then run this one again.
    """
    task = task_of(stem, name)
    return Exercise(stem, task, seeded(stem, name, len(task.variants)))


def seeded(stem: str, name: str, count: int, seed: str | None = None) -> int:
    """Which of an exercise's numbers a class gets: VMTEACH_SEED decides; without one the chapter's own.

    >>> seeded("shm_big_iron", "reach", 4, ""), 0 <= seeded("shm_big_iron", "reach", 4, "class 7") < 4
    (0, True)
    """
    seed = environ.get("VMTEACH_SEED", "") if seed is None else seed
    return int(sha256(f"{seed} {stem} {name}".encode()).hexdigest(), 16) % count if seed else 0


class Exercise:
    """One exercise in one variant: `check` an answer, ask for a `hint`, read the `solution`, take `another`."""

    def __init__(self, stem: str, task: Task, variant: int = 0, practice: bool = False) -> None:
        self.stem, self.task, self.variant = stem, task, variant
        self._practice = practice  # what is tried for practice is not kept
        self.given = task.variants[variant]
        self._hints_given = 0
        cells.watch()

    @property
    def stub(self) -> str:
        """The answer cell as the learner finds it."""
        return fill(self.task.stub, self.given).rstrip()

    @property
    def solved(self) -> str:
        """The answer cell with an answer in it; ValueError where an edition hides solutions."""
        if hidden():
            raise ValueError(HIDDEN)
        return fill(self.task.solution, self.given).rstrip()

    @property
    def check_cell(self) -> str:
        """The cell below the answer cell."""
        return f'exercise("{self.stem}", "{self.task.name}").check({self.task.answer})'

    def check(self, answer: object = NOTHING) -> Verdict:
        """What there is to say about the answer. The learner's functions are called, within bounds."""
        bounds = Bounds()
        source = cells.source(self.task.answer)
        if source and source.error:
            return Verdict(Outcome.NOT_ATTEMPTED, self._older(source))
        verdict = self.judge(answer, bounds)
        verdict = replace(verdict, printed=bounds.printed, judged=self._named(answer, source))
        if verdict.outcome is not Outcome.NOT_ATTEMPTED and not self._practice:
            self._keep(verdict)
        return verdict

    def judge(self, answer: Any, bounds: Bounds) -> Verdict:
        """What there is to say about an answer, and nothing else: nothing is kept."""
        if answer is NOTHING or answer is None or self._untouched(answer):
            return Verdict(Outcome.NOT_ATTEMPTED, "Change the cell above, run it, and then run this one again.")
        wanted = _stub_answer(self.stem, self.task.name, self.variant)
        if unlike := self._unlike(answer, wanted):
            return not_yet(unlike)
        try:
            return self.task.check(Guarded(answer, bounds) if callable(wanted) else guard(answer, bounds), self.given)
        except Unfinished:
            return Verdict(Outcome.NOT_ATTEMPTED, "Your function still gives back `...`: put something in its place.")
        except Raised as raised:
            return Verdict(Outcome.RAISED, str(raised))

    def _unlike(self, answer: object, wanted: object) -> str:
        """Why an answer is of another kind than the stub's, a function or a class of the course; empty if it is not."""
        if callable(wanted) and not callable(answer):
            return f"Hand in the function itself, `check({self.task.answer})`, not what it gives."
        kind = type(wanted)
        if kind.__module__.startswith("vmteach.") and not isinstance(answer, kind):
            return f"{misfit(answer, kind, what='Your answer is')} Keep the form that the cell had."
        return ""

    def hint(self) -> Note:
        """The next hint; there are three."""
        number = self._hints_given + 1
        if number > len(self.task.hints):
            more = HIDDEN if hidden() else "The solution is there for reading, and reading it is no shame."
            return Note(f"There is no more hint. {more}")
        self._hints_given = number
        opened = max(number, kept.entry(self.stem, "exercises", self.task.name).get("hints", 0))
        kept.keep(self.stem, "exercises", self.task.name, hints=opened)
        text = fill(self.task.hints[number - 1], self.given)
        return Note(f"Hint {number} of {len(self.task.hints)}, {HINTS[number - 1]}: {text}")

    def solution(self) -> Note:
        """An answer, why it is one, the usual wrong turn, and what the kernel does."""
        if hidden():
            return Note(HIDDEN)
        text = "\n\n".join([self.solved, *(f"{head}: {words}" for head, words in self._explained())])
        return Note(text, card(self._folded_solution(), QUIET))

    def another(self, seed: int | None = None) -> "Exercise":
        """The same exercise with other numbers, for practice; without a seed, the next. ValueError if it has none."""
        count = len(self.task.variants)
        if count < 2:
            raise ValueError(f"another needs an exercise with numbers that vary, got {self.task.name}")
        return Exercise(self.stem, self.task, (self.variant + 1 if seed is None else seed) % count, practice=True)

    def __repr__(self) -> str:
        return f"{self.task.name} ({self.task.rung}, {self.task.minutes} minutes)\n{fill(self.task.asks, self.given)}"

    def _repr_html_(self) -> str:
        """The question, and under it the hints, each inside the one before, and the solution, all folded."""
        minutes = f"{self.task.minutes} minute{'s' * (self.task.minutes != 1)}"
        head = f"<p><strong>{self.task.rung.capitalize()}</strong> ({minutes})</p>"
        asks = f"<p>{marked(fill(self.task.asks, self.given))}</p>"
        stub = f"<pre>{escape(self.stub)}</pre>" if self.variant else ""
        hints = folds([(f"Hint {i}: {HINTS[i - 1]}", fill(h, self.given)) for i, h in enumerate(self.task.hints, 1)])
        return card(head + asks + stub + hints + self._folded_solution(), "#0060A0")

    # ---- how

    def _older(self, source: cells.Source) -> str:
        return (
            f"Cell [{source.number}] ended with a {source.error}, so `{self.task.answer}` is still the answer of an "
            "earlier run. Mend that cell, run it, and then run this one again."
        )

    def _named(self, answer: object, source: cells.Source | None) -> str:
        """What is judged, for a reader who has several cells and runs in mind; nothing in a script."""
        if source is None:
            return ""
        value = "" if callable(answer) else f" = {answer!r}"
        short = value if len(value) <= LONGEST else f"{value[:LONGEST]} ..."
        return f"{self.task.answer}{short}, from cell [{source.number}]"

    def _untouched(self, answer: object) -> bool:
        """Whether the answer is the stub's."""
        stub = _stub_answer(self.stem, self.task.name, self.variant)
        if callable(stub) and callable(answer):
            return same_code(stub, answer)
        return type(stub) is type(answer) and bool(stub == answer)

    def _keep(self, verdict: Verdict) -> None:
        before = kept.entry(self.stem, "exercises", self.task.name)
        best = max((s for s in (before.get("score"), verdict.score) if s is not None), default=None)
        solved = bool(verdict) or before.get("solved", False)
        facts = {"solved": solved, "outcome": verdict.outcome.value}
        scored = {} if best is None else {"score": best}
        kept.keep(self.stem, "exercises", self.task.name, count="tries", **facts, **scored)

    def _explained(self) -> list[tuple[str, str]]:
        heads = ("Why", "The usual wrong turn", "What the kernel does")
        texts = (self.task.reason, self.task.wrong_turn, self.task.kernel)
        return [(head, fill(text, self.given)) for head, text in zip(heads, texts)]

    def _folded_solution(self) -> str:
        if hidden():
            return ""
        told = "".join(f"<p><strong>{head}.</strong> {marked(text)}</p>" for head, text in self._explained())
        return f"<details><summary>Solution</summary><pre>{escape(self.solved)}</pre>{told}</details>"


def folds(notes: Sequence[tuple[str, str]]) -> str:
    """Notes to be unfolded one after the other: each stands inside the one before.

    >>> folds([("Hint 1", "look"), ("Hint 2", "there")])
    '<details><summary>Hint 1</summary><p>look</p><details><summary>Hint 2</summary><p>there</p></details></details>'
    """
    if not notes:
        return ""
    (head, text), *others = notes
    return f"<details><summary>{head}</summary><p>{marked(text)}</p>{folds(others)}</details>"


@cache
def _stub_answer(stem: str, name: str, variant: int) -> Any:
    """What the untouched stub defines."""
    task = task_of(stem, name)
    names: Record = {}
    exec(chapter(stem).NEEDS, names)
    exec(fill(task.stub, task.variants[variant]), names)
    return names[task.answer]
