"""The course as pictures: its hook, the trace that it begins with, and the graph of what to read before what."""

import csv

from matplotlib.patches import FancyArrowPatch

from vmteach.course import CHAPTERS, levels
from vmteach.figures import Drawing
from vmteach.figures.plain import own_style
from vmteach.figures.scene import Area, Line, Scene, axis, chart
from vmteach.figures.style import INK, NORMAL, PAPER, QUIET, RULE, SMALL, Picture
from vmteach.figures.words import size
from vmteach.tables import COURSE

TRACE = COURSE / "data" / "vmstat_storm.csv"


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


@own_style
def graph() -> Drawing:
    """An arrow from each chapter to those that build on it."""
    columns = levels()
    tallest = max(map(len, columns))
    picture = Picture(9.6, 0.62 * tallest + 0.3)
    axes = picture.panel("graph", (0.01, 0.02, 0.98, 0.96), xlim=(0, len(columns)), ylim=(tallest, 0), spines="")
    place = {c.stem: (x, y) for x, column in enumerate(columns) for y, c in enumerate(column)}
    for stem, (x, y) in place.items():
        chapter = CHAPTERS[stem]
        axes.text(x + 0.04, y + 0.4, f"{chapter.number:02d}  {chapter.title}", size=NORMAL, color=INK, va="center")
        axes.text(x + 0.125, y + 0.72, chapter.idea, size=SMALL, color=QUIET, va="center")
        for need in chapter.needs:
            left, row = place[need]
            arrow = FancyArrowPatch(
                (left + 0.80, row + 0.45),
                (x + 0.03, y + 0.4),
                arrowstyle="-|>",
                mutation_scale=10,
                color=RULE,
                connectionstyle="arc3,rad=0.05",
                zorder=0,
            )
            axes.add_patch(arrow)
    axes.set_facecolor(PAPER)
    picture.finding = f"{len(columns[0])} chapters need no other; the rest stand to the right of what they build on"
    told = [
        f"{c.number} {c.title} needs {' and '.join(CHAPTERS[n].title for n in c.needs)}"
        for c in CHAPTERS.values()
        if c.needs
    ]
    return Drawing(picture, f"{picture.finding}. {'; '.join(told)}.")
