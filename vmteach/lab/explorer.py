"""Controls for a chapter: the two of every chapter, at most two of its own, and the kernels to compare.

The face is one small script of native, labelled controls (explorer.js); this side turns their positions into a
Scenario, simulates, fills the chapter's figure and sends the picture back. One question is under way at a time:
while it is, the script only remembers the last position, so that dragging never queues. Between questions the
kernel thinks ahead: the positions beside the last one are worked out, a piece at a time.
"""

import asyncio
import gc
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import MISSING, fields
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import anywidget
import traitlets

from vmteach.figures.style import Picture, number
from vmteach.machine import PRESETS, Machine
from vmteach.run import Control, Run, one_of

HERE = Path(__file__).parent
Thing = TypeVar("Thing")
PANEL = ("machine", "vm_cache_scan_ratio")  # the controls of every chapter
MOST_RUNS, MOST_LAYOUTS, MOST_SHOWN = 64, 6, 64  # that are kept
PAUSE, QUIET = 0.01, 0.4  # s before a piece of thinking ahead: in between, for questions to come in, and for long shots


def explore(patch: Any, figure: Any, policies: Sequence[str] | None = None, **fixed: Any) -> "Explorer":
    """An explorer of a chapter: `patch` and `figure` are its modules, `policies` the kernels shown at first.

    Other fields of the Scenario may be given by name; they stay as they are.

    >>> from vmteach.figures import shm_big_iron as figure
    >>> from vmteach.patches import shm_big_iron as patch
    >>> explorer = explore(patch, figure)
    >>> explorer.set(machine="256 MB")
    >>> explorer.state["machine"], explorer.numbers["unpatched"]["free (KiB)"]
    ('256 MB', 2108)
    """
    return Explorer(patch, figure, policies, fixed)


class Shown(NamedTuple):
    """What is to be seen at one position: what the page is told, and the picture."""

    answer: dict[str, Any]
    png: bytes


