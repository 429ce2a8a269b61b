"""The course's own picture: the trace that it begins with."""

from itertools import accumulate

from vmteach.figures.scene import Area, Line, Scene, axis, chart
from vmteach.figures.shm_big_iron import course, trace
from vmteach.figures.words import size


def hook() -> Scene:
    """The announcement's trace in one chart: swap reserved, swap written, and the debt between them."""
    reserved, out = ([kib << 10 for kib in trace(column)] for column in ("swpd", "so"))
    top, written = max(reserved), list(accumulate(out))
    lines = [Line("promised", course(reserved), "swap reserved"), Line("done", course(written), "written to swap")]
    words = [f"the debt: {size(top)} reserved, not written", "the debt"]
    debt = Area("promised", course(reserved), course(written), words)
    time, room = axis("time", 1, len(out), "s"), axis("swap", 0, 5 << 30, "B")
    return Scene(
        [f"In half a minute the kernel reserves {size(top)} of swap and writes almost nothing", "The debt"],
        [chart("swap", time, room, lines, [debt], low=True)],
        f"Swap reserved and swap written over {len(out)} seconds: {size(top)} against {size(written[-2])}.",
        {"P": ("reserved", "promised"), "W": ("written", "done")},
    )
