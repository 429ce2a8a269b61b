"""Pictures as data: the vocabulary in which a chapter says what is drawn, for explorer, stepper, handout and paper.

A chapter's `scene(run)` gives the picture of one run as plain values; the page's script (figures/page/) lays it out
for its width, and chooses units, ticks, title and spellings. Builders check what they are given. docs/pictures.md shows
every form; story.py has what the stepper plays.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple, TypedDict, Unpack

from vmteach.figures.data import (
    LINKS,
    LONGEST_CLAUSE,
    MOST_NUMBERS,
    Group,
    States,
    Words,
    cells_of,
    check_group,
    check_states,
    group_of,
    plain,
    spellings,
    told,
)
from vmteach.run import Record, Values

# ---- the things in a group: tuples, of which the page gets what is given ----


class Cell(NamedTuple):
    """A piece of a row: a state, where it begins, how long it is. Cells with the same id in two frames move.

    `level` 1 lies over level 0: what has been written over something else.
    """

    state: str
    at: float
    length: float = 1
    words: Words = ""
    id: str = ""
    level: int = 0


class Bracket(NamedTuple):
    """A bracket over a row, from `start` to `end`; level 1 stands above level 0."""

    start: float
    end: float
    words: Words = ""
    tone: str = "ink"
    level: int = 0


class Edge(NamedTuple):
    """A thick line across a row, with its name: the end of the disk, a page edge."""

    at: float
    words: Words = ""
    tone: str = "ink"


class Line(NamedTuple):
    """A line of a chart: a tone or a meaning, its points in data units, its name."""

    tone: str
    points: Sequence[tuple[float, float]]
    words: Words = ""
    dashed: bool = False


class Area(NamedTuple):
    """What lies between two lines of a chart, hatched with its meaning."""

    meaning: str
    upper: Sequence[tuple[float, float]]
    lower: Sequence[tuple[float, float]]
    words: Words = ""


class Column(NamedTuple):
    """A bar of a chart, from `base` to `y`."""

    x: float
    y: float
    tone: str = "ink"
    words: Words = ""
    base: float = 0


class Note(NamedTuple):
    """Words in a chart that point at (x, y), in data units; with `dot` there is a point."""

    x: float
    y: float
    words: Words
    tone: str = "ink"
    dot: bool = False


class Span(NamedTuple):
    """A stretch of a strip."""

    state: str
    start: float
    end: float
    words: Words = ""


class Stay(NamedTuple):
    """A stretch in a lane: a thread holds a lock or waits for one; `end` None is for ever."""

    thread: str
    rail: int
    state: str
    start: float
    end: float | None
    words: Words = ""


class Mark(NamedTuple):
    """A line down through lanes or a chart, with its words: "no way back"."""

    at: float
    words: Words = ""
    tone: str = "ink"


class Link(NamedTuple):
    """An arrow or an arc between two things: their ids, or "row label@position"."""

    start: str
    kind: str
    end: str
    words: Words = ""


class Box(NamedTuple):
    """A cell of a grid: a state's letter, a share from 0 to 1 (light to dark), or "" and its words.

    `sets` are the controls that a click on it sets in the explorer: {"machine": "8 GB"}.
    """

    look: str | float = ""
    words: Words = ""
    sets: Values | None = None


class Outline(NamedTuple):
    """A line around boxes of a grid, first and last row and column, with a sentence below."""

    top: int
    left: int
    bottom: int
    right: int
    words: Words = ""
    dashed: bool = False


def axis(
    name: str,
    start: float,
    end: float,
    unit: str = "",
    ticks: Sequence[float | tuple[float, Words]] = (),
    windows: Sequence[tuple[float, float]] = (),
) -> Group:
    """An axis. All axes of one name share their limits and their unit, within a panel and over the panels.

    `unit` is "B" (the page says KiB, MiB or GiB), "s", "hex", "%", or a word in the singular such as "page". Without
    ticks the page chooses round ones. `windows` are the pieces that are shown, with a break between them.

    >>> axis("time", 0, 90, "s")
    {'name': 'time', 'from': 0, 'to': 90, 'unit': 's'}
    """
    if not start <= end:
        raise ValueError(f"axis {name!r} must end at its start or later, got {start} to {end}")
    for low, high in windows:
        if not start <= low < high <= end:
            raise ValueError(f"a window of axis {name!r} must lie within {start} to {end}, got {low} to {high}")
    return plain(name=name, **{"from": start, "to": end}, unit=unit, ticks=ticks, windows=windows)


# ---- the forms ----

ENDS = ("tail", "head")  # of a list


def ring(label: str, cells: str | Iterable[tuple[str, float]], slots: int = 0, middle: Words = "") -> Group:
    """A list as a ring: the first cell stands under the hand (the tail), the last is the head.

    Cells are a state's letter and an id: "D15 D16 M9". `slots` are the places of the ring; `middle` is said under
    name and length.

    >>> ring("inactive list", "D15 M9", slots=24)["cells"]
    'D15 M9'
    """
    text = cells_of(cells)
    if slots and len(text.split()) > slots:
        raise ValueError(f"ring {label!r} has {len(text.split())} cells for {slots} slots: give more slots")
    return group_of("ring", label, cells=text, slots=slots, middle=middle, unit="page", ends=ENDS)


def belt(label: str, cells: str | Iterable[tuple[str, float]]) -> Group:
    """A list as a belt of small cells, tail first, wrapped where the line ends.

    >>> belt("active list", [("M", 0), ("D", 10)])["cells"]
    'M0 D10'
    """
    return group_of("belt", label, cells=cells_of(cells), unit="page", note="tail first")


def row(
    label: str,
    cells: Iterable[Cell],
    x: Group,
    edges: Iterable[Edge] = (),
    brackets: Iterable[Bracket] = (),
    note: Words = "",
) -> Group:
    """Bytes, sectors, addresses: cells to scale along an axis, edges and brackets with their names.

    Rows of one panel whose axis has the same name stand below each other, and the last one has the ticks.

    >>> row("asked for", [Cell("D", 0, 8, "block 0")], axis("sector", 0, 16))["cells"]
    [['D', 0, 8, 'block 0']]
    """
    given = list(cells)
    for cell in given:
        if cell.length < 0:
            raise ValueError(f"row {label!r}: a cell's length must be 0 or more, got {cell.length}")
    return group_of("row", label, x=x, cells=given, edges=edges, brackets=brackets, note=note)


def script(label: str, lines: Iterable[tuple[str, Words]], at: int, waits: bool = False, head: Words = "") -> Group:
    """A thread's program: (name, words) a line; `at` is the index of the next step, the number of lines at the end.

    >>> script("R0", [("R1", "lock Q0"), ("R2", "unlock Q0")], at=1)["at"]
    1
    """
    given = list(lines)
    if not 0 <= at <= len(given):
        raise ValueError(f"script {label!r}: at must be between 0 and {len(given)}, got {at}")
    return group_of("script", label, lines=given, at=at, waits=waits, head=head)


def nodes(label: str, threads: Sequence[str], locks: Sequence[str], held: Mapping[str, Words] | None = None) -> Group:
    """Threads (round) and locks (square); links "holds" and "waits" of the frame join them.

    `held` maps a lock to the words below its name.

    >>> nodes("locks", ["R0", "E"], ["Q0", "H"])["locks"]
    ['Q0', 'H']
    """
    return group_of("nodes", label, threads=threads, locks=locks, held=held)


def lanes(
    label: str,
    threads: Sequence[tuple[str, Words]],
    stays: Iterable[Stay],
    x: Group,
    marks: Iterable[Mark] = (),
    rails: Sequence[Words] = (),
) -> Group:
    """Threads over time: a lane a thread, a rail a lock (or a class of locks), a bar for every stay.

    >>> lanes("steps", [("E", "recovery")], [Stay("E", 0, "H", 0, None, "H")], axis("step", 0, 9))["stays"]
    [['E', 0, 'H', 0, None, 'H']]
    """
    given = list(stays)
    for stay in given:
        if stay.thread not in dict(threads):
            raise ValueError(f"lanes {label!r} must name thread {stay.thread!r} among its threads")
    return group_of("lanes", label, threads=threads, x=x, stays=given, marks=marks, rails=rails)


def grid(
    label: str,
    heads: Sequence[Words],
    rows: Iterable[tuple[Words, Sequence[Box]]],
    outlines: Iterable[Outline] = (),
    corner: Words = "",
    mono: bool = False,
) -> Group:
    """Rows and columns of boxes: a table, a hex dump (`mono`), a map.

    >>> grid("map", ["1", "6"], [("8 GB", [Box(0.98, "98"), Box(0.97, "97")])])["rows"]
    [['8 GB', [[0.98, '98'], [0.97, '97']]]]
    """
    given = list(rows)
    for head, boxes in given:
        if len(boxes) != len(heads):
            raise ValueError(f"grid {label!r}: row {head!r} must have {len(heads)} boxes, got {len(boxes)}")
    return group_of("grid", label, heads=heads, rows=given, outlines=outlines, corner=corner, mono=mono)


class InChart(TypedDict, total=False):
    """What a chart may have besides lines and areas."""

    columns: Iterable[Column]
    notes: Iterable[Note]
    marks: Iterable[Mark]
    shade: Iterable[tuple[float, float]]
    end: tuple[float, Words]  # the run ends at x
    beyond: Iterable[tuple[str, float, Words]]  # arrows at the edge, "right" or "top", to what lies outside
    spans: Iterable[tuple[float, float, float, Words]]  # measures: x0, x1, y
    low: bool  # half as high


def chart(
    label: str,
    x: Group,
    y: Group,
    lines: Iterable[Line] = (),
    areas: Iterable[Area] = (),
    **more: Unpack[InChart],
) -> Group:
    """Lines, areas, bars and words over two axes.

    >>> chart("swap", axis("time", 0, 9, "s"), axis("swap", 0, 4, "B"), [Line("done", [(0, 0), (9, 4)])])["lines"]
    [['done', [[0, 0], [9, 4]]]]
    """
    if unknown := set(more) - set(InChart.__annotations__):
        raise ValueError(
            f"chart {label!r} knows {', '.join(InChart.__annotations__)}, got {', '.join(sorted(unknown))}"
        )
    return group_of("chart", label, x=x, y=y, **{"columns": (), "lines": lines, "areas": areas, **more})


def strip(label: Words, spans: Iterable[Span], x: Group) -> Group:
    """What went on when: spans side by side along an axis.

    >>> strip("copy", [Span("W", 0, 77, ["waits 1 min 17 s", "77 s"])], axis("time", 0, 90, "s"))["spans"]
    [['W', 0, 77, ['waits 1 min 17 s', '77 s']]]
    """
    return group_of("strip", label, x=x, spans=spans)


def bands(label: str, x: Group, y: Group, columns: Sequence[Sequence[tuple[str, float]]], every: float) -> Group:
    """A list over time: one column every `every` units of x, its (state, amount) from the tail up.

    Stripes too fine to see become mixtures of two states, with the eighths of the second. A column travels as letters
    and thousandths of the y axis, "=" for the same again.

    >>> group = bands("list", axis("time", 0, 2, "s"), axis("pages", 0, 10), [[("D", 5), ("C", 5)]] * 2, every=1)
    >>> group["columns"]
    ['D500C500', '=']
    """
    if any(amount < 0 for column in columns for _, amount in column):
        raise ValueError(f"bands {label!r}: amounts must be 0 or more")
    full = max(y["to"], 1e-12)
    texts = [_column(_seen(column, full * LEAST_BAND), full) for column in columns]
    short = ["=" if i and text == texts[i - 1] else text for i, text in enumerate(texts)]
    return group_of("bands", label, x=x, y=y, every=every, ends=ENDS, columns=short)


LEAST_BAND = 0.024  # of the height: what is lower is drawn as a mixture
LEAST_SHARE, LIKE = 0.03, 0.25  # of a mixture: what is less is not drawn; what differs by less is drawn as one


def _seen(column: Sequence[tuple[str, float]], least: float) -> list[tuple[str, float]]:
    """What can be seen of a column: its bands, and where these are too low, mixtures; alike ones are one."""
    seen: list[dict[str, float]] = []
    last = "", "", 0.0
    for band in _mixtures(_joined(column), least):
        two = _two(band)
        if _alike(last, two):
            before = seen.pop()
            band = {state: before.get(state, 0) + band.get(state, 0) for state in before | band}
            two = _two(band)
        seen.append(band)
        last = two
    return [(_look(band), sum(band.values())) for band in seen]


def _joined(column: Sequence[tuple[str, float]]) -> Sequence[tuple[str, float]]:
    """Neighbours in one state as one."""
    if all(a[0] != b[0] for a, b in pairwise(column)):
        return column
    return [(state, sum(n for _, n in run)) for state, run in groupby(column, key=itemgetter(0))]


def _mixtures(column: Iterable[tuple[str, float]], least: float) -> Iterator[dict[str, float]]:
    """Bands that are high enough, and what lies between them in mixtures of twice that height; amounts by state."""
    mixture: dict[str, float] = {}
    height = 0.0  # of the mixture
    for state, amount in column:
        if amount >= least or height >= 2 * least:
            if mixture:
                yield mixture
            mixture, height = {}, 0.0
        if amount >= least:
            yield {state: amount}
        elif amount:
            mixture[state] = mixture.get(state, 0) + amount
            height += amount
    if mixture:
        yield mixture


def _two(band: Mapping[str, float]) -> tuple[str, str, float]:
    """The two states of which there is most, and how much of both is the second's."""
    if len(band) == 1:
        return next(iter(band)), "", 0.0
    (most, first), (more, second) = sorted((-amount, state) for state, amount in band.items())[:2]
    return first, second, more / (most + more)


