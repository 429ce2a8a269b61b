"""What a notebook works with: `ch = chapter("STEM")`, a plain object with the model, the pictures, the questions.

The model is loaded at once, everything else when it is first asked for: these two lines load neither matplotlib nor
pandas nor numpy.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from vmteach.course import CHAPTERS
from vmteach.figures.scene import Scene
from vmteach.lab import cells
from vmteach.patches import STEMS
from vmteach.run import Record, Run, Values, changed, one_of

if TYPE_CHECKING:
    from vmteach.lab.exercise import Exercise
    from vmteach.lab.explorer import Explorer
    from vmteach.lab.goal import GoalFace
    from vmteach.lab.picture import Picture
    from vmteach.lab.predict import Prediction
    from vmteach.lab.recall import Recall
    from vmteach.lab.story import StoryFace
    from vmteach.lab.table import Table


class Chapter:
    """A chapter of the course.

    ch.model, ch.figure    its modules, to be read: the model and the picture
    ch.Scenario(...)       the machine and the workload, with defaults
    ch.kernels             the policies by label: unpatched, patched, what-ifs
    ch.simulate(s, p)      a Run: its .events and .numbers
    ch.runs(scenario)      the runs of the unpatched and the patched kernel, by label
    ch.draw(runs)          a picture of some runs, or of a scene
    ch.watch()             a small case, step by step
    ch.explore()           controls, kernels to compare, goals
    ch.predict("name")     a question before the result is known
    ch.goal("name")        a goal of the explorer, in a cell of its own
    ch.exercise("name")    an exercise: .check(answer), .hint(), .solution()
    ch.recall()            questions at the end
    ch.table(rows)         a table of rows, runs or numbers
    ch.changed()           what the patch changed, as a table

    >>> ch = Chapter("blkdev_eof")
    >>> ch.simulate(ch.Scenario(), ch.kernels["unpatched"]).numbers["bytes lost (B)"]
    1024
    """

    def __init__(self, stem: str) -> None:
        one_of("chapter", stem, STEMS)
        self.stem = stem
        self.model: Any = import_module(f"vmteach.patches.{stem}")
        self._explorer: Explorer | None = None
        cells.watch()

    def __repr__(self) -> str:
        about = CHAPTERS[self.stem]
        return f"Chapter {about.number}, {about.title}. Type ch? for what it has."

    @property
    def figure(self) -> ModuleType:
        """The module of its pictures."""
        return import_module(f"vmteach.figures.{self.stem}")

    @property
    def Scenario(self) -> Callable[..., Any]:
        """The machine and the workload: a class with defaults."""
        return self.model.Scenario  # type: ignore[no-any-return]

    @property
    def kernels(self) -> Record:
        """The policies by label: the unpatched kernel first, then the patched one, then variants and what-ifs."""
        return self.model.POLICIES  # type: ignore[no-any-return]

    @property
    def simulate(self) -> Callable[..., Run]:
        """simulate(scenario, policy) -> Run."""
        return self.model.simulate  # type: ignore[no-any-return]

    def runs(self, scenario: object = None, kernels: Sequence[str] = ()) -> dict[str, Run]:
        """The runs of a scenario (the default one) by label; without labels, unpatched and patched."""
        for label in kernels:
            one_of("kernels", label, tuple(self.kernels))
        given = self.Scenario() if scenario is None else scenario
        labels = kernels or (self.model.UNPATCHED, self.model.PATCHED)
        return {label: self.simulate(given, self.kernels[label]) for label in labels}

    def draw(
        self, runs: Mapping[str, Run | Scene] | Iterable[Run] | Scene | None = None, prediction: object = None
    ) -> "Picture":
        """A picture of some runs, by label; of the default scenario's where none are given; of scenes."""
        from vmteach.lab.picture import Picture

        named = labelled(self.runs() if runs is None else runs)
        made = {label: one for label, one in named.items() if isinstance(one, Run)}
        scenes = {**named, **{label: self.figure.scene(run) for label, run in made.items()}}
        predicted = getattr(self.figure, "predicted", None)
        is_number = isinstance(prediction, int | float) and not isinstance(prediction, bool)
        return Picture(scenes, predicted(prediction) if predicted and is_number else None, made)

    def watch(self, scenario: object = None) -> "StoryFace":
        """A small case of this chapter, step by step; `scenario` makes a story of another case."""
        from vmteach.lab.story import watch

        return watch(self.stem, self.figure, scenario)

    def explore(self, policies: Sequence[str] | None = None, **fixed: object) -> "Explorer":
        """The explorer: the chapter's goals, its controls, and the kernels to compare, at first these `policies`.

        Other fields of the Scenario may be given by name; they stay as they are.
        """
        from vmteach.lab.explorer import explore

        self._explorer = explore(self.model, self.figure, policies, **fixed)
        return self._explorer

    def predict(self, name: str) -> "Prediction":
        """A question of the chapter, to be answered before the result is known."""
        from vmteach.lab.predict import predict

        return predict(self.stem, name)

    def goal(self, name: str) -> "GoalFace":
        """A goal in a cell of its own; it follows the newest explorer of the chapter."""
        from vmteach.lab.goal import goal

        return goal(self._explorer or self.explore(), self.stem, name)

    def exercise(self, name: str) -> "Exercise":
        """An exercise; the same one each time, so that hints go on where they were."""
        from vmteach.lab.exercise import exercise

        return exercise(self.stem, name)

    def recall(self) -> "Recall":
        """The questions at the end of the chapter."""
        from vmteach.lab.recall import recall

        return recall(self.stem)

    def table(self, rows: Values | Iterable[Any], head: Sequence[str] = ()) -> "Table":
        """A table of rows: NamedTuples, mappings, runs (their numbers) or plain sequences with a `head`."""
        from vmteach.lab.table import table

        return table(rows, head)

    def changed(self, unpatched: str = "", patched: str = "") -> "Table":
        """What differs between two kernels, given by label: the fields of their policies."""
        old, new = unpatched or self.model.UNPATCHED, patched or self.model.PATCHED
        for label in (old, new):
            one_of("kernels", label, tuple(self.kernels))
        return self.table(changed(self.kernels[old], self.kernels[new]), ["field", old, new])


def labelled(runs: object) -> dict[str, Any]:
    """Runs and scenes by their labels: a list's are run 1, run 2 and so on; a scene alone has none."""
    named: Any = {"": runs} if isinstance(runs, Scene) else runs
    if isinstance(named, list | tuple):
        named = {f"run {i}": run for i, run in enumerate(named, 1)}
    if not isinstance(named, Mapping) or not all(isinstance(one, Run | Scene) for one in named.values()):
        raise ValueError(f"draw takes runs, such as ch.runs() gives or [ch.simulate()], got {runs!r}")
    return dict(named)
