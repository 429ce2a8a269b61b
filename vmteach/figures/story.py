"""A run step by step, for the stepper: frames of one kernel or two, paired at the same event.

A chapter writes `frames(run)`, one frame an event, and gives every frame whole. The story pairs the kernels, keeps
only what changed, and checks what a reader could stumble over.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import chain
from typing import Any, NamedTuple

from vmteach.figures.data import Group, States, check_group, check_states, plain, told, trimmed
from vmteach.figures.scene import Link, check_links
from vmteach.run import Record, Run, Values

MOST_WORDS, MOST_STATES, MOST_ASKS, MOST_BYTES = 25, 6, 3, 30_000


class Ask(NamedTuple):
    """A question before a step: its choices, the index of the right one, why; a sentence for a wrong answer."""

    q: str
    choices: Sequence[str]
    right: int
    why: str
    wrong: Sequence[str] = ()  # one for each choice ("" for none)


@dataclass(frozen=True)
class Frame:
    """One step of one kernel: a sentence, the rules that fire, and everything that is to be seen.

    Give groups, gauges and links whole: what is the same as before is left out when the story is made. `key` names
    the event: frames of two kernels with the same key stand at the same step. `mark` names the step on the scrub bar.
    """

    say: str
    groups: Mapping[str, Group]
    key: str = ""
    rule: Sequence[str] = ()
    hot: Sequence[str] = ()
    gauges: Values = field(default_factory=dict)  # name -> n or (n, of)
    links: Sequence[Link] = ()
    note: str = ""
    mark: str = ""
    ask: Ask | None = None
    end: str = ""  # "good", "bad"

    def __post_init__(self) -> None:
        if not 0 < len(self.say.split()) <= MOST_WORDS:
            raise ValueError(
                f"a frame's sentence must have 1 to {MOST_WORDS} words, got {len(self.say.split())}: {self.say!r}"
            )
        if self.end not in ("", "good", "bad"):
            raise ValueError(f'end must be "good" or "bad" or left out, got {self.end!r}')
        if self.ask and not 0 <= self.ask.right < len(self.ask.choices):
            raise ValueError(f"right must be the index of a choice, got {self.ask.right}: {self.ask.q!r}")
        check_links(self.links)


@dataclass(frozen=True)
class Story:
    """A small case, step by step, for one or two kernels. `data` is what the page plays.

    `tracks` maps a label to its frames. `states` and `rules` are those of all frames; `gauges` maps a gauge to its
    state's letter (or ""), `debts` names pairs of gauges whose gap is drawn: ("slots taken", "writes begun").

    >>> from vmteach.figures.scene import ring
    >>> cells = {"list": ring("list", "D1")}
    >>> both = {"unpatched": [Frame("It waits.", cells)], "patched": [Frame("It goes on.", cells, end="good")]}
    >>> Story("A page", {"D": ("dirty", "attention")}, {}, both).data["steps"]
    [[0, 0]]
    """

    title: str
    states: States
    rules: Mapping[str, str]  # kernel function -> one sentence
    tracks: Mapping[str, Sequence[Frame]]
    gauges: Mapping[str, str] = field(default_factory=dict)
    debts: Sequence[tuple[str, str]] = ()

    def __post_init__(self) -> None:
        check_states(self.states, MOST_STATES)
        for label, frames in self.tracks.items():
            if not frames:
                raise ValueError(f"track {label!r} has no frames")
            _check_track(label, frames, self.states, self.rules)
        asks = {frame.ask.q for frames in self.tracks.values() for frame in frames if frame.ask}
        if len(asks) > MOST_ASKS:
            raise ValueError(f"a story asks at most {MOST_ASKS} questions, got {len(asks)}")
        length = len(json.dumps(self.data, ensure_ascii=False, separators=(",", ":")).encode())
        if length > MOST_BYTES:
            raise ValueError(f"a story has at most {MOST_BYTES:,} bytes of JSON, got {length:,}: join some frames")

    @property
    def steps(self) -> list[list[int]]:
        """For every step the index of each track's frame, in the order of the tracks."""
        frames = list(self.tracks.values())
        paired = [[i] for i in range(len(frames[0]))]
        for other in frames[1:]:
            keys = [frames[0][step[0]].key for step in paired]
            paired = [[*paired[i], j] for i, j in pair(keys, [frame.key for frame in other])]
        return paired

    @property
    def marks(self) -> list[list[Any]]:
        """[step, words] for every mark, each named once."""
        found: dict[str, int] = {}
        for n, step in enumerate(self.steps):
            for frames, i in zip(self.tracks.values(), step):
                if frames[i].mark:
                    found.setdefault(frames[i].mark, n)
        return [[n, words] for words, n in found.items()]

    @property
    def data(self) -> Record:
        """Plain values, ready for JSON; of each frame what has changed."""
        return plain(
            title=self.title,
            states=told(self.states),
            rules=self.rules,
            gauges=self.gauges,
            debts=self.debts,
            tracks=[{"name": label, "frames": list(_deltas(frames))} for label, frames in self.tracks.items()],
            marks=self.marks,
            steps=self.steps,
        )