def _alike(a: tuple[str, str, float], b: tuple[str, str, float]) -> bool:
    """Whether two bands are of the same states in shares that the eye takes for the same."""
    (first, second, share), (other, another, part) = a, b
    if first == other:
        return second == another and abs(share - part) < LIKE
    return first == another and second == other and abs(share - 1 + part) < LIKE


def _look(band: Mapping[str, float]) -> str:
    """A state, or two with the eighths that the second has of both.

    >>> _look({"C": 10, "M": 90}), _look({"C": 1, "M": 99})
    ('MC1:', 'M')
    """
    first, second, share = _two(band)
    return f"{first}{second}{max(1, round(8 * share))}:" if share >= LEAST_SHARE else first


def _column(column: Iterable[tuple[str, float]], full: float) -> str:
    shares = ((look, round(1000 * amount / full)) for look, amount in column)
    return "".join(f"{look}{share}" for look, share in shares if share)


# ---- a picture ----


@dataclass(frozen=True)
class Scene:
    """The picture of one run: one panel.

    `clause` is what the title says of this kernel, without its subject, in spellings from long to short: the page
    writes "The unpatched kernel " + clause + "; the patched kernel " + clause, or "Both kernels " + `both` where all
    say the same (made from the clause if not given). `numbers` are at most four figures with units, ready to be read.
    A picture that is not one kernel's (a map, the trace) has a `title` of its own in place of a clause.
    `alt` says what is drawn, then the numbers. `more` makes the groups that the explorer leaves out: it must be low.

    >>> line = Line("done", [(0, 0), (9, 4)], "written")
    >>> picture = chart("swap", axis("time", 0, 9, "s"), axis("swap", 0, 4, "B"), [line])
    >>> Scene("writes 4 B", [picture], alt="A line from 0 to 4 B.").data["both"]
    'write 4 B'
    """

    clause: Words
    groups: Sequence[Group]
    alt: str
    states: States = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)
    both: Words = ""
    links: Sequence[Link] = ()
    gauges: Values = field(default_factory=dict)
    more: Callable[[], Sequence[Group]] = tuple
    note: Words = ""
    end: str = ""
    title: Words = ""

    def __post_init__(self) -> None:
        shortest = spellings(self.clause)[-1]
        if not self.title and not 0 < len(shortest) <= LONGEST_CLAUSE:
            raise ValueError(
                f"a clause's shortest spelling must have 1 to {LONGEST_CLAUSE} characters, got {shortest!r}"
            )
        if len(self.numbers) > MOST_NUMBERS:
            raise ValueError(f"numbers must be {MOST_NUMBERS} at most, got {len(self.numbers)}: leave some out")
        if not self.alt:
            raise ValueError("alt must say what is drawn, then the numbers; it is empty")
        check_states(self.states)
        for group in self.groups:
            check_group(group, self.states)
        check_links(self.links)

    @property
    def data(self) -> Record:
        """Plain values, ready for JSON."""
        more = self.more()
        for group in more:
            check_group(group, self.states)
        return self.compact | plain(more=more)

    @property
    def compact(self) -> Record:
        """The same for an explorer, without `more`, which is not even made."""
        both = self.both or [plural(words) for words in spellings(self.clause)]
        both = both if isinstance(both, str) or len(both) > 1 else both[0]
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "more"}
        return plain(**given | {"both": both, "states": told(self.states)})


