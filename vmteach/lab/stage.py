"""A chapter's stage: from the positions of its controls to what is shown there. No widget, no notebook.

The explorer of a notebook, the states that a handout stores and the tests ask the same stage. A position maps the
field of each control to the index of its stop, and "policies" to the labels of the kernels shown.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import MISSING, fields
from enum import Enum
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple, Protocol, TypeVar

from vmteach.figures.scene import Scene
from vmteach.figures.titles import alt, title
from vmteach.figures.words import number, read_out
from vmteach.lab import cache
from vmteach.machine import PRESETS, Machine
from vmteach.run import Control, Preset, Record, Run, Values, one_of

Thing = TypeVar("Thing")
At = Record
PANEL = ("machine", "vm_cache_scan_ratio")  # the controls of every chapter
MOST_RUNS, MOST_PANELS, MOST_SHOWN = 4, 256, 64  # that are kept; a run holds a hundred times what its panel does
MOST_BUTTONS = 5  # a control with more named values is a menu
MOST_READ = 4  # numbers a kernel beside the picture
SLOW = 0.02  # s: a panel that takes longer is kept for others
FAR = 3  # stops that are thought of ahead where the last move leads


class Patch(Protocol):
    """A module of vmteach.patches; with a tuple `TRY` of presets too, where it has some."""

    __name__: str

    @property
    def CONTROLS(self) -> tuple[Control, ...]: ...
    @property
    def POLICIES(self) -> Values: ...
    @property
    def UNPATCHED(self) -> str: ...
    @property
    def PATCHED(self) -> str: ...
    @property
    def Scenario(self) -> Callable[..., Any]: ...
    @property
    def simulate(self) -> Callable[..., Run]: ...


class Figure(Protocol):
    """A module of vmteach.figures: `scene(run)` gives the panel of a run; `predicted` may draw a prediction."""

    __name__: str

    @property
    def scene(self) -> Callable[..., Scene]: ...


Shown = Record  # what is to be seen at one position, as the page is told


class Panel(NamedTuple):
    """What is seen of one run: its named figures and its scene, plain enough for JSON."""

    numbers: Record
    scene: Record


class Stage:
    """The controls of a chapter, the kernels, and what they show.

    >>> from vmteach.figures import shm_big_iron as figure
    >>> from vmteach.patches import shm_big_iron as patch
    >>> stage = Stage(patch, figure)
    >>> stage.numbers(stage.moved(stage.first, machine="256 MB"))["unpatched"]["free (KiB)"]
    2108
    """

    def __init__(
        self,
        patch: Patch,
        figure: Figure,
        policies: Sequence[str] | None = None,
        fixed: Values | None = None,
    ) -> None:
        self.patch, self.figure, self.fixed = patch, figure, dict(fixed or {})
        self.controls = {c.field: c for c in patch.CONTROLS if c.field not in self.fixed}
        self.labels = tuple(patch.POLICIES)
        presets: tuple[Preset, ...] = getattr(patch, "TRY", ())
        self.presets = tuple(preset for preset in presets if not self.fixed.keys() & preset.stops.keys())
        self.first: At = {field: self._default(control) for field, control in self.controls.items()}
        self.first["policies"] = self._known(policies or (patch.UNPATCHED, patch.PATCHED))
        self.forget()

    def forget(self) -> None:
        """Remember nothing of what was simulated and shown."""
        self.edition = getattr(self, "edition", 0) + 1  # pages drop what they keep of another one
        self._slow = False  # whether a panel takes longer than to read it from the cache
        self._code = cache.Code(self.patch, self.figure)
        self._runs: OrderedDict[Hashable, Run] = OrderedDict()
        self._panels: OrderedDict[Hashable, Panel] = OrderedDict()
        self._seen: OrderedDict[Hashable, Shown] = OrderedDict()

    def renew(self) -> None:
        """Forget, if a reader has put another policy under one of the labels, or changed the model or the picture."""
        if not self._code.same():
            self.forget()

    # ---- positions

    def moved(self, at: At, **state: Any) -> At:
        """The position after moving some controls to stops; `policies` takes a list of labels.

        ValueError names what there is where a control, a stop or a label is unknown.
        """
        return {**at, **self._placed(state)}

    def _placed(self, state: Values) -> At:
        placed: At = {}
        for field, stop in state.items():
            if field == "policies":
                placed[field] = self._known(stop)
                continue
            one_of("control", field, tuple(self.controls))
            one_of(field, stop, self.controls[field].stops)
            placed[field] = self.controls[field].stops.index(stop)
        return placed

    def held(self, at: Values) -> At:
        """A position from outside, held within its ranges."""
        indices = {
            field: min(max(int(at.get(field, 0)), 0), len(control.stops) - 1)
            for field, control in self.controls.items()
        }
        named = at.get("policies", ())
        return {**indices, "policies": [label for label in named if label in self.labels] or [self.labels[0]]}

    def state(self, at: At) -> Record:
        """The stop of each control, and the labels of the kernels shown."""
        return {**{field: c.stops[at[field]] for field, c in self.controls.items()}, "policies": list(at["policies"])}

    def key(self, at: At) -> Hashable:
        """The position as something to look up by."""
        return *(at[field] for field in self.controls), *at["policies"]

    def beside(self, at: At, before: At) -> list[At]:
        """The positions that may be asked for next, the likeliest first.

        That is on along the control that was moved, back, and one stop along each other control that can matter.
        """
        steps = [
            (field, step)
            for field, control in self.controls.items()
            if not control.why_not
            for step in self._likely(at[field] - before.get(field, at[field]))
            if 0 <= at[field] + step < len(control.stops)
        ]
        still = [field for field in self.controls if at[field] == before.get(field)]
        steps.sort(key=lambda step: step[0] in still)
        return [{**at, field: at[field] + step} for field, step in steps]

    @staticmethod
    def _likely(move: int) -> tuple[int, ...]:
        if not move:
            return (1, -1)
        way = 1 if move > 0 else -1
        return (way, -way, *(way * far for far in range(2, FAR + 1)))

    def _known(self, labels: Sequence[str]) -> list[str]:
        for label in labels:
            one_of("policies", label, self.labels)
        if not labels:
            raise ValueError("policies must name at least one, got none")
        return [label for label in self.labels if label in labels]

    def _default(self, control: Control) -> int:
        """The stop at which the Scenario's own default stands."""
        field = next(f for f in fields(self.patch.Scenario) if f.name == control.field)  # type: ignore[arg-type]
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        value = default.name if isinstance(default, Machine) else default
        one_of(f"the default of {control.field}", value, control.stops)
        return control.stops.index(value)

    # ---- what is there

    def scenario(self, at: At) -> Any:
        """The Scenario at a position."""
        values = {field: control.stops[at[field]] for field, control in self.controls.items()}
        if isinstance(values.get("machine"), str):
            values["machine"] = PRESETS[values["machine"]]
        return self.patch.Scenario(**values, **self.fixed)

    def run(self, at: At, label: str) -> Run:
        """The run of one kernel at a position, from memory where it is there already."""
        key = *(at[field] for field in self.controls), label
        return remembered(
            self._runs, key, lambda: self.patch.simulate(self.scenario(at), self.patch.POLICIES[label]), MOST_RUNS
        )

    def runs(self, at: At) -> dict[str, Run]:
        """The run of each kernel shown."""
        return {label: self.run(at, label) for label in at["policies"]}

    def panel(self, at: At, label: str) -> Panel:
        """What is seen of one kernel at a position; from memory, from this machine's cache, or from a run."""
        key = *(at[field] for field in self.controls), label
        return remembered(self._panels, key, partial(self._panel, at, label), MOST_PANELS)

    def _panel(self, at: At, label: str) -> Panel:
        what = self.scenario(at), self.patch.POLICIES[label]
        name = self._code.name(*what) if self._slow else ""
        if name and (known := cache.get(name)):
            return Panel(*known)
        began = perf_counter()
        run = self.run(at, label)
        made = Panel(dict(run.numbers), self.scene(run))
        if perf_counter() - began > SLOW:
            self._slow = True
            cache.put(name or self._code.name(*what), made)
        return made

    def numbers(self, at: At) -> dict[str, Record]:
        """The named figures of each kernel shown."""
        return {label: dict(self.panel(at, label).numbers) for label in at["policies"]}

    def scene(self, run: Run) -> Record:
        """The panel of a run."""
        return self.figure.scene(run).compact

    def show(self, at: At) -> Shown:
        """What is to be seen at a position, from memory where it was drawn already."""
        return remembered(self._seen, self.key(at), partial(self.drawn, at), MOST_SHOWN)

    def drawn(self, at: At) -> Shown:
        """Simulate, draw, and say."""
        panels = {label: self.panel(at, label) for label in at["policies"]}
        rows = read_out({label: panel.numbers for label, panel in panels.items()})
        answer = {"labels": list(panels), "rows": rows, "code": self.code(at)}
        return {**answer, **told([(label, panel.scene) for label, panel in panels.items()])}

    # ---- what the page must know

    def spec(self) -> Record:
        """The controls, the presets and the kernels, as JSON."""
        spec = {
            "controls": [self._told(control) for control in self.controls.values()],
            "presets": [{"label": preset.label, "at": self._placed(preset.stops)} for preset in self.presets],
            "policies": list(self.labels),
            "first": self.first,
        }
        return dict(json.loads(json.dumps(spec)))

    def _told(self, control: Control) -> Record:
        stops = [self.spelled(control, stop) for stop in control.stops]
        kind = "slider" if not self._named(control) else "buttons" if len(stops) <= MOST_BUTTONS else "menu"
        about = {"field": control.field, "label": control.label, "kind": kind}
        return {**about, "stops": stops, "first": self.first[control.field], "why": control.why_not}

    @staticmethod
    def _named(control: Control) -> bool:
        """Whether its stops are names and not sizes; machines go by their names and are sizes."""
        return control.field not in PANEL and all(isinstance(stop, str | Enum | bool) for stop in control.stops)

    @staticmethod
    def spelled(control: Control, stop: float | str | Enum) -> str:
        """A stop as a reader sees it, with its unit."""
        if isinstance(stop, bool):
            return "yes" if stop else "no"
        return f"{stop.value if isinstance(stop, Enum) else number(stop)} {control.unit}".rstrip()

    def code(self, at: At) -> str:
        """The Python that gives what is shown."""
        name = self.patch.__name__.rsplit(".", 1)[-1]
        given = {**{field: c.stops[at[field]] for field, c in self.controls.items()}, **self.fixed}
        arguments = ", ".join(f"{field}={as_python(field, value)}" for field, value in given.items())
        return (
            "from vmteach.machine import PRESETS\n"
            f"from vmteach.patches import {name} as patch\n\n"
            f"scenario = patch.Scenario({arguments})\n"
            f"labels = {list(at['policies'])!r}\n"
            "runs = {label: patch.simulate(scenario, patch.POLICIES[label]) for label in labels}\n"
        )


