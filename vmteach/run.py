"""The four nouns that every chapter shares: a run, its table, a control, and what a patch changed."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from functools import cache, wraps
from inspect import signature
from math import isfinite
from numbers import Rational, Real
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    NamedTuple,
    TypeGuard,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
Values = Mapping[str, Any]  # by name: a scenario's fields, a run's numbers, the controls' stops
Record = dict[str, Any]  # plain data, as JSON holds it


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
    numbers: Values = field(default_factory=dict)

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


def of_kind(events: Iterable[object], kind: type[T]) -> list[T]:
    """The events of one kind, in their order.

    >>> of_kind((1, "one", 2), int)
    [1, 2]
    """
    return [event for event in events if isinstance(event, kind)]


class Change(NamedTuple):
    """One field in which two policies differ."""

    field: str
    before: object
    after: object


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


Check = Callable[[str, Any], None]  # of a field's name and value; raises ValueError
Simulation = TypeVar("Simulation", bound=Callable[..., Any])


class Preset(NamedTuple):
    """A position of the controls worth trying: a button of the explorer, from the default of every control.

    `stops` maps fields to stops; a chapter lists three or four as TRY beside its CONTROLS.

    >>> Preset("256 MB laptop", {"machine": "256 MB"}).stops["machine"]
    '256 MB'
    """

    label: str
    stops: Values


def inputs(cls: type[T]) -> type[T]:
    """The class, which now makes its fields what they are declared to be before its own checks see them.

    It stands between `@dataclass(frozen=True)` and the class, wherever values come in from outside.

    Numbers of numpy become Python's, which do not wrap; an enum may be given by its text, a machine by its name.
    What does not fit is a ValueError that names the field, the value and the mending. Bounds that know no other
    field stand in the declaration; `__post_init__` has those that do.

    >>> @dataclass(frozen=True)
    ... @inputs
    ... class Scenario:
    ...     pages: int = 0
    ...     disks: Annotated[int, within(1, 4)] = 1
    >>> Scenario(6.0).pages
    6
    >>> Scenario("6")
    Traceback (most recent call last):
        ...
    ValueError: pages must be a whole number, got '6': leave the quotes out
    >>> Scenario(disks=5)
    Traceback (most recent call last):
        ...
    ValueError: disks must be between 1 and 4, got 5
    """
    checks: Callable[[object], None] | None = cls.__dict__.get("__post_init__")

    def enter(self: object) -> None:
        for name, kind in _kinds(cls).items():  # type: ignore[arg-type]
            object.__setattr__(self, name, made(name, getattr(self, name), kind))
        if checks:
            checks(self)

    cls.__post_init__ = enter  # type: ignore[attr-defined]
    return cls


@cache
def _kinds(cls: Hashable) -> Record:
    """What each field is declared to be."""
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in fields(cls)}  # type: ignore[arg-type]


def made(name: str, value: object, kind: Any) -> Any:
    """The value as what `kind` says; ValueError names the field, the value and the mending where it is nothing such.

    >>> made("ratios", [1, 6], tuple[int, ...]), made("copy", None, int | None)
    ((1, 6), None)
    """
    if enter := _OF_ORIGIN.get(get_origin(kind)):
        return enter(name, value, *get_args(kind))
    if kind in _PLAIN:
        return _PLAIN[kind](name, value)
    if not isinstance(kind, type) or isinstance(value, kind):
        return value
    if issubclass(kind, Enum):
        return _member(name, value, kind)
    if hasattr(kind, "named") and isinstance(value, str):
        return kind.named(value)
    raise ValueError(f"{name} must be a {kind.__name__}, got {value!r}")


def _checked(name: str, value: object, kind: Any, *checks: Check) -> Any:
    """The value as what `kind` says, if it passes the checks of its annotation."""
    entered = made(name, value, kind)
    for check in checks:
        check(name, entered)
    return entered


def _either(name: str, value: object, *kinds: object) -> object:
    """None where that is one of the kinds, else what the first of the others says."""
    if value is None and type(None) in kinds:
        return None
    return made(name, value, next(each for each in kinds if each is not type(None)))


def is_truth(value: object) -> bool:
    """Whether a value is True or False; numpy's as well."""
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")


