"""To learn and not only to look: predict, exercise, goal, recall, progress.

Each of them works as a plain call in a script and as something to operate in a notebook: `prediction.answer(60)` or a
labelled field, `recall(stem).answer(1, 2)` or a group of radio buttons. What the learner does is kept in one local
file (vmteach/lab/kept.py says where, and when it is read). The face (learn.js) is native HTML; hints and solutions
are folds, which need no kernel at all. Exercises are data: vmteach/exercises says how they are written.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from math import isclose, isfinite
from os import environ
from pathlib import Path
from re import sub
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from vmteach.exercises import Asked, Goal, Outcome, Task, Verdict, card, chapter, fill, marked, not_yet, right
from vmteach.lab import kept
from vmteach.lab.bounded import Bounds, Guarded, Raised, Unfinished, guard, same_code
from vmteach.patches import STEMS
from vmteach.run import between, one_of

if TYPE_CHECKING:
    from vmteach.lab.progress import Progress

HERE = Path(__file__).parent
NOTHING: Any = ...  # no answer was handed in
HINTS = ("a nudge", "where to look", "one step worked out")
HIDDEN = "This edition shows no solutions."
FEW = 20  # up to here a difference tells more than a ratio
CALM = "Wrong is fine: a prediction is there to be compared."
QUIET = "#595959"


def hidden() -> bool:
    """Whether solutions are not to be seen: VMTEACH_SOLUTIONS is "hidden", as a student's edition has it."""
    return environ.get("VMTEACH_SOLUTIONS") == "hidden"


class Note:
    """Some words, as text and as HTML."""

    def __init__(self, text: str, html: str = "", colour: str = QUIET) -> None:
        self.text, self._html = text, html or card(f"<p>{marked(text)}</p>", colour, 'role="status"')

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self._html


class Face(anywidget.AnyWidget):
    """What learn.js shows: `spec` stays, `given` comes from the page, `said` goes to it."""

    _esm = HERE / "learn.js"
    _css = HERE / "learn.css"
    spec = traitlets.Dict().tag(sync=True)
    given = traitlets.Dict().tag(sync=True)
    said = traitlets.Dict().tag(sync=True)

    def _say(self, verdict: Verdict | str) -> None:
        if isinstance(verdict, str):
            self.said = {"outcome": "", "html": marked(verdict)}
        else:
            self.said = {"outcome": verdict.outcome.value, "html": marked(f"**{verdict.word}** {verdict.text}")}


# ---- predict


def predict(
    name: str,
    question: str,
    choices: Sequence[str] | None = None,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
) -> "Prediction":
    """A question to answer before the result is known: a number from `low` to `high`, or one of `choices`.

    `name` is "STEM/what". What was predicted last time is still there. Hand `.value`, a number or None, to `draw`.
    """
    return Prediction(name, question, choices, unit, low, high)


