"""The four nouns that every chapter shares: a run, its table, a control, and what a patch changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Run:
    """What happened to one scenario under one policy.

    `events` are NamedTuples in the order in which they happened; `numbers` maps a name with its
    unit in brackets to the few figures that the chapter talks about.

    >>> class Refused(NamedTuple):
    ...     page: int
    >>> run = Run("a device", "unpatched", (Refused(250),), {"lost (B)": 1024})
    >>> run.events[0].page, run.numbers["lost (B)"]
    (250, 1024)
    """

    scenario: Any
    policy: Any
    events: tuple[Any, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", dict(self.numbers))

    @property
    def frame(self) -> "pd.DataFrame":
        """The events as a table: one row an event, one column a field, and the event's name.

        The name is left out where all events are of one kind.
        """
        import pandas as pd

        kinds = {type(event) for event in self.events}
        if len(kinds) == 1:
            return pd.DataFrame(list(self.events), columns=list(kinds.pop()._fields))
        rows = [{"event": type(event).__name__, **event._asdict()} for event in self.events]
        return pd.DataFrame(rows)


class Change(NamedTuple):
    """One field in which two policies differ."""

    field: str
    before: Any
    after: Any


def changed(before: Any, after: Any) -> tuple[Change, ...]:
    """The fields in which two policies differ: the patch as a table.

    >>> @dataclass(frozen=True)
    ... class Policy:
    ...     starts_io: bool
    >>> changed(Policy(False), Policy(True))
    (Change(field='starts_io', before=False, after=True),)
    """
    pairs = ((f.name, getattr(before, f.name), getattr(after, f.name)) for f in fields(before))
    return tuple(Change(*pair) for pair in pairs if pair[1] != pair[2])


class Control(NamedTuple):
    """A knob of a chapter: a field of its Scenario and the stops that it clicks into.

    An empty `why_not` says that the control changes a number of the run; otherwise `why_not`
    is the sentence that tells the reader why it cannot. Both are tested.
    """

    field: str
    label: str
    stops: tuple[Any, ...]
    unit: str = ""
    why_not: str = ""

    @property
    def matters(self) -> bool:
        return not self.why_not


class Case(NamedTuple):
    """A position of the controls worth trying: a button of the explorer, from the default of every control.

    `stops` maps fields to stops; a chapter lists three or four as CASES beside its CONTROLS.

    >>> Case("256 MB laptop", {"machine": "256 MB"}).stops["machine"]
    '256 MB'
    """

    label: str
    stops: Mapping[str, Any]


def between(name: str, value: float, low: float, high: float, unit: str = "") -> None:
    """Raise ValueError unless low <= value <= high; the message names the value and the mending.

    >>> between("shared", 9000, 0, 4096, "pages")
    Traceback (most recent call last):
        ...
    ValueError: shared must be between 0 and 4096 pages, got 9000
    """
    if not low <= value <= high:
        of_unit = f" {unit}" if unit else ""
        raise ValueError(f"{name} must be between {low} and {high}{of_unit}, got {value}")


def one_of(name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Raise ValueError unless the value is one of those allowed; the message lists them.

    >>> one_of("block", 3000, (512, 1024, 2048, 4096))
    Traceback (most recent call last):
        ...
    ValueError: block must be one of 512, 1024, 2048, 4096, got 3000
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, got {value}")