def told(panels: list[tuple[str, Record]]) -> Record:
    """What the panels of some kernels say together: the finding, the picture in words, the numbers beside it."""
    names = list(dict.fromkeys(name for _, panel in panels for name in panel.get("numbers", {})))[:MOST_READ]
    readout = [[name, *(panel.get("numbers", {}).get(name, "") for _, panel in panels)] for name in names]
    return {"panels": panels, "finding": title(panels), "alt": alt(panels), "readout": readout}


def remembered(memory: "OrderedDict[Hashable, Thing]", key: Hashable, make: Callable[[], Thing], most: int) -> Thing:
    """What is remembered under a key, made if need be; no more than `most` are, those of late."""
    if key not in memory:
        memory[key] = make()
    memory.move_to_end(key)
    while len(memory) > most:
        memory.popitem(last=False)
    return memory[key]


def as_python(field: str, value: object) -> str:
    """A value as one would write it in Python.

    >>> as_python("machine", "32 GB"), as_python("processes", 100)
    ("PRESETS['32 GB']", '100')
    """
    if isinstance(value, Machine):
        value = value.name
    if field == "machine":
        return f"PRESETS[{value!r}]"
    if isinstance(value, Enum):
        return f"patch.{type(value).__name__}.{value.name}"
    return repr(value)
