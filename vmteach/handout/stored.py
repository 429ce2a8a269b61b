"""What a handout keeps of an explorer: the scene of every run that it stores, so that each pair of kernels is at hand.

source      vmteach/lab/stage.py says what is to be seen at a position; the page (page.js) puts panels together
left out    what an explorer leaves out of a picture (`Scene.more`), and positions beyond MOST_RUNS: `where` names them

Positions are chosen by how likely a reader goes there: each control from where it stands, each from each preset, then
two controls together, then all of them. A layer is stored whole or not at all.
"""

import base64
import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations, product
from typing import NamedTuple

from vmteach.exercises import Goal
from vmteach.lab import note
from vmteach.lab.asked import entry, said_at
from vmteach.lab.stage import At, Stage, as_python
from vmteach.run import Record, between

MOST_RUNS = 1_500
ALL = "all stops of all controls"
HEAVIEST = 1_600_000  # characters of one explorer's runs in the page


class Layer(NamedTuple):
    """Some positions with the words for the reader that name them."""

    words: str
    positions: list[tuple[int, ...]]


def layers(stage: Stage, at: At) -> Iterator[Layer]:
    """The positions of an explorer, the likeliest ones first; each is the index of a stop for every control."""
    fields = [field for field, control in stage.controls.items() if control.matters]
    alone = [(field,) for field in fields]
    starts = [{**stage.first, **preset["at"]} for preset in stage.spec()["presets"]]
    yield Layer("each control, from where it stands", _moved(stage, [at], alone))
    yield Layer("the presets", _moved(stage, starts, [()]))
    yield Layer("each control, from each preset", _moved(stage, starts, alone))
    for pair in combinations(fields, 2):
        words = " with ".join(stage.controls[field].label for field in pair)
        yield Layer(f"{words}, all stops", _moved(stage, [at], [pair]))
    yield Layer(ALL, _moved(stage, [at], [fields]))


def _moved(stage: Stage, starts: Iterable[At], groups: Iterable[Sequence[str]]) -> list[tuple[int, ...]]:
    """From each start the positions to which each group of controls leads, at all of their stops together."""
    return [
        tuple({**start, **dict(zip(group, stops))}[field] for field in stage.controls)
        for start, group in product(starts, groups)
        for stops in product(*(range(len(stage.controls[field].stops)) for field in group))
    ]


class Stored:
    """The runs of an explorer that a page holds, as scenes; equal ones once.

    `positions` maps a position to the numbers of its runs' lines, one for each kernel; `where` says in words what is
    stored.
    """

    def __init__(self, stage: Stage, at: At, goals: Iterable[Goal] = (), most: int = MOST_RUNS) -> None:
        between("most", most, 1, 1_000_000, "runs")
        # A stage of its own: what observes the reader's explorer is not to see it run through its positions.
        self.stage = Stage(stage.patch, stage.figure, at["policies"], stage.fixed)
        self.at, self.goals = dict(at), tuple(goals)
        self.lines: dict[str, int] = {}
        self.positions: dict[tuple[int, ...], list[int]] = {}
        self.verdicts: list[dict[str, int]] = [{} for _ in self.goals]  # text -> its number, for each goal
        self.said: dict[tuple[int, ...], list[int]] = {}
        self.where: list[str] = []
        for layer in layers(self.stage, self.at):
            new = [position for position in dict.fromkeys(layer.positions) if position not in self.positions]
            if (len(self.positions) + len(new)) * len(self.stage.labels) > most:
                continue
            if new:
                self.where.append(layer.words)
            for position in sorted(new):  # neighbours share runs, and pack well
                self._store(position)

    def _store(self, position: tuple[int, ...]) -> None:
        at = {**dict(zip(self.stage.controls, position)), "policies": list(self.stage.labels)}
        self.positions[position] = [self._line(at, label) for label in self.stage.labels]
        self.said[position] = [self._verdict(i, goal, at) for i, goal in enumerate(self.goals)]

    def _line(self, at: At, label: str) -> int:
        """The number of the line of a run."""
        line = json.dumps(entry(self.stage, at, label), separators=(",", ":"))
        return self.lines.setdefault(line, len(self.lines))

    def _verdict(self, i: int, goal: Goal, at: At) -> int:
        """The number of what a goal says at a position, with the kernels shown that it needs."""
        said = said_at(self.stage, goal, {**at, "policies": list(goal.needs) or self.at["policies"]})
        return self.verdicts[i].setdefault(json.dumps(said), len(self.verdicts[i]))

    def bundle(self) -> Record:
        """What the page needs, as JSON: the packed runs, and the default picture's panels for who runs no script."""
        data = self._packed()
        if len(data) > HEAVIEST:
            raise ValueError(
                f"{len(self.positions)} positions of the explorer take {len(data):,} characters, not {HEAVIEST:,}: "
                'store fewer runs with the cell\'s metadata, {"vmteach": {"runs": 500}}'
            )
        shown = self.stage.show(self.at)
        still = {key: shown[key] for key in ("panels", "finding", "alt", "rows", "labels")}
        return {"data": data, "still": still, "where": self.said_where()}

    def said_where(self) -> str:
        """What is stored, in a sentence for the reader."""
        n = len(self.positions)
        if self.where[-1:] == [ALL]:
            return f"This page stores all {n:,} positions of the controls, with every kernel."
        return f"This page stores {n:,} positions of the controls, with every kernel: {'; '.join(self.where)}."

    def _packed(self) -> str:
        """gzip of a line of JSON, then a line a run."""
        header = {
            "spec": {**self.stage.spec(), "goals": []},
            "at": self.at,
            "fields": list(self.stage.controls),
            "positions": {",".join(map(str, position)): runs for position, runs in self.positions.items()},
            "said": {",".join(map(str, position)): said for position, said in self.said.items()},
            "verdicts": [[json.loads(text) for text in known] for known in self.verdicts],
            "goals": [told(goal) for goal in self.goals],
            "code": self._code(),
        }
        text = "\n".join([json.dumps(header, separators=(",", ":")), *self.lines])
        return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()

    def _code(self) -> Record:
        """What the page writes the Python of a position from: each stop as it is spelled, and what stays."""
        fixed = [f"{field}={as_python(field, value)}" for field, value in self.stage.fixed.items()]
        spelled = {f: [as_python(f, stop) for stop in c.stops] for f, c in self.stage.controls.items()}
        head, _, rest = self.stage.code(self.at).partition("patch.Scenario(")
        tail = rest[rest.index("\nlabels = ") :].split("\n", 2)[2]
        return {"head": f"{head}patch.Scenario(", "tail": tail, "spelled": spelled, "fixed": fixed}


def told(goal: Goal) -> Record:
    """A goal as the page shows it, and the kernels that it needs."""
    return {**note.told(goal), "needs": goal.needs}


def quietly(bundle: Callable[[], Record], mime: str) -> Record:
    """The bundle, or what went wrong with it: IPython would print that and go on."""
    try:
        return bundle()
    except Exception as trouble:
        return {mime: {"error": f"{type(trouble).__name__}: {trouble}"}, "text/plain": ""}