class Prediction(Face):
    """A prediction: `value` is a number, one of the choices, or None while nothing was predicted."""

    def __init__(
        self,
        name: str,
        question: str,
        choices: Sequence[str] | None,
        unit: str,
        low: float | None,
        high: float | None,
    ) -> None:
        self._stem, _, self._name = name.partition("/")
        one_of("the first part of the name (STEM/what)", self._stem, STEMS)
        if not self._name:
            raise ValueError(f"name must be STEM/what, got {name!r}")
        self._question, self._unit, self._choices = question, unit, tuple(choices or ())
        self._low, self._high = -float("inf") if low is None else low, float("inf") if high is None else high
        spec = {"kind": "predict", "html": marked(question), "unit": unit, "choices": self._choices}
        super().__init__(spec={**spec, "low": low, "high": high}, given={}, said={})
        self.value = self._fitting(kept.entry(self._stem, "predictions", self._name).get("value"))
        if self.value is not None:
            self.given = {"value": self.value}
            self._say(f"Kept: {self._shown(self.value)}. {CALM}")
        self.observe(self._on_given, "given")

    def answer(self, value: Any) -> "Prediction":
        """Predict this, and keep it. None takes the prediction back."""
        if value is not None:
            if self._choices:
                one_of("prediction", value, self._choices)
            elif not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
                raise ValueError(f"prediction must be a number, got {value!r}")
            else:
                between("prediction", value, self._low, self._high, self._unit)
        if value != self.value:
            kept.keep(self._stem, "predictions", self._name, value=value, unit=self._unit, result=None)
        self.value = value
        self._say(f"Kept: {self._shown(value)}. {CALM}" if value is not None else "No prediction.")
        if self.given.get("value") != value:
            self.given = {} if value is None else {"value": value}
        return self

    def against(self, result: Any) -> "Compared":
        """The prediction beside what came out, in words."""
        if self.value is not None:
            kept.keep(self._stem, "predictions", self._name, result=_plain(result))
        return Compared(self, _plain(result))

    def _beside(self, result: Any) -> str:
        if self.value is None:
            return f"Nothing was predicted; it is {self._shown(result)}."
        begins = f"You said {self._shown(self.value)}"
        if self.value == result:
            return f"{begins}, and so it is."
        words = bool(self._choices) or isinstance(result, str)
        far = "" if words else f": {_how_far(self.value, result)}"
        overlooked = self._guesses.to(self.value, result) if self._guesses else ""
        return f"{begins}; it is {self._shown(result)}{far}. {overlooked or CALM}"

    @property
    def _guesses(self) -> Asked | None:
        """What the chapter has to say to some answers."""
        found: Asked | None = chapter(self._stem).PREDICTIONS.get(self._name)
        return found

    @property
    def name(self) -> str:
        """The chapter's stem and what was asked for, such as "mremap_race/way"."""
        return f"{self._stem}/{self._name}"

    def __repr__(self) -> str:
        return f"{self._question} {self._shown(self.value) if self.value is not None else 'nothing predicted yet'}"

    def _shown(self, value: Any) -> str:
        unit = sub(r"(?<=ch)es$|(?<=\w)s$", "", self._unit) if value == 1 else self._unit  # patches, pages, not s
        return f"{value if isinstance(value, str) or value is None else _number(value)} {unit}".rstrip()

    def _fitting(self, value: Any) -> Any:
        """What was kept, if it still is an answer to this question."""
        if self._choices:
            return value if value in self._choices else None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return value if number and self._low <= value <= self._high else None

    def _on_given(self, change: Mapping[str, Any]) -> None:
        try:
            self.answer(change["new"].get("value"))
        except ValueError as wrong:
            self._say(str(wrong))


class Compared(Note):
    """What was predicted beside what came out."""

    def __init__(self, prediction: Prediction, result: Any) -> None:
        super().__init__(prediction._beside(result))
        self._prediction, self._result = prediction, result

    def facts(self) -> dict[str, Any]:
        """What a page without a kernel needs: the prediction's name, what came out, and what to say to which answer."""
        one, known = self._prediction, self._prediction._guesses
        overlooked = known.overlooked if known and known.result == self._result else {}
        return {
            "of": one.name,
            "unit": one._unit,
            "result": self._result,
            "shown": one._shown(self._result),
            "calm": CALM,
            "overlooked": [(guess, one._shown(guess), marked(said)) for guess, said in overlooked.items()],
        }


def _how_far(said: float, result: float) -> str:
    """How a result stands to what was said.

    >>> _how_far(100, 450), _how_far(100, 90), _how_far(0, 300), _how_far(3, 2)
    ('4.5 times as much', '10 % less', '300 more', '1 less')
    """
    counted = said == int(said) and result == int(result) and max(said, result) <= FEW
    if said > 0 and result > 0 and not counted:
        ratio = result / said
        if ratio >= 1.95:
            return "twice as much" if isclose(ratio, 2, rel_tol=0.03) else f"{ratio:.2g} times as much"
        if ratio <= 1 / 1.95:
            return "half as much" if isclose(ratio, 0.5, rel_tol=0.03) else f"less by a factor of {1 / ratio:.2g}"
        return f"{100 * abs(ratio - 1):.2g} % {'more' if ratio > 1 else 'less'}"
    return f"{_number(abs(result - said))} {'more' if result > said else 'less'}"


def _number(value: float) -> str:
    """A number with four digits; from a thousand on with all before the point and one after it.

    >>> _number(19660.8), _number(537.62), _number(10240)
    ('19,660.8', '537.6', '10,240')
    """
    return f"{value:,.1f}".removesuffix(".0") if abs(value) >= 1000 else f"{value:.4g}"


def _plain(value: Any) -> Any:
    """A number of numpy's as one of Python's."""
    return value.item() if hasattr(value, "item") else value


# ---- exercises


@cache
def exercise(stem: str, name: str) -> "Exercise":
    """An exercise of a chapter. It is the same one each time, so that hints go on where they were.

    >>> exercise("shm_big_iron", "laps").check()
    Not attempted. Change the cell above, run it, and then run this one again.
    """
    known = {task.name: task for task in chapter(stem).EXERCISES}
    one_of("exercise", name, tuple(known))
    return Exercise(stem, known[name])