def plural(clause: str) -> str:
    """A clause about two kernels in place of one: its verb, and those that follow "and" or "then" at once.

    >>> plural("writes none"), plural("is stopped in time"), plural("passes over it"), plural("cannot go on")
    ('write none', 'are stopped in time', 'pass over it', 'cannot go on')
    >>> plural("copies 4 GiB and swaps nothing"), plural("delivers 64 KiB, then stops"), plural("fails, and it lives")
    ('copy 4 GiB and swap nothing', 'deliver 64 KiB, then stop', 'fail, and it lives')
    """
    return re.sub(r"(?:^|(?<=\band )|(?<=\bthen ))[a-z]+", lambda verb: _plural(verb[0]), clause)


def _plural(verb: str) -> str:
    known = {"is": "are", "has": "have", "does": "do", "was": "were", "goes": "go"}
    if verb in known:
        return known[verb]
    if re.search(r"(ss|sh|ch|x|zz)es$", verb):
        return verb[:-2]
    if verb.endswith("ies"):
        return verb[:-3] + "y"
    return verb[:-1] if verb.endswith("s") and not verb.endswith("ss") else verb


def prediction(axis: str, at: float, words: Words) -> Record:
    """A reader's prediction: a dashed line at `at` on every axis of that name, with its words.

    >>> prediction("time", 77, ["your prediction: 77 s", "you: 77 s"])["at"]
    77
    """
    return plain(axis=axis, at=at, words=words)


def guess(axis: str, at: float, words: str) -> Record:
    """A prediction with the words for its number.

    >>> guess("time", 77, "77 s")["words"]
    ['your prediction: 77 s', 'you: 77 s']
    """
    return prediction(axis, at, [f"your prediction: {words}", f"you: {words}"])


def check_links(links: Iterable[Link]) -> None:
    for link in links:
        if link.kind not in LINKS:
            raise ValueError(f"a link must be one of {', '.join(LINKS)}, got {link.kind!r}")
