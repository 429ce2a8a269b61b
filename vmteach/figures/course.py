"""The course as pictures: its hook, the trace that it begins with, and the graph of what to read before what."""

import csv

from vmteach.course import CHAPTERS, Chapter, levels
from vmteach.figures.scene import Area, Line, Scene, axis, chart
from vmteach.figures.svg import SMALL, Svg, line, words
from vmteach.figures.words import size
from vmteach.tables import COURSE

TRACE = COURSE / "data" / "vmstat_storm.csv"
WIDE, HIGH = 328, 60  # px, of a chapter in the graph


def hook() -> Scene:
    """The announcement's trace in one chart: swap reserved, swap written, and the debt between them."""
    with open(TRACE, encoding="utf-8", newline="") as file:
        rows = [(int(row["swpd"]) << 10, int(row["so"]) << 10) for row in csv.DictReader(file)]
    reserved = [(second, swpd) for second, (swpd, _) in enumerate(rows, 1)]
    written = [(second, sum(so for _, so in rows[:second])) for second in range(1, len(rows) + 1)]
    top = max(amount for _, amount in reserved)
    lines = [Line("promised", reserved, "swap reserved"), Line("done", written, "written to swap")]
    debt = Area("promised", reserved, written, [f"the debt: {size(top)} reserved, not written", "the debt"])
    time, room = axis("time", 1, len(rows), "s"), axis("swap", 0, 5 << 30, "B")
    return Scene(
        [f"In half a minute the kernel reserves {size(top)} of swap and writes almost nothing", "The debt"],
        [chart("swap", time, room, lines, [debt], low=True)],
        f"Swap reserved and swap written over {len(rows)} seconds: {size(top)} against {size(written[-2][1])}.",
        {"P": ("reserved", "promised"), "W": ("written", "done")},
    )


def graph() -> Svg:
    """An arrow from each chapter to those that build on it."""
    columns = levels()
    place = {c.stem: (x, y) for x, column in enumerate(columns) for y, c in enumerate(column)}
    arrows = [_arrow(place[need], place[c.stem]) for c in CHAPTERS.values() for need in c.needs]
    names = [part for stem, at in place.items() for part in _named(CHAPTERS[stem], at)]
    finding = f"{len(columns[0])} chapters need no other; the rest stand to the right of what they build on"
    needs = [(c, " and ".join(CHAPTERS[need].title for need in c.needs)) for c in CHAPTERS.values() if c.needs]
    alt = f"{finding}. {'; '.join(f'{c.number} {c.title} needs {titles}' for c, titles in needs)}."
    return Svg(finding, alt, len(columns) * WIDE, max(map(len, columns)) * HIGH, [*arrows, *names])


def _named(chapter: Chapter, at: tuple[int, int]) -> list[str]:
    x, y = at[0] * WIDE + 12, at[1] * HIGH + 20
    return [words(x, y, f"{chapter.number:02d}  {chapter.title}"), words(x + 24, y + 19, chapter.idea, SMALL)]


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    x0, y0, x1, y1 = start[0] * WIDE + WIDE - 58, start[1] * HIGH + 20, end[0] * WIDE + 8, end[1] * HIGH + 20
    head = f"M{x1 - 7:g} {y1 - 4:g} L{x1:g} {y1:g} L{x1 - 7:g} {y1 + 4:g}"
    return line(f"M{x0:g} {y0:g} C{x0 + 40:g} {y0:g} {x1 - 40:g} {y1:g} {x1:g} {y1:g} {head}")