class Exercise:
    """One exercise in one variant: `check` an answer, ask for a `hint`, read the `solution`, take `another`."""

    def __init__(self, stem: str, task: Task, variant: int = 0) -> None:
        self.stem, self.task, self.variant = stem, task, variant
        self.given = task.variants[variant]
        self._hints_given = 0

    @property
    def stub(self) -> str:
        """The answer cell as the learner finds it."""
        return fill(self.task.stub, self.given).rstrip()

    @property
    def solved(self) -> str:
        """The answer cell with an answer in it."""
        return fill(self.task.solution, self.given).rstrip()

    @property
    def check_cell(self) -> str:
        """The cell below the answer cell."""
        return f'exercise("{self.stem}", "{self.task.name}").check({self.task.answer})'

    def check(self, answer: Any = NOTHING) -> Verdict:
        """What there is to say about the answer. The learner's functions are called, within bounds."""
        bounds = Bounds()
        verdict = self._judged(answer, bounds)
        if bounds.printed:
            verdict = Verdict(verdict.outcome, verdict.message, verdict.score, bounds.printed)
        if verdict.outcome is not Outcome.NOT_ATTEMPTED and not self.variant:
            self._keep(verdict)
        return verdict

    def hint(self) -> Note:
        """The next hint; there are three."""
        number = self._hints_given + 1
        if number > len(self.task.hints):
            more = HIDDEN if hidden() else "The solution is there for reading, and reading it is no shame."
            return Note(f"There is no more hint. {more}")
        self._hints_given = number
        text = fill(self.task.hints[number - 1], self.given)
        return Note(f"Hint {number} of {len(self.task.hints)}, {HINTS[number - 1]}: {text}")

    def solution(self) -> Note:
        """An answer, why it is one, the usual wrong turn, and what the kernel does."""
        if hidden():
            return Note(HIDDEN)
        parts = [(head, fill(text, self.given)) for head, text in self._explained()]
        text = "\n\n".join([self.solved, *(f"{head}: {words}" for head, words in parts)])
        return Note(text, card(self._folded_solution(), QUIET))

    def another(self, seed: int | None = None) -> "Exercise":
        """The same exercise with other numbers, where it has some; without a seed, the next one."""
        count = len(self.task.variants)
        if count < 2:
            raise ValueError(f"another needs an exercise with numbers that vary, got {self.task.name}")
        return Exercise(self.stem, self.task, (self.variant + 1 if seed is None else seed) % count)

    def __repr__(self) -> str:
        return f"{self.task.name} ({self.task.rung}, {self.task.minutes} minutes)\n{fill(self.task.asks, self.given)}"

    def _repr_html_(self) -> str:
        """The question, and under it the hints, each inside the one before, and the solution, all folded."""
        minutes = f"{self.task.minutes} minute{'s' * (self.task.minutes != 1)}"
        head = f"<p><strong>{self.task.rung.capitalize()}</strong> ({minutes})</p>"
        asks = f"<p>{marked(fill(self.task.asks, self.given))}</p>"
        stub = f"<pre>{escape(self.stub)}</pre>" if self.variant else ""
        return card(head + asks + stub + self._folded_hints() + self._folded_solution(), "#0060A0")

    # ---- how

    def _judged(self, answer: Any, bounds: Bounds) -> Verdict:
        if answer is NOTHING or answer is None or self._untouched(answer):
            return Verdict(Outcome.NOT_ATTEMPTED, "Change the cell above, run it, and then run this one again.")
        wanted = _stub_answer(self.stem, self.task.name, self.variant)
        if callable(wanted) and not callable(answer):
            return not_yet(f"Hand in the function itself, `check({self.task.answer})`, not what it gives.")
        try:
            return self.task.check(Guarded(answer, bounds) if callable(wanted) else guard(answer, bounds), self.given)
        except Unfinished:
            return Verdict(Outcome.NOT_ATTEMPTED, "Your function still gives back `...`: put something in its place.")
        except Raised as raised:
            return Verdict(Outcome.RAISED, str(raised))

    def _untouched(self, answer: Any) -> bool:
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
        task = self.task
        return [("Why", task.reason), ("The usual wrong turn", task.wrong_turn), ("What the kernel does", task.kernel)]

    def _folded_hints(self) -> str:
        return folds([(f"Hint {i}: {HINTS[i - 1]}", fill(h, self.given)) for i, h in enumerate(self.task.hints, 1)])

    def _folded_solution(self) -> str:
        if hidden():
            return ""
        told = "".join(
            f"<p><strong>{head}.</strong> {marked(fill(text, self.given))}</p>" for head, text in self._explained()
        )
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
    task = next(task for task in chapter(stem).EXERCISES if task.name == name)
    names: dict[str, Any] = {}
    exec(chapter(stem).NEEDS, names)
    exec(fill(task.stub, task.variants[variant]), names)
    return names[task.answer]


