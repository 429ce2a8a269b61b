"""A picture's values as plain data for JSON, and what a group, its states and its links must be."""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeVar

from vmteach.run import Record

Words = str | Sequence[str]  # one spelling, or several from long to short: the page takes the first that fits
Group = Record  # plain data, made by one of the builders below
States = Mapping[str, tuple[Words, str]]  # one letter -> its words and its meaning

MEANINGS = ("data", "in use", "attention", "promised", "moving", "done", "nothing", "other")
ACTIVITIES = ("busy", "waits", "blocked")  # looks of strips and lanes: at work, waiting, waiting for ever
TONES = ("ink", "quiet", "blue", "alert")  # for lines, brackets and words that have no meaning of their own
LINKS = ("holds", "waits", "moves", "meant", "points")
LONGEST_TITLE, LONGEST_CLAUSE = 90, 34  # characters: a title of two kernels, the shortest spelling of its half
MOST_NUMBERS = 4


Thing = TypeVar("Thing", bound=Hashable)


def stretches(things: Iterable[Thing], at: float = 0, each: float = 1) -> Iterator[tuple[Thing, float, float]]:
    """Neighbours that are alike as one: what they are, where they begin, how long they are together.

    >>> list(stretches("DDE", at=4))
    [('D', 4, 2), ('E', 6, 1)]
    """
    for thing, same in groupby(things):
        length = each * sum(1 for _ in same)
        yield thing, at, length
        at += length


def joined(ranges: Iterable[tuple[float, float]], gap: float = 0) -> list[tuple[float, float]]:
    """The ranges in order; where the next begins no more than `gap` behind one, both are one.

    >>> joined([(8, 9), (0, 3), (2, 5), (10, 12)], gap=1)
    [(0, 5), (8, 12)]
    """
    found: list[tuple[float, float]] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1] + gap:
            start, end = found[-1][0], max(found.pop()[1], end)
        found.append((start, end))
    return found


def cells_of(cells: str | Iterable[tuple[str, float]]) -> str:
    """The cells of a list as one string: letter and id, from tail to head."""
    text = cells if isinstance(cells, str) else " ".join(f"{state}{name}" for state, name in cells)
    for cell in text.split():
        if not re.fullmatch(r"[A-Z][\w.-]+", cell):
            raise ValueError(f'a cell is a capital letter and an id, as in "D15", got {cell!r}')
    return text


def spellings(words: Words) -> list[str]:
    return [words] if isinstance(words, str) else list(words)


def _words(words: Words) -> Words:
    """The words, checked: several spellings go from long to short."""
    given = spellings(words)
    if any(len(b) >= len(a) for a, b in zip(given, given[1:])):
        raise ValueError(f"spellings go from long to short, got {given}")
    return words if isinstance(words, str) else given


def told(states: States) -> dict[str, list[Any]]:
    return {key: [_words(words), meaning] for key, (words, meaning) in states.items()}


def trimmed(thing: Any) -> list[Any]:  # a NamedTuple from above
    """A thing as a list, without what is as by default at its end."""
    given, usual = thing._asdict(), thing._field_defaults
    while given and (last := next(reversed(given))) in usual and given[last] == usual[last]:
        del given[last]
    return [_listed(_words(value) if name == "words" else value) for name, value in given.items()]


def _listed(value: object) -> Any:
    """Plain lists, dicts and short numbers in place of tuples, mappings and long floats."""
    if isinstance(value, Mapping):
        return {key: _listed(each) for key, each in value.items()}
    if isinstance(value, float):
        return float(f"{value:.5g}") if value != int(value) else int(value)
    if isinstance(value, str) or not isinstance(value, Iterable):
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return trimmed(value)
    return [_listed(each) for each in value]


ALWAYS = set("label from at cells lines spans stays rows columns right steps states rules groups".split())
WORDY = set("words clause title both middle note head corner".split())  # they may have several spellings


def plain(**fields: Any) -> Record:
    """The fields as plain data, without those that are empty."""
    listed = {name: _listed(_words(value) if name in WORDY else value) for name, value in fields.items()}
    return {
        name: value for name, value in listed.items() if name in ALWAYS or value not in ("", [], {}, None, False, 0)
    }


def group_of(kind: str, label: Words, **fields: object) -> Group:
    return {"as": kind, "label": label, **plain(label=label, **fields)}


# ---- checks ----


def check_states(states: States, most: int = 12) -> None:
    """Raise ValueError unless each state is one capital letter with words and a known meaning.

    >>> check_states({"D": ("dirty", "yellow")})
    Traceback (most recent call last):
        ...
    ValueError: state 'D' must mean one of data, in use, attention, promised, moving, done, nothing, other, busy, \
waits, blocked, got 'yellow'
    """
    if len(states) > most:
        raise ValueError(f"states must be {most} at most, got {len(states)}: {', '.join(states)}")
    for key, (_, meaning) in states.items():
        if not re.fullmatch("[A-Z]", key):
            raise ValueError(f"a state's key must be one capital letter, got {key!r}")
        if meaning not in MEANINGS + ACTIVITIES:
            raise ValueError(f"state {key!r} must mean one of {', '.join(MEANINGS + ACTIVITIES)}, got {meaning!r}")


def check_group(group: Group, states: States) -> None:
    """Raise ValueError if the group uses a state, a tone or a meaning that nobody knows."""
    where = f"{group['as']} {group['label']!r}"
    for key in USED[group["as"]](group) if group["as"] in USED else ():
        if key not in states:
            raise ValueError(f"{where} uses state {key!r}; states has {', '.join(states) or 'none'}")
    known = TONES + MEANINGS
    for tone in _tones(group):
        if tone not in known:
            raise ValueError(f"{where}: a tone must be one of {', '.join(known)}, got {tone!r}")


def _first(name: str) -> Callable[[Group], set[str]]:
    """Of a group's things of this name the first letters."""
    return lambda group: {thing[0] for thing in group[name]}


def _in_bands(group: Group) -> set[str]:
    return {letter for column in group["columns"] for letter in re.findall("[A-Z]", column)}


def _in_boxes(group: Group) -> set[str]:
    return {box[0] for _, boxes in group["rows"] for box in boxes if box and isinstance(box[0], str)} - {""}


def _in_list(group: Group) -> set[str]:
    return {cell[0] for cell in group["cells"].split()}


# The states that a group uses, by its form; the others have none.
USED: Mapping[str, Callable[[Group], set[str]]] = {
    "ring": _in_list,
    "belt": _in_list,
    "row": _first("cells"),
    "strip": _first("spans"),
    "lanes": lambda group: {stay[2] for stay in group["stays"]},
    "bands": _in_bands,
    "grid": _in_boxes,
}
TONE_AT = {"lines": 0, "areas": 0, "columns": 2, "notes": 3, "marks": 2, "edges": 2, "brackets": 3}


def _tones(group: Group) -> set[str]:
    """The tones that a group's things have."""
    if group["as"] not in ("row", "lanes", "chart"):
        return set()
    return {thing[i] for name, i in TONE_AT.items() for thing in group.get(name, ()) if len(thing) > i}