def tracks(patch: Any, frames: Callable[[Run], Sequence[Frame]], case: object) -> dict[str, Sequence[Frame]]:
    """The tracks of a case: its frames on the unpatched and on the patched kernel."""
    return {label: frames(patch.simulate(case, patch.POLICIES[label])) for label in (patch.UNPATCHED, patch.PATCHED)}


def stories(figure: Any) -> list[Record]:
    """The stories of a figure module, ready for the page: `figure.STORIES` maps a button's words to a case,
    `figure.story(case)` makes the Story of a case.
    """
    return [{**figure.story(case).data, "name": name} for name, case in figure.STORIES.items()]


def sentences(story: Values, named: str = "{}: ") -> list[str]:
    """What a story says, a step a line; where the kernels differ each has its name before it."""
    said = []
    for step in story["steps"]:
        says = {track["frames"][i]["say"]: track["name"] for track, i in zip(story["tracks"], step)}
        said.append(" ".join(named.format(name) * (len(says) > 1) + say for say, name in says.items()))
    return said


def pair(left: Sequence[str], right: Sequence[str]) -> list[tuple[int, int]]:
    """Which item stands beside which: equal keys at the same step, what lies between them side by side.

    An empty key is equal to none. A side that has nothing left keeps its last item.

    >>> pair(["start", "a", "b", "end"], ["start", "end"])
    [(0, 0), (1, 0), (2, 0), (3, 1)]
    """
    mine = [key or ("left", i) for i, key in enumerate(left)]
    its = [key or ("right", i) for i, key in enumerate(right)]
    blocks = SequenceMatcher(None, mine, its, autojunk=False).get_matching_blocks()
    paired, i, j = [], 0, 0
    for block in blocks:
        for n in range(max(block.a - i, block.b - j)):
            paired.append((max(min(i + n, block.a - 1), 0), max(min(j + n, block.b - 1), 0)))
        paired += [(block.a + n, block.b + n) for n in range(block.size)]
        i, j = block.a + block.size, block.b + block.size
    return paired


def _deltas(frames: Sequence[Frame]) -> Iterator[Record]:
    """Frames as plain data: of groups, gauges and links only what is not as before; None takes a group away."""
    before: dict[str, Group] = {}
    gauges: Values = {}
    links: Sequence[Link] = ()
    for frame in frames:
        groups = {name: dict(group) for name, group in frame.groups.items()}
        yield plain(
            say=frame.say,
            rule=frame.rule,
            hot=[str(each) for each in frame.hot],
            groups=_news(before, groups),
            gauges={name: value for name, value in frame.gauges.items() if gauges.get(name) != value},
            note=frame.note,
            ask=frame.ask and plain(**frame.ask._asdict()),
            end=frame.end,
        ) | ({"links": [trimmed(link) for link in frame.links]} if list(frame.links) != list(links) else {})
        before, gauges, links = groups, frame.gauges, frame.links


def _news(before: Mapping[str, Group], now: Mapping[str, Group]) -> dict[str, Group | None]:
    """What changed of each group; None takes one away."""
    changes = {name: change for name, group in now.items() if (change := _change(before.get(name, {}), group))}
    return dict.fromkeys(name for name in before if name not in now) | changes


def _change(old: Group, group: Group) -> Group:
    """What is new in a group: all of it where its form is; None takes a part away."""
    if old.get("as") != group["as"]:
        return group
    new = {key: value for key, value in group.items() if old.get(key) != value}
    return new | dict.fromkeys(key for key in old if key not in group)


def _check_track(label: str, frames: Sequence[Frame], states: States, rules: Mapping[str, str]) -> None:
    """Raise ValueError if a frame uses what the story does not know, or a key twice."""
    for key, times in Counter(frame.key for frame in frames).items():
        if key and times > 1:
            raise ValueError(f"track {label!r} has key {key!r} {times} times: make it tell them apart")
    for n, frame in enumerate(frames, 1):
        _check_frame(f"frame {n} of {label!r}", frame, states, rules)


def _check_frame(where: str, frame: Frame, states: States, rules: Mapping[str, str]) -> None:
    for rule in frame.rule:
        if rule not in rules:
            raise ValueError(f"{where} lights rule {rule!r}; rules has {', '.join(rules)}")
    for group in frame.groups.values():
        check_group(group, states)
    for name, times in Counter(chain.from_iterable(map(_ids, frame.groups.values()))).items():
        if times > 1:
            raise ValueError(f"{where} has id {name!r} twice")


def _ids(group: Group) -> list[str]:
    """The ids of a group's cells."""
    if group["as"] in ("ring", "belt"):
        return [cell[1:] for cell in group["cells"].split()]
    return [cell[4] for cell in group["cells"] if len(cell) > 4 and cell[4]] if group["as"] == "row" else []