# ---- goals on the explorer


def goal(explorer: Any, stem: str, name: str) -> "GoalFace":
    """A goal for an explorer. In a notebook it follows the explorer's controls and says where it stands."""
    known = {each.name: each for each in chapter(stem).GOALS}
    one_of("goal", name, tuple(known))
    return GoalFace(explorer, stem, known[name])


class GoalFace(Face):
    """A goal beside an explorer: `met` is whether it is reached now, `check` says what is missing."""

    def __init__(self, explorer: Any, stem: str, goal: Goal) -> None:
        self._explorer, self._stem, self.goal = explorer, stem, goal
        hints = [(f"Hint {i}", text) for i, text in enumerate(goal.hints, 1)]
        why = "" if hidden() else f"<details><summary>Solution</summary><p>{marked(goal.reason)}</p></details>"
        super().__init__(spec={"kind": "goal", "html": marked(goal.asks), "folds": folds(hints) + why}, said={})
        self._reached = bool(kept.entry(stem, "goals", goal.name).get("reached"))
        self._follow()
        explorer.observe(self._follow, "at")

    @property
    def met(self) -> bool:
        """Whether the explorer stands at the goal now."""
        return bool(self._verdict())

    def check(self) -> Verdict:
        """What the goal says about the explorer's state."""
        self._follow()
        return self._verdict()

    def __repr__(self) -> str:
        return f"{self.goal.asks}\n{self._verdict()}"

    def _verdict(self) -> Verdict:
        try:
            return self.goal.verdict(self._explorer.state, self._explorer.numbers)
        except ValueError as impossible:  # the scenario says so in its own words
            return not_yet(f"There is nothing to see at these stops: {impossible}.")

    def _follow(self, _: Any = None) -> None:
        verdict = self._verdict()
        if verdict and not self._reached:
            self._reached = True
            kept.keep(self._stem, "goals", self.goal.name, reached=True)
        word = "Reached." if verdict else "Reached before; not at these stops." if self._reached else "Not reached yet."
        said = {"outcome": verdict.outcome.value, "html": marked(f"**{word}** {verdict.message}")}
        if said != self.said:
            self.said = said


# ---- recall


def recall(stem: str) -> "Recall":
    """The questions at the end of a chapter, to be answered without looking back.

    >>> questions = recall("scsi_deadlock")
    >>> len(questions.questions)
    3
    """
    return Recall(stem)


class Recall(Face):
    """Questions with options; `answer(question, option)`, both counted from 1, gives what there is to say."""

    def __init__(self, stem: str) -> None:
        self._stem, self.questions = stem, chapter(stem).RECALL
        shown = [
            {"html": marked(q.asks), "options": [[marked(o.text), marked(o.feedback), o.right] for o in q.options]}
            for q in self.questions
        ]
        super().__init__(spec={"kind": "recall", "questions": shown}, given={}, said={})
        self.observe(self._on_given, "given")

    def answer(self, question: int, option: int) -> Verdict:
        """The feedback on an option."""
        between("question", question, 1, len(self.questions))
        between("option", option, 1, len(self.questions[question - 1].options))
        chosen = self.questions[question - 1].options[option - 1]
        solved = chosen.right or bool(kept.entry(self._stem, "recall", str(question)).get("solved"))
        kept.keep(self._stem, "recall", str(question), count="tries", solved=solved)
        return (right if chosen.right else not_yet)(chosen.feedback)

    def __repr__(self) -> str:
        asked = (
            f"{i}. {q.asks}\n" + "\n".join(f"   {j}) {o.text}" for j, o in enumerate(q.options, 1))
            for i, q in enumerate(self.questions, 1)
        )
        return "\n".join(asked)

    def _on_given(self, change: Mapping[str, Any]) -> None:
        """The page has said what there is to say; it is kept here."""
        for question, option in change["new"].items():
            if change["old"].get(question) != option:
                self.answer(int(question), int(option))


# ---- progress


def progress() -> "Progress":
    """What has been done so far, over all chapters: a table, and a picture of the predictions."""
    from vmteach.lab.progress import Progress

    return Progress(kept.read()["chapters"])
