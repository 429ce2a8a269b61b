"""The address-space strip: mappings as brackets over pages, as a call found and as each kernel left them."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from matplotlib.collections import LineCollection

from vmteach.figures.style import (
    DATA_LOOKS,
    INK,
    PREDICTION_COLOUR,
    QUIET,
    RULE,
    SMALL,
    Look,
    Picture,
    Span,
    Strips,
)
from vmteach.kernel.mm import Vma
from vmteach.kernel.sound import Broke
from vmteach.patches.mremap import DEST, FREE, SOURCE, Called, Event, Found, Left
from vmteach.run import Run

ROWS = 6  # the state before, and up to five policies
ALARM = "#A3261E"
WINDOWS = (
    (SOURCE - 1, 6),
    (DEST - 1, 10),
    (FREE - 1, 6),
    (None, 6),
)  # first page and pages; the last one moves
LOOKS: dict[str, Look] = {
    "s": Look("#56B4E9"),
    "d": Look("#F0E442"),
    "new": Look("#FFFFFF"),  # mapped, nothing in it yet
    "orphan": DATA_LOOKS["lost"],
}


class Shown(NamedTuple):
    """One row of the picture: an address space, and what is said about it."""

    label: str
    vmas: tuple[Vma, ...]
    pages: tuple[tuple[int, str], ...]
    returned: str
    broken: tuple[Broke, ...]


def frame_key(run: Run) -> Hashable:
    """The page size: it is in the addresses below the strip."""
    return int(run.scenario.machine.page)


def layout(run: Run) -> Picture:
    """The axes: three places of the address space and a fourth for wherever else a mapping comes to lie."""
    page = run.scenario.machine.page
    picture = Picture(8.4, 3.4)
    ticks = {_column(page * number, page, 0): hex(page * number) for number in (SOURCE, DEST, FREE)}
    axes = picture.panel("strip", (0.16, 0.06, 0.62, 0.94), xlim=(0, _width()), ylim=(0, 1), xticks=ticks, spines="")
    picture.parts["pages"] = Strips(picture, axes, LOOKS, thickness=0.072, edge=QUIET, edge_width=0.6)
    for name, colour, width in (
        ("ground", RULE, 1.0),
        ("mappings", INK, 1.6),
        ("broken mappings", ALARM, 2.4),
    ):
        lines = LineCollection([], colors=colour, linewidths=width, zorder=1 if name == "ground" else 5)
        axes.add_collection(lines, autolim=False)
        picture.parts[name] = picture.moving(lines)
    said: dict[str, Any] = {"va": "center", "size": SMALL}
    picture.parts["labels"] = [picture.words(None, 0.012, 0, **said) for _ in range(ROWS)]
    picture.parts["results"] = [picture.words(None, 0.79, 0, **said) for _ in range(ROWS)]
    picture.parts["damage"] = [picture.words(axes, 0, 0, va="top", size=SMALL, color=ALARM) for _ in range(ROWS)]
    picture.parts["elsewhere"] = picture.words(axes, 0, -0.012, va="top", ha="center", size=SMALL, color=QUIET)
    picture.figure.text(0.79, 0.012, "bracket: a mapping\ncell: a present page", size=SMALL, color=QUIET)
    picture.parts["yours"] = picture.words(None, 0.79, 0, size=SMALL, color=PREDICTION_COLOUR, va="center")
    return picture


def fill(picture: Picture, runs: Mapping[str, Run], prediction: Any = None) -> str:
    """Draw what the call found and what each policy left; the alt text.

    A prediction is the name of what will break under the first policy ("I2", "none").
    """
    first = next(iter(runs.values()))
    page, axes = first.scenario.machine.page, picture.axes["strip"]
    shown = [_found(first), *(_left(label, run) for label, run in runs.items())]
    places = [1 - (index + 0.55) / len(shown) for index in range(len(shown))]
    elsewhere = _elsewhere(shown, page)
    picture.parts["pages"].show(
        span for row, place in zip(shown, places) for span in _pages(row, place, page, elsewhere)
    )
    picture.parts["ground"].set_segments([line for place in places for line in _ground(place, elsewhere)])
    brackets = [b for row, place in zip(shown, places) for b in _brackets(row, place, page, elsewhere)]
    picture.parts["mappings"].set_segments([line for line, bad in brackets if not bad])
    picture.parts["broken mappings"].set_segments([line for line, bad in brackets if bad])
    _say(picture, shown, places)
    place = axes.get_position()
    picture.parts["yours"].set(
        text="" if prediction is None else f"you: breaks {prediction}",
        position=(0.79, place.y0 + (places[1] - 0.085) * place.height),
    )
    where = _column(elsewhere * page, page, elsewhere)
    picture.parts["elsewhere"].set(text=hex(elsewhere * page) if elsewhere else "", position=(where, -0.012))
    picture.finding = _finding(first, shown[1:])
    return _alt(shown, prediction)


def _found(run: Run) -> Shown:
    found = next(event for event in run.events if isinstance(event, Found))
    return Shown("as found", found.vmas, found.pages, _asked(run.events, run.scenario.machine.page), ())


def _left(label: str, run: Run) -> Shown:
    left = next(event for event in run.events if isinstance(event, Left))
    broken = tuple(event for event in run.events if isinstance(event, Broke))
    return Shown(label, left.vmas, left.pages, str(run.numbers["returned"]), broken)


def _asked(events: Iterable[Event], page: int) -> str:
    """The call as a reader would write it, with lengths in pages."""
    call = next(event for event in events if isinstance(event, Called))
    target = f",\n  to {call.new_addr:#x}" if call.flags & 2 else ""
    return f"mremap({call.addr:#x},\n  pages {call.old_len // page} → {call.new_len // page}{target})"


def _elsewhere(shown: Iterable[Shown], page: int) -> int:
    """The page number of the first mapping that lies in none of the three known places; 0 without one."""
    starts = sorted(vma.start // page for row in shown for vma in row.vmas)
    return next((start for start in starts if start > FREE + 5), 0)


def _width() -> float:
    return sum(pages for _, pages in WINDOWS) + len(WINDOWS) - 1


def _column(addr: int, page: int, elsewhere: int) -> float:
    """Where an address is drawn: the windows stand side by side, one column apart."""
    left, number = 0, addr // page
    for first, pages in WINDOWS[:-1]:
        if first is not None and number <= first + pages:
            return left + number - first
        left += pages + 1
    return left + 1 + number - elsewhere


def _ground(place: float, elsewhere: int) -> Iterator[list[tuple[float, float]]]:
    """The line on which the pages stand, broken where address space is left out."""
    left = 0.0
    for first, pages in WINDOWS:
        if first is not None or elsewhere:
            yield [(left, place - 0.037), (left + pages, place - 0.037)]
        left += pages + 1


def _pages(row: Shown, place: float, page: int, elsewhere: int) -> Iterator[Span]:
    """A cell a page: with its content, empty if it is only mapped, marked if it lies in no mapping."""
    present = dict(row.pages)
    mapped = {addr for vma in row.vmas for addr in range(vma.start, vma.end, page)}
    for addr in sorted(mapped | set(present)):
        column, content = _column(addr, page, elsewhere), present.get(addr, "")
        look = "orphan" if addr not in mapped else content[:1] or "new"
        yield Span(place, column, column + 1, look, content)


def _brackets(row: Shown, place: float, page: int, elsewhere: int) -> Iterator[tuple[list[tuple[float, float]], bool]]:
    """A bracket a mapping: a second storey where two overlap, a flag where one is empty."""
    reached = 0
    for vma in row.vmas:
        left, right = _column(vma.start, page, elsewhere), _column(vma.end, page, elsewhere)
        empty, overlaps = vma.start == vma.end, vma.start < reached
        low, high = place + 0.045, place + (0.095 if overlaps else 0.066)
        if empty:
            yield [(left, place - 0.04), (left, high + 0.03), (left + 0.7, high + 0.015), (left, high)], True
        else:
            yield (
                [(left + 0.06, low), (left + 0.06, high), (right - 0.06, high), (right - 0.06, low)],
                overlaps,
            )
        reached = max(reached, vma.end)


def _say(picture: Picture, shown: list[Shown], places: list[float]) -> None:
    """Labels to the left, results to the right, and under each strip what broke."""
    box = picture.axes["strip"].get_position()
    for index in range(ROWS):
        label, result, damage = (picture.parts[name][index] for name in ("labels", "results", "damage"))
        if index >= len(shown):
            for text in (label, result, damage):
                text.set_visible(False)
            continue
        row, place = shown[index], places[index]
        height = box.y0 + place * box.height
        label.set(visible=True, text=row.label.replace("fix of ", "fix of\n"))
        label.set_position((0.012, height))
        verdict = f"\nbreaks {_names(row)}" if row.broken else "\nbreaks nothing"
        result.set(visible=True, text=row.returned + (verdict if index else ""), position=(0.79, height))
        result.set_color(ALARM if row.broken else INK)
        damage.set(visible=True, text=_damage(row), position=(0, place - 0.046))


def _names(row: Shown) -> str:
    return ", ".join(broke.invariant for broke in row.broken)


def _damage(row: Shown) -> str:
    return f"{row.broken[0].invariant}: {row.broken[0].what}" if row.broken else ""


def _finding(run: Run, shown: Iterable[Shown]) -> str:
    """The title: who returned what and broke what, policies with the same fate together."""
    fates: dict[tuple[str, str], list[str]] = {}
    for row in shown:
        fates.setdefault((row.returned, _names(row)), []).append(row.label)
    told = (
        f"{', '.join(labels)}: {returned}" + (f", breaks {broken}" if broken else "")
        for (returned, broken), labels in fates.items()
    )
    room = run.scenario.below_limit
    return f"“{run.scenario.call}”, {room} below the limit. " + "; ".join(told)


def _alt(shown: list[Shown], prediction: Any) -> str:
    """The picture in words: every row with its mappings, pages, result and what broke."""
    told = [f"The call {' '.join(shown[0].returned.split())}."]
    for row in shown:
        mappings = ", ".join(f"[{v.start:#x}, {v.end:#x}) {v.prot}" for v in row.vmas)
        verdict = f" Returned {row.returned}." if row is not shown[0] else ""
        damage = "".join(f" {broke.invariant} broken: {broke.what}." for broke in row.broken)
        told.append(f"{row.label}: {mappings or 'no mapping'}; pages {len(row.pages)}.{verdict}{damage}")
    return " ".join(told) + ("" if prediction is None else f" Your prediction: breaks {prediction}.")
