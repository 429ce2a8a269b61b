"""Predict before the result is known: a number or a choice, once alone and once more after talking about it.

It works as a plain call, `prediction.answer(60)`, and as a labelled field in a notebook. Both votes are kept, each with
its time (docs/progress.md); `value` is the later one.
"""

from collections.abc import Mapping, Sequence
from math import inf, isclose
from numbers import Integral
from re import sub
from typing import Any

from vmteach.exercises import Asked, card, chapter, marked
from vmteach.lab import kept
from vmteach.lab.face import Face
from vmteach.lab.note import QUIET, Note
from vmteach.run import Record, Values, between, made, one_of

FEW = 20  # up to here a difference says more than a ratio
CALM = "Wrong is fine: a prediction is there to be compared."


def predict(stem: str, name: str) -> "Prediction":
    """A question of a chapter, to be answered before the result is known. What was predicted last time is there.

    >>> predict("shm_big_iron", "copy").answer(4000)
    Traceback (most recent call last):
        ...
    ValueError: prediction must be between 0 and 3600 s, got 4000
    """
    known: Mapping[str, Asked] = chapter(stem).PREDICTIONS
    one_of("prediction", name, tuple(known))
    return Prediction(stem, name, known[name])


class Prediction(Face):
    """A prediction: `value` is a number, one of the choices, or None while nothing was predicted.

    `votes` are the one or two votes, the later one last.
    """

    def __init__(self, stem: str, what: str, asked: Asked) -> None:
        self._stem, self._what, self.asked = stem, what, asked
        spec = {"kind": "predict", "html": marked(asked.question), "unit": asked.unit, "choices": asked.choices}
        super().__init__(spec={**spec, "low": asked.low, "high": asked.high})
        self.votes = self._kept_votes()
        if self.votes:
            self._tell(True)
        self.observe(self._on_given, "given")

    @property
    def name(self) -> str:
        """The chapter's stem and what was asked for, such as "mremap_race/way"."""
        return f"{self._stem}/{self._what}"

    @property
    def value(self) -> Any:
        """The later vote; None while nothing was predicted."""
        return self.votes[-1] if self.votes else None

    def answer(self, value: object, after_talk: bool = False) -> "Prediction":
        """Predict this, and keep it; `after_talk` makes it the second vote. None takes the prediction back.

        ValueError says what an answer must be.
        """
        if value is not None:
            value = self._fitting(value)
        first = self.votes[:1] if after_talk else []
        votes = [] if value is None else [*first, value]
        written = votes == self.votes or self._keep(votes)
        self.votes = votes
        self._tell(written)
        return self

    def against(self, result: object) -> "Compared":
        """The prediction beside what came out, in words."""
        if self.votes:
            kept.keep(self._stem, "predictions", self._what, result=_plain(result))
        return Compared(self, _plain(result))

    def shown(self, value: Any) -> str:
        """A value with the unit of the question."""
        unit = sub(r"(?<=ch)es$|(?<=\w)s$", "", self.asked.unit) if value == 1 else self.asked.unit  # 1 patch, not es
        return f"{value if isinstance(value, str) or value is None else _number(value)} {unit}".rstrip()

    def __repr__(self) -> str:
        return f"{self.asked.question} {self.shown(self.value) if self.votes else 'nothing predicted yet'}"

    def still(self, page: bool = False) -> str:
        predicted = f"Predicted: {self.shown(self.value)}." if self.votes else "Nothing predicted yet."
        return card(f"<p><strong>{marked(self.asked.question)}</strong></p><p>{marked(predicted)}</p>", QUIET)

    # ---- how

    def beside(self, result: Any) -> str:
        """What there is to say when the result is known."""
        if not self.votes:
            return f"Nothing was predicted; it is {self.shown(result)}."
        begins = f"You said {self.shown(self.value)}"
        if len(self.votes) == 2 and self.votes[0] != self.value:
            begins = f"You said {self.shown(self.votes[0])}, and {self.shown(self.value)} after talking"
        if self.value == result:
            return f"{begins}, and so it is."
        words = bool(self.asked.choices) or isinstance(result, str)
        far = "" if words else f": {_how_far(self.value, result)}"
        overlooked = self.asked.to(self.value, result)
        nearer = "" if words else self._nearer(result)
        return f"{begins}; it is {self.shown(result)}{far}. {nearer}{overlooked or CALM}"

    def _nearer(self, result: float) -> str:
        """Whether the second vote was the better one; nothing where the votes are equally far off, or one."""
        first, last = (abs(vote - result) for vote in (self.votes[0], self.value))
        return "" if first == last else f"Talking brought you {'nearer' if last < first else 'further off'}. "

    def _fitting(self, value: Any) -> Any:
        """The value as Python's own text or number; ValueError unless it is an answer to this question."""
        if self.asked.choices:
            value = made("prediction", value, str)
            one_of("prediction", value, self.asked.choices)
            return value
        number = made("prediction", value, float)
        low = -inf if self.asked.low is None else self.asked.low
        high = inf if self.asked.high is None else self.asked.high
        between("prediction", value, low, high, self.asked.unit)
        return int(value) if isinstance(value, Integral) else number

    def _keep(self, votes: Sequence[object]) -> bool:
        """Write the votes, each with the time at which it was first cast; whether they are in the file."""
        before = kept.entry(self._stem, "predictions", self._what).get("votes", [])
        stamped = [
            before[i] if i < len(before) and before[i]["value"] == vote else {"value": vote, "when": kept.now()}
            for i, vote in enumerate(votes)
        ]
        value = votes[-1] if votes else None
        facts: Record = {"value": value, "votes": stamped, "unit": self.asked.unit, "result": None}
        return kept.keep(self._stem, "predictions", self._what, **facts)

    def _kept_votes(self) -> list[Any]:
        """What was kept, if it still is an answer to this question."""
        entry = kept.entry(self._stem, "predictions", self._what)
        votes = [vote["value"] for vote in entry.get("votes", [])] or [entry.get("value")]
        try:
            for vote in votes:
                self._fitting(vote)
        except ValueError:
            return []
        return votes

    def _tell(self, written: bool) -> None:
        """Say on the page what is kept now."""
        votes = dict(zip(("value", "first"), reversed(self.votes)))
        given = {**votes, "seq": self.given.get("seq", 0)}
        if self.given != given:
            self.given = given
        if not self.votes:
            self._say("No prediction.")
            return
        begins = "Kept" if written else "Kept for this session only, for your progress file cannot be written"
        talked = f", after {self.shown(self.votes[0])}" if "first" in votes else ""
        self._say(f"{begins}: {self.shown(self.value)}{talked}. {CALM}")

    def _on_given(self, change: Values) -> None:
        new = change["new"]
        if new.get("value") == self.value and len(self.votes) == 1 + ("first" in new):
            self._tell(True)  # it is kept already
            return
        try:
            self.answer(new.get("value"), after_talk="first" in new)
        except ValueError as wrong:
            self._tell(True)
            self._say(str(wrong))


