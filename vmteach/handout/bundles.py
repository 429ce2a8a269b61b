"""In the chapter's kernel: how a handout's cell answers where a notebook's shows a widget.

`begin()` tells IPython to show an explorer, a story, a picture, a prediction, what came of it, a goal or questions as
data for the page. A type that a handout cannot keep is left as it is, and page.py names its cell.
"""

import json
from collections.abc import Callable
from typing import Any

from vmteach.handout.stored import MOST_RUNS, Stored, quietly, told
from vmteach.run import Record

EXPLORER = "application/vnd.vmteach.explorer+json"
STORY = "application/vnd.vmteach.story+json"
DRAWING = "application/vnd.vmteach.drawing+json"
LEARNING = "application/vnd.vmteach.learning+json"
COMPARED = "application/vnd.vmteach.compared+json"

_listed: dict[str, int] = {}
_shown: dict[int, int] = {}  # id of an explorer -> its number in the page


def begin() -> None:
    """From now on what a handout keeps is shown as its bundle."""
    from IPython.core.getipython import get_ipython

    from vmteach.exercises import Outcome, Verdict
    from vmteach.lab.door import cards
    from vmteach.lab.explorer import Explorer
    from vmteach.lab.goal import GoalFace
    from vmteach.lab.picture import Picture
    from vmteach.lab.predict import Compared, Prediction
    from vmteach.lab.progress import Progress
    from vmteach.lab.recall import Recall
    from vmteach.lab.story import StoryFace

    formatter: Any = get_ipython()
    of: tuple[tuple[type, str, Callable[[Any], Any]], ...] = (
        (Explorer, EXPLORER, explorer),
        (StoryFace, STORY, lambda one: {"stories": one.stories}),
        (Picture, DRAWING, picture),
        (Prediction, LEARNING, lambda one: {"spec": plain(one.spec), "name": one.name}),
        (Recall, LEARNING, lambda one: {"spec": plain(one.spec)}),
        (GoalFace, LEARNING, goal),
        (Compared, COMPARED, lambda one: one.facts()),
        # Whoever builds a page has done nothing, and whoever reads it can change no cell.
        (Progress, "text/html", lambda one: f'<div class="only-screen">{cards()}</div>'),
        (Verdict, "text/html", lambda one: "" if one.outcome is Outcome.NOT_ATTEMPTED else one._repr_html_()),
    )
    for kind, mime, tell in of:
        formatter.display_formatter.mimebundle_formatter.for_type(kind, _teller(mime, tell))


def _teller(mime: str, tell: Callable[[Any], Any]) -> Callable[..., Record]:
    def bundle(one: object, include: object = None, exclude: object = None) -> Record:
        return quietly(lambda: {mime: tell(one), "text/plain": repr(one)}, mime)

    return bundle


def plain(spec: object) -> Any:
    """A widget's spec as JSON has it."""
    return json.loads(json.dumps(spec))


def author_lists(**lists: int) -> None:
    """What the author lists for the explorers of the next cell: `runs`, how many are stored."""
    unknown = sorted(set(lists) - {"runs"})
    if unknown:
        raise ValueError(f"the metadata of a cell may list runs, got {', '.join(unknown)}")
    _listed.clear()
    _listed.update(lists)


def explorer(one: Any) -> Record:
    """The bundle of an explorer."""
    _shown[id(one)] = len(_shown)
    stored = Stored(one.stage, one.at, [judge.goal for judge in one.judges], _listed.get("runs", MOST_RUNS))
    return {**stored.bundle(), "stem": one.stem, "goals": [told(goal) for goal in stored.goals]}


def picture(one: Any) -> Record:
    """The bundle of a picture: its panels, and how it is said without a script."""
    still = {"finding": one.finding, "alt": one.alt, "labels": list(one.numbers), "rows": one.rows}
    return {"panels": one.spec["panels"], "prediction": one.spec["prediction"], "still": still}


def goal(face: Any) -> Record:
    """The bundle of a goal in a cell of its own: which explorer's it is, and which of its goals."""
    if id(face.explorer) not in _shown:
        raise ValueError("a goal must stand below its explorer")
    names = [judge.goal.name for judge in face.explorer.judges]
    place = {"explorer": _shown[id(face.explorer)], "goal": names.index(face.goal.name)}
    return {"spec": plain(face.spec), **place}
