"""Goals: a state of the explorer to be reached. They follow the newest explorer of their chapter."""

from collections.abc import Callable, Mapping
from typing import Protocol
from weakref import WeakSet

from vmteach.exercises import Goal, Verdict, card, chapter, marked, not_yet
from vmteach.lab import kept
from vmteach.lab.exercise import folds
from vmteach.lab.face import Face
from vmteach.lab.note import QUIET, hidden
from vmteach.run import Record, Values, one_of

_followers: "WeakSet[GoalFace]" = WeakSet()


class Explored(Protocol):
    """What a goal asks an explorer."""

    @property
    def state(self) -> Record: ...
    @property
    def numbers(self) -> dict[str, Record]: ...
    def observe(self, handler: object, names: object) -> None: ...
    def unobserve(self, handler: object, names: object) -> None: ...


def goal(explorer: Explored, stem: str, name: str) -> "GoalFace":
    """A goal for an explorer. In a notebook it follows the controls and says where it stands."""
    known = {each.name: each for each in chapter(stem).GOALS}
    one_of("goal", name, tuple(known))
    return GoalFace(explorer, stem, known[name])


def follow_newest(explorer: Explored, stem: str) -> None:
    """From now on the goals of this chapter judge this explorer."""
    for face in _followers:
        if face.stem == stem:
            face.follow(explorer)


class GoalFace(Face):
    """A goal beside an explorer: `met` is whether it is reached now, `check` says what is missing."""

    def __init__(self, explorer: Explored, stem: str, goal: Goal) -> None:
        self.explorer, self.stem, self.goal = explorer, stem, goal
        hints = [(f"Hint {i}", text) for i, text in enumerate(goal.hints, 1)]
        why = "" if hidden() else f"<details><summary>Solution</summary><p>{marked(goal.reason)}</p></details>"
        super().__init__(spec={"kind": "goal", "html": marked(goal.asks), "folds": folds(hints) + why})
        self._judge = Judge(stem, goal)
        _followers.add(self)
        self.follow(explorer)

    def follow(self, explorer: Explored) -> None:
        """Judge this explorer, now and whenever it is moved."""
        if self.explorer is not explorer:
            self.explorer.unobserve(self._moved, "at")
        self.explorer = explorer
        explorer.observe(self._moved, "at")
        self._moved()

    @property
    def met(self) -> bool:
        """Whether the explorer stands at the goal now."""
        return bool(self._verdict())

    def check(self) -> Verdict:
        """What the goal says about the explorer's state."""
        self._moved()
        return self._verdict()

    def __repr__(self) -> str:
        return f"{self.goal.asks}\n{self._verdict()}"

    def still(self, page: bool = False) -> str:
        said = self._judge.say(self._verdict())
        return card(f"<p>{marked(self.goal.asks)}</p><p>{marked(said)}</p>", QUIET)

    def _verdict(self) -> Verdict:
        return self._judge.verdict(self.explorer.state, lambda: self.explorer.numbers)

    def _moved(self, _: Values | None = None) -> None:
        verdict = self._verdict()
        self._judge.keep(verdict)
        said = {"outcome": verdict.outcome.value, "html": marked(self._judge.say(verdict)), "seq": 0}
        if said != self.said:
            self.said = said


class Judge:
    """Says where a goal stands, and keeps when it is reached for the first time."""

    def __init__(self, stem: str, goal: Goal) -> None:
        self.stem, self.goal = stem, goal
        self._reached = bool(kept.entry(stem, "goals", goal.name).get("reached"))

    def verdict(self, state: Values, numbers: Callable[[], Mapping[str, Values]]) -> Verdict:
        """The goal's verdict; where there is no run, because the scenario says so in its own words."""
        try:
            return self.goal.verdict(state, numbers())
        except ValueError as impossible:
            return not_yet(f"There is nothing to see at these stops: {impossible}.")

    def keep(self, verdict: Verdict) -> None:
        """Keep that the goal is reached."""
        if verdict and not self._reached:
            self._reached = True
            kept.keep(self.stem, "goals", self.goal.name, reached=True)

    def say(self, verdict: Verdict) -> str:
        """Where the goal stands, in words."""
        word = "Reached." if verdict else "Reached before; not at these stops." if self._reached else "Not yet."
        return f"**{word}** {verdict.message}"
