"""Controls for a chapter: the two of every chapter, at most two of its own, and the kernels to compare.

The face is one small script of native, labelled controls (face.js); this side turns their positions into a
Scenario, simulates, fills the chapter's figure and sends the picture back. One question is under way at a time:
while it is, the script only remembers the last position, so that dragging never queues.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import MISSING, fields
from enum import Enum
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from vmteach.figures.style import Picture, number
from vmteach.machine import PRESETS, Machine
from vmteach.run import Control, Run, one_of

HERE = Path(__file__).parent
PANEL = ("machine", "vm_cache_scan_ratio")  # the controls of every chapter
MOST_RUNS, MOST_PICTURES = 64, 4  # that are kept


def explore(patch: Any, figure: Any, policies: Sequence[str] | None = None, **fixed: Any) -> "Explorer":
    """An explorer of a chapter: `patch` and `figure` are its modules, `policies` the kernels shown at first.

    Other fields of the Scenario may be given by name; they stay as they are.

    >>> from vmteach.figures import shm_big_iron as figure
    >>> from vmteach.patches import shm_big_iron as patch
    >>> explorer = explore(patch, figure)
    >>> explorer.set(machine="256 MB")
    >>> explorer.state["machine"], explorer.numbers["before"]["free (KiB)"]
    ('256 MB', 2108)
    """
    return Explorer(patch, figure, policies, fixed)


class Explorer(anywidget.AnyWidget):
    """Controls, a picture and a table of numbers, kept in step.

    `state` maps each control to its stop, and "policies" to the labels shown; `set` moves some of them, `reset`
    puts all back. `runs`, `numbers`, `finding`, `alt` and `code` belong to the state of the moment.
    """

    _esm = HERE / "face.js"
    _css = HERE / "face.css"
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
        self._first["policies"] = list(policies or (patch.BEFORE, patch.AFTER))
        self._kept: OrderedDict[Hashable, Run] = OrderedDict()
        self._pictures: OrderedDict[Hashable, Picture] = OrderedDict()
        super().__init__(spec=self._spec(), at=dict(self._first))
        self._shown: dict[str, Any] = {}
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
        values = {c.field: c.stops[self.at[c.field]] for c in self._controls}
        if isinstance(values.get("machine"), str):
            values["machine"] = PRESETS[values["machine"]]
        return self._patch.Scenario(**values, **self._fixed)

    @property
    def runs(self) -> dict[str, Run]:
        """The run of each policy shown."""
        scenario = self.scenario
        return {label: self._run(scenario, label) for label in self.at["policies"]}

    @property
    def numbers(self) -> dict[str, dict[str, Any]]:
        """The named figures of each policy shown."""
        return {label: dict(run.numbers) for label, run in self.runs.items()}

    @property
    def finding(self) -> str:
        """The title of the picture."""
        return str(self._shown["finding"])

    @property
    def alt(self) -> str:
        """The picture in words."""
        return str(self._shown["alt"])

    @property
    def code(self) -> str:
        """The Python that gives what is shown."""
        name = self._patch.__name__.rsplit(".", 1)[-1]
        given = {**{c.field: c.stops[self.at[c.field]] for c in self._controls}, **self._fixed}
        arguments = ", ".join(f"{field}={_spelled(field, value)}" for field, value in given.items())
        return (
            "from vmteach.machine import PRESETS\n"
            f"from vmteach.patches import {name} as patch\n\n"
            f"scenario = patch.Scenario({arguments})\n"
            f"labels = {list(self.at['policies'])!r}\n"
            "runs = {label: patch.simulate(scenario, patch.POLICIES[label]) for label in labels}\n"
        )

    def png(self) -> bytes:
        """The picture, without its title."""
        return bytes(self._shown["png"])

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

    def _run(self, scenario: Any, label: str) -> Run:
        key = (tuple(sorted((k, str(v)) for k, v in self.at.items() if k != "policies")), label)
        if key not in self._kept:
            self._kept[key] = self._patch.simulate(scenario, self._patch.POLICIES[label])
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_RUNS:
            self._kept.popitem(last=False)
        return self._kept[key]

    def _picture(self, run: Run) -> Picture:
        key = self._figure.frame_key(run) if hasattr(self._figure, "frame_key") else None
        if key not in self._pictures:
            self._pictures[key] = self._figure.layout(run)
        self._pictures.move_to_end(key)
        while len(self._pictures) > MOST_PICTURES:
            self._pictures.popitem(last=False)
        return self._pictures[key]

    def _answer(self) -> dict[str, Any]:
        """Simulate, draw, and tell; a scenario that cannot be is told in its own words."""
        try:
            runs = self.runs
        except ValueError as impossible:
            return {"error": str(impossible)}
        picture = self._picture(next(iter(runs.values())))
        alt = self._figure.fill(picture, runs)
        self._shown = {"alt": alt, "finding": picture.finding, "png": picture.png(title=False)}
        names = list(dict.fromkeys(name for run in runs.values() for name in run.numbers))
        rows = [[name, *(number(run.numbers.get(name, "")) for run in runs.values())] for name in names]
        return {"alt": alt, "finding": picture.finding, "labels": list(runs), "rows": rows, "code": self.code}

    def _on_question(self, _: Any, question: Any, buffers: Any = None) -> None:
        """A position from the page; the answer goes back with its number and the picture."""
        if not isinstance(question, dict) or question.get("kind") != "ask":
            return
        with self.hold_trait_notifications():
            self.at = self._checked(question["at"])
        answer = self._answer()
        pictures = [] if "error" in answer else [self._shown["png"]]
        self.send({"kind": "answer", "seq": question.get("seq", 0), **answer}, buffers=pictures)

    def _checked(self, at: Mapping[str, Any]) -> dict[str, Any]:
        """Positions from outside, held within their ranges."""
        indices = {c.field: min(max(int(at.get(c.field, 0)), 0), len(c.stops) - 1) for c in self._controls}
        labels = [label for label in self._labels if label in at.get("policies", ())]
        return {**indices, "policies": labels or [self._labels[0]]}


def _spelled(field: str, value: Any) -> str:
    """A value as one would write it in Python."""
    if isinstance(value, Machine):
        value = value.name
    if field == "machine":
        return f"PRESETS[{value!r}]"
    if isinstance(value, Enum):
        return f"patch.{type(value).__name__}.{value.name}"
    return repr(value)