class Compared(Note):
    """What was predicted beside what came out."""

    def __init__(self, prediction: Prediction, result: object) -> None:
        super().__init__(prediction.beside(result))
        self._prediction, self._result = prediction, result

    def facts(self) -> Record:
        """What a page without a kernel needs: the prediction's name, what came out, and what to say to which answer."""
        one, asked = self._prediction, self._prediction.asked
        overlooked = asked.overlooked if asked.result == self._result else {}
        return {
            "of": one.name,
            "unit": asked.unit,
            "result": self._result,
            "shown": one.shown(self._result),
            "calm": CALM,
            "overlooked": [(guess, one.shown(guess), marked(said)) for guess, said in overlooked.items()],
        }


def _how_far(said: float, result: float) -> str:
    """How a result stands to what was said.

    >>> _how_far(100, 450), _how_far(100, 90), _how_far(0, 300), _how_far(3, 2)
    ('4.5 times as much', '10 % less', '300 more', '1 less')
    """
    counted = said == int(said) and result == int(result) and max(said, result) <= FEW
    way = "more" if result > said else "less"
    if counted or min(said, result) <= 0:
        return f"{_number(abs(result - said))} {way}"
    ratio = result / said
    factor = max(ratio, 1 / ratio)
    if factor < 1.95:
        return f"{100 * abs(ratio - 1):.2g} % {way}"
    if isclose(factor, 2, rel_tol=0.03):
        return "twice as much" if ratio > 1 else "half as much"
    return f"{ratio:.2g} times as much" if ratio > 1 else f"less by a factor of {factor:.2g}"


def _number(value: float) -> str:
    """A number with four digits; from a thousand on with all before the point and one after it.

    >>> _number(19660.8), _number(537.62), _number(10240)
    ('19,660.8', '537.6', '10,240')
    """
    return f"{value:,.1f}".removesuffix(".0") if abs(value) >= 1000 else f"{value:.4g}"


def _plain(value: object) -> Any:
    """A number of numpy's as one of Python's."""
    return value.item() if hasattr(value, "item") else value
