"""The course's own picture: the trace that it begins with."""

import csv

from vmteach.figures.scene import Area, Line, Scene, axis, chart
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