def _whole(name: str, value: object) -> int:
    if not _finite(value) or value != value // 1:
        raise ValueError(f"{name} must be a whole number, got {value!r}{_mending(value)}")
    return int(value)


def _real(name: str, value: object) -> float:
    if not _finite(value):
        raise ValueError(f"{name} must be a number, got {value!r}{_mending(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} must be a number below 1e308: take a smaller one") from None


def _finite(value: object) -> TypeGuard[float]:
    """Whether a value is a number to reckon with. Numpy counts its durations among the whole numbers."""
    if not isinstance(value, Real) or is_truth(value) or type(value).__name__ == "timedelta64":
        return False
    return isinstance(value, Rational) or isfinite(value)  # of a whole number it would make a float first


def _truth(name: str, value: object) -> bool:
    if not is_truth(value):
        raise ValueError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or isinstance(value, Enum):
        raise ValueError(f"{name} must be a text in quotes, got {value!r}")
    return str(value)


_PLAIN: dict[type, Callable[[str, object], object]] = {int: _whole, float: _real, bool: _truth, str: _text}


def _mending(value: object) -> str:
    """What to do with a value that should be a number."""
    if isinstance(value, str):
        return ": leave the quotes out"
    return ": write 1 or 0" if is_truth(value) else ""


def _member(name: str, value: object, kind: type[Enum]) -> Enum:
    """The member that has this text."""
    for member in kind:
        if isinstance(value, Hashable) and value == member.value:  # an array has no one answer
            return member
    words = ", ".join(f"{kind.__name__}.{member.name} ({member.value})" for member in kind)
    raise ValueError(f"{name} must be one of {words}, got {value!r}")


def _tuple(
    name: str, values: object, kind: object, *_: object, such_as: str = "a tuple, such as (0,)"
) -> tuple[object, ...]:
    """A tuple of what each value is made."""
    if isinstance(values, str) or not isinstance(values, Iterable) or getattr(values, "shape", None) == ():
        raise ValueError(f"{name} must be {such_as}, got {values!r}")
    return tuple(made(name, value, kind) for value in values)


def _set(name: str, values: object, kind: object) -> frozenset[object]:
    return frozenset(_tuple(name, values, kind, such_as="a set, such as {0}"))


def _callable(name: str, value: object, *_: object) -> object:
    if not callable(value):
        raise ValueError(f"{name} must be a function, got {value!r}")
    return value


_OF_ORIGIN: dict[object, Callable[..., object]] = {Annotated: _checked, Union: _either, UnionType: _either}
_OF_ORIGIN |= {tuple: _tuple, frozenset: _set, Callable: _callable}


def takes_inputs(simulate: Simulation) -> Simulation:
    """A simulation that refuses what is no scenario and no policy of its chapter, in a sentence.

    >>> @takes_inputs
    ... def simulate(scenario: int = 0, policy: str = "") -> str:
    ...     return policy * scenario
    >>> simulate(2, "ab")
    'abab'
    >>> simulate("ab", 2)
    Traceback (most recent call last):
    ValueError: scenario must be of the chapter's class int, got 'ab'
    """
    kinds = {name: type(one.default) for name, one in signature(simulate).parameters.items()}

    @wraps(simulate)
    def checked(*given: object, **named: object) -> object:
        for name, value in (*zip(kinds, given), *named.items()):
            if name in kinds and not isinstance(value, kinds[name]):
                hint = ': POLICIES["patched"], for example' if name == "policy" else ""
                raise ValueError(f"{name} must be of the chapter's class {kinds[name].__name__}{hint}, got {value!r}")
        return simulate(*given, **named)

    return checked  # type: ignore[return-value]  # wraps keeps the signature


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


def within(low: float, high: float, unit: str = "") -> Check:
    """The check of `between`, for the annotation of a field: `Annotated[int, within(1, 4)]`."""
    return lambda name, value: between(name, value, low, high, unit)


def among(*allowed: object) -> Check:
    """The check of `one_of`, for the annotation of a field: `Annotated[str, among("read", "write")]`."""
    return lambda name, value: one_of(name, value, allowed)


def one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Raise ValueError unless the value is one of those allowed; the message lists them.

    >>> one_of("block", 3000, (512, 1024, 2048, 4096))
    Traceback (most recent call last):
        ...
    ValueError: block must be one of 512, 1024, 2048, 4096, got 3000
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}, got {value}")