class Explorer(anywidget.AnyWidget):
    """Controls, a picture and a table of numbers, kept in step.

    `state` maps each control to its stop, and "policies" to the labels shown; `set` moves some of them, `reset`
    puts all back. `runs`, `numbers`, `finding`, `alt` and `code` belong to the state of the moment.
    """

    _esm = HERE / "explorer.js"
    _css = HERE / "explorer.css"
    spec = traitlets.Dict().tag(sync=True)
    at = traitlets.Dict().tag(sync=True)  # positions: field -> index of its stop; "policies" -> labels

    def __init__(self, patch: Any, figure: Any, policies: Sequence[str] | None, fixed: Mapping[str, Any]) -> None:
        self._patch, self._figure = patch, figure
        self._fixed = dict(fixed)
        self._controls: tuple[Control, ...] = tuple(c for c in patch.CONTROLS if c.field not in fixed)
        self._labels = list(patch.POLICIES)
        for label in policies or ():
            one_of("policies", label, tuple(self._labels))
        self._first: dict[str, Any] = {c.field: self._default(c) for c in self._controls}
        self._first["policies"] = list(policies or (patch.UNPATCHED, patch.PATCHED))
        self._kept: OrderedDict[Hashable, Run] = OrderedDict()
        self._pictures: OrderedDict[Hashable, Picture] = OrderedDict()
        self._seen: OrderedDict[Hashable, Shown] = OrderedDict()
        self._ahead: deque[tuple[dict[str, Any], str]] = deque()  # to be thought of: positions and kernels, then all
        self._likely = 0  # pieces that are left when the likeliest position has been thought of
        self._thinking: asyncio.TimerHandle | None = None
        self._collects = True  # whether garbage is collected when nobody thinks
        super().__init__(spec=self._spec(), at=dict(self._first))
        self._shown = Shown({}, b"")
        self._answer()
        self.on_msg(self._on_question)

    # ---- what it is set to

    @property
    def state(self) -> dict[str, Any]:
        """The stop of each control, and the labels of the policies shown."""
        stops = {c.field: c.stops[self.at[c.field]] for c in self._controls}
        return {**stops, "policies": list(self.at["policies"])}

    def set(self, **state: Any) -> None:
        """Move controls to stops, by the names of their fields; `policies` takes a list of labels."""
        at = dict(self.at)
        for field, stop in state.items():
            if field == "policies":
                for label in stop:
                    one_of("policies", label, tuple(self._labels))
                if not stop:
                    raise ValueError("policies must name at least one, got none")
                at[field] = [label for label in self._labels if label in stop]
                continue
            known = {c.field: c for c in self._controls}
            one_of("control", field, tuple(known))
            one_of(field, stop, known[field].stops)
            at[field] = known[field].stops.index(stop)
        self.at = at
        self._answer()

    def reset(self) -> None:
        """Put every control back to where it began."""
        self.at = dict(self._first)
        self._answer()

    # ---- what it shows

    @property
    def scenario(self) -> Any:
        """The Scenario of the moment."""
        return self._scenario(self.at)

    def _scenario(self, at: Mapping[str, Any]) -> Any:
        values = {c.field: c.stops[at[c.field]] for c in self._controls}
        if isinstance(values.get("machine"), str):
            values["machine"] = PRESETS[values["machine"]]
        return self._patch.Scenario(**values, **self._fixed)

    @property
    def runs(self) -> dict[str, Run]:
        """The run of each policy shown."""
        return {label: self._run(self.at, label) for label in self.at["policies"]}

    @property
    def numbers(self) -> dict[str, dict[str, Any]]:
        """The named figures of each policy shown."""
        return {label: dict(run.numbers) for label, run in self.runs.items()}

    @property
    def finding(self) -> str:
        """The title of the picture."""
        return str(self._shown.answer["finding"])

    @property
    def alt(self) -> str:
        """The picture in words."""
        return str(self._shown.answer["alt"])

    @property
    def code(self) -> str:
        """The Python that gives what is shown."""
        return self._code(self.at)

    def _code(self, at: Mapping[str, Any]) -> str:
        name = self._patch.__name__.rsplit(".", 1)[-1]
        given = {**{c.field: c.stops[at[c.field]] for c in self._controls}, **self._fixed}
        arguments = ", ".join(f"{field}={_spelled(field, value)}" for field, value in given.items())
        return (
            "from vmteach.machine import PRESETS\n"
            f"from vmteach.patches import {name} as patch\n\n"
            f"scenario = patch.Scenario({arguments})\n"
            f"labels = {list(at['policies'])!r}\n"
            "runs = {label: patch.simulate(scenario, patch.POLICIES[label]) for label in labels}\n"
        )

    def png(self) -> bytes:
        """The picture, without its title."""
        return self._shown.png

    # ---- how

    def _default(self, control: Control) -> int:
        """The stop at which the Scenario's own default stands."""
        field = next(f for f in fields(self._patch.Scenario) if f.name == control.field)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        value = default.name if isinstance(default, Machine) else default
        one_of(f"the default of {control.field}", value, control.stops)
        return control.stops.index(value)

    def _spec(self) -> dict[str, Any]:
        def told(control: Control) -> dict[str, Any]:
            unit = f" {control.unit}" if control.unit else ""
            stops = [f"{s.value if isinstance(s, Enum) else number(s)}{unit}" for s in control.stops]
            return {"field": control.field, "label": control.label, "stops": stops, "why": control.why_not}

        return {
            "panel": [told(c) for c in self._controls if c.field in PANEL],
            "own": [told(c) for c in self._controls if c.field not in PANEL],
            "policies": self._labels,
            "first": self._first,
        }

    def _run(self, at: Mapping[str, Any], label: str) -> Run:
        key = tuple(at[c.field] for c in self._controls), label
        make = partial(self._simulate, at, label)
        return _kept(self._kept, key, make, MOST_RUNS)

    def _simulate(self, at: Mapping[str, Any], label: str) -> Run:
        return self._patch.simulate(self._scenario(at), self._patch.POLICIES[label])  # type: ignore[no-any-return]

    def _picture(self, run: Run) -> Picture:
        key = self._figure.frame_key(run) if hasattr(self._figure, "frame_key") else None
        return _kept(self._pictures, key, partial(self._figure.layout, run), MOST_LAYOUTS)

    def _show(self, at: Mapping[str, Any]) -> Shown:
        """Simulate, draw, and tell."""
        runs = {label: self._run(at, label) for label in at["policies"]}
        picture = self._picture(next(iter(runs.values())))
        alt = self._figure.fill(picture, runs)
        names = list(dict.fromkeys(name for run in runs.values() for name in run.numbers))
        rows = [[name, *(number(run.numbers.get(name, "")) for run in runs.values())] for name in names]
        answer = {"alt": alt, "finding": picture.finding, "labels": list(runs), "rows": rows, "code": self._code(at)}
        return Shown(answer, picture.png(title=False))

    def _answer(self) -> dict[str, Any]:
        """What is shown now, drawn anew; a scenario that cannot be is told in its own words."""
        try:
            self._shown = self._show(self.at)
        except ValueError as impossible:
            return {"error": str(impossible)}
        return dict(self._shown.answer)

    def _look(self, at: Mapping[str, Any]) -> Shown:
        """What is to be seen at a position, from memory where it has been drawn already."""
        key = tuple(at[c.field] for c in self._controls), *at["policies"]
        return _kept(self._seen, key, partial(self._show, at), MOST_SHOWN)

    def _on_question(self, _: Any, question: Any, buffers: Any = None) -> None:
        """A position from the page; the answer goes back with its number and the picture."""
        if not isinstance(question, dict) or question.get("kind") != "ask":
            return
        before, reply = dict(self.at), {"kind": "answer", "seq": question.get("seq", 0)}
        with self._unhurried():
            with self.hold_trait_notifications():
                self.at = self._checked(question["at"])
            try:
                self._shown = self._look(self.at)
            except ValueError as impossible:
                self.send({**reply, "error": str(impossible)}, buffers=[])
            else:
                self.send({**reply, **self._shown.answer}, buffers=[self._shown.png])
            beside = self._beside(before)
            self._ahead = deque((at, label) for at in beside for label in (*at["policies"], ""))
            self._likely = len(self._ahead) - len(self.at["policies"]) - 1

    # ---- thinking ahead

    @contextmanager
    def _unhurried(self) -> Iterator[None]:
        """No garbage collection meanwhile: it takes longer than an answer. Then there is time for it, and to think."""
        if self._thinking:
            self._thinking.cancel()
        else:
            self._collects = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            wait = QUIET if len(self._ahead) == self._likely else PAUSE
            try:
                self._thinking = asyncio.get_running_loop().call_later(wait, self._think)
            except RuntimeError:  # not in a kernel: nobody is going to ask
                self._rest()

    def _think(self) -> None:
        """Work out one position that may be asked for next, if there is one left."""
        if not self._ahead:
            self._rest()
            return
        at, label = self._ahead.popleft()
        with self._unhurried(), suppress(ValueError):  # what cannot be will be told when it is asked for
            if label:
                self._run(at, label)
            else:
                self._look(at)

    def _rest(self) -> None:
        self._thinking = None
        if self._collects:
            gc.enable()

    def _beside(self, before: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The positions one step away: first the one where the last move leads on."""
        steps = [
            (c.field, self.at[c.field] + step)
            for c in self._controls
            if not c.why_not
            for step in (1, -1)
            if 0 <= self.at[c.field] + step < len(c.stops)
        ]
        led_on = {(field, 2 * at - before[field]) for field, at in self.at.items() if field != "policies"}
        moved = {field for field, at in self.at.items() if at != before[field]}
        steps.sort(key=lambda step: (step[0] not in moved, step not in led_on))
        return [{**self.at, field: at} for field, at in steps]

    def _checked(self, at: Mapping[str, Any]) -> dict[str, Any]:
        """Positions from outside, held within their ranges."""
        indices = {c.field: min(max(int(at.get(c.field, 0)), 0), len(c.stops) - 1) for c in self._controls}
        labels = [label for label in self._labels if label in at.get("policies", ())]
        return {**indices, "policies": labels or [self._labels[0]]}


def _kept(memory: "OrderedDict[Hashable, Thing]", key: Hashable, make: Callable[[], Thing], most: int) -> Thing:
    """What is remembered under a key, made if need be; no more than `most` are, those of late."""
    if key not in memory:
        memory[key] = make()
    memory.move_to_end(key)
    while len(memory) > most:
        memory.popitem(last=False)
    return memory[key]


def _spelled(field: str, value: Any) -> str:
    """A value as one would write it in Python."""
    if isinstance(value, Machine):
        value = value.name
    if field == "machine":
        return f"PRESETS[{value!r}]"
    if isinstance(value, Enum):
        return f"patch.{type(value).__name__}.{value.name}"
    return repr(value)
