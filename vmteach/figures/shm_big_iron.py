"""The storm as a debt: swap reserved and swap written over time, who waits meanwhile, and the inactive list.

`scene(run)` is the picture of one run. `hook()` is the trace in the same shape, `twin(run)` the model beside it,
`map_of(speeds)` a number over machines and shares of file pages.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from vmteach.figures.data import Group
from vmteach.figures.scene import (
    Area,
    Box,
    Column,
    Line,
    Note,
    Outline,
    Scene,
    Span,
    axis,
    bands,
    chart,
    grid,
    guess,
    strip,
)
from vmteach.figures.storm import LETTERS, STATES
from vmteach.figures.storm import STORIES as STORIES
from vmteach.figures.storm import frames as frames
from vmteach.figures.storm import story as story
from vmteach.figures.words import number, seconds, size
from vmteach.machine import GIB, KIB
from vmteach.patches.shm_big_iron import StormRun, Wants
from vmteach.run import Record
from vmteach.tables import table_rows

BATCH = "32 pages (128 KiB)"
Points = list[tuple[float, float]]


def scene(run: StormRun) -> Scene:
    """The picture of one run: the debt, who waits, the inactive list."""
    page, end = run.scenario.machine.page, run.end
    time = axis("time", 0, end, "s")
    return Scene(
        clause=clause(run),
        groups=[swap_chart(run, time, page), strip("who waits", spans(run), time)],
        more=lambda: [list_bands(run, time, page)],
        states=STATES,
        numbers=readout(run),
        note=note(run),
        alt=alt(run),
        end="bad" if run.oom is not None else "",
    )


def predicted(value: float) -> Record:
    """A predicted length of the copy, as a line in time."""
    return guess("time", float(value), seconds(value))


TAKEN = {  # who takes memory: the counter, and its words
    "backup": ("copied", "file copied", "copied"),
    "application": ("taken", "taken by the application", "taken"),
}


def swap_chart(run: StormRun, time: Group, page: int) -> Group:
    """Swap reserved and written, and what was taken, in bytes over time."""
    reserved = points(run, "slots_used", page)
    written = points(run, "writes", page)
    lines = [
        Line("promised", reserved, ["swap reserved", "reserved"]),
        Line("done", written, ["written to swap", "written"]),
    ]
    wanted = {phase.who for phase in run.phases}
    lines += [
        Line("blue", points(run, counter, page), words) for who, (counter, *words) in TAKEN.items() if who in wanted
    ]
    debt = max(s.slots_used - s.writes for s in run.counters) * page
    top = max(y for line in lines for _, y in line.points)
    worth = debt > 0.03 * top and debt >= page * 64
    area = Area("promised", reserved, written, [f"the debt: {size(debt)} reserved, not written", f"debt: {size(debt)}"])
    return chart(
        "swap, and what was taken",
        time,
        axis("bytes", 0, max(top, page), "B"),
        lines,
        areas=[area] if worth else [],
        shade=list(run.waits) if len(run.waits) <= 8 else [],
        end=(run.end, ending(run)),
    )


def points(run: StormRun, counter: str, page: int) -> Points:
    """A counter over time, bytes: the points at which its course turns."""
    return thinned([(0.0, 0.0), *((s.second, float(getattr(s, counter) * page)) for s in run.counters)])


def thinned(course: Points) -> Points:
    """A line without the points that lie on it, to a hundredth of its range.

    >>> thinned([(0, 0), (1, 10), (2, 20), (3, 20)])
    [(0, 0), (2, 20), (3, 20)]
    """
    near = max(y for _, y in course) / 100
    kept, low, high = [course[0]], float("-inf"), float("inf")
    for here, (x, y) in zip(course, course[1:]):
        x0, y0 = kept[-1]
        slope = (y - y0) / (x - x0)
        if not low <= slope <= high:
            kept.append(here)
            (x0, y0), low, high = here, float("-inf"), float("inf")
        low, high = max(low, (y - near - y0) / (x - x0)), min(high, (y + near - y0) / (x - x0))
    return [*kept, course[-1]]


def spans(run: StormRun) -> list[Span]:
    """Who is at work when, with every request of a second or more as a box of its own."""
    found = []
    for phase in run.phases:
        at, letter = phase.start, "B" if phase.who == "backup" else "A"
        for begin, end in run.waits:
            if phase.start <= begin < phase.end:
                found += [Span(letter, at, begin)] if begin > at else []
                wait = f"waits {(took := seconds(end - begin))}"
                found.append(Span("Z", begin, end, [f"{wait} for {BATCH}", f"{wait} for 32 pages", wait, took]))
                at = end
        if phase.end > at:
            found.append(Span(letter, at, phase.end, STATES[letter][0]))
    return found


def list_bands(run: StormRun, time: Group, page: int) -> Group:
    """The inactive list over time, tail at the bottom."""
    columns = [[(LETTERS[state], pages * page) for state, pages in places] for places in run.lists]
    longest = max(sum(amount for _, amount in column) for column in columns)
    return bands("inactive list", time, axis("list", 0, longest, "B"), columns, every=run.every)


# ---- words

DOES = {"backup": "copies", "application": "stalls"}


def clause(run: StormRun) -> list[str]:
    """What the title says of this kernel, long to short."""
    if run.oom is not None:
        return [f"runs out of memory after {seconds(run.oom)}", "runs out of memory"]
    who, n = {phase.who for phase in run.phases}, run.numbers
    if len(who) == 2:
        both = ", then ".join(f"{DOES[p.who]} for {seconds(p.took)}" for p in run.phases)
        needs = " + ".join(seconds(p.took) for p in run.phases)
        return [both, f"needs {needs}", f"needs {seconds(run.end)}"]
    if who == {"application"}:
        longest = seconds(float(n["longest wait (s)"]))
        return [f"makes one request for 32 pages wait {longest}", f"stalls for {longest}"]
    speed = f"copies at {number(n['copy speed (MiB/s)'])} MiB/s"
    return [f"{speed} and swaps {to_swap(run) if n['written to swap (GiB)'] else 'nothing'}", speed]


def readout(run: StormRun) -> dict[str, str]:
    """At most four figures, as they are to be read."""
    n = run.numbers
    copy = {
        "copy": with_unit(n["copy speed (MiB/s)"], "MiB/s"),
        "slowest 20 s": with_unit(n["slowest 20 s of the copy (MiB/s)"], "MiB/s"),
        "swapped per byte copied": number(n["swapped per byte copied"]),
    }
    longest = {"longest wait": seconds(float(n["longest wait (s)"]))}
    wants = run.scenario.wants
    if wants is Wants.BACKUP:
        return {**copy, **longest}
    application = {"application": with_unit(n["application (s)"], "s")}
    if wants is Wants.APPLICATION:
        converted = f"{number(n['converted before the first write (GiB)'])} GiB"
        return {**application, **longest, "converted before a write": converted, "to swap": to_swap(run)}
    copy.pop("slowest 20 s")
    return {**copy, **application, **longest}


def with_unit(value: float | str, unit: str) -> str:
    """A figure with its unit, or the words that stand in its place.

    >>> with_unit(40.0, "MiB/s"), with_unit("no copy", "MiB/s")
    ('40 MiB/s', 'no copy')
    """
    return value if isinstance(value, str) else f"{number(value)} {unit}"


def to_swap(run: StormRun) -> str:
    return size(float(run.numbers["written to swap (GiB)"]) * GIB)


def ending(run: StormRun) -> list[str]:
    """The words at the end of a run."""
    if run.oom is not None:
        return [f"out of memory after {seconds(run.oom)}", "out of memory"]
    return [f"done after {seconds(run.end)}", seconds(run.end)]


def asked(run: StormRun) -> str:
    """Who wants how much."""
    page = run.scenario.machine.page
    amounts = {
        "backup": f"a backup reads a file of {size(run.scenario.copy_pages * page)}",
        "application": f"an application takes {size(run.scenario.application_pages * page)} of anonymous memory",
    }
    return ", then ".join(amounts[phase.who] for phase in run.phases)


def note(run: StormRun) -> str:
    """What happened to this kernel, where there is room for a sentence."""
    n = run.numbers
    if run.oom is not None:
        return f"After {seconds(run.oom)} it is out of memory: no page could be freed."
    if run.scenario.wants is Wants.BACKUP:
        swapped = float(n["swapped per byte copied"])
        if swapped:
            return f"Each byte that is copied pushes {swapped:g} bytes of shared memory into swap."
        return "Nothing is pushed into swap."
    return f"{to_swap(run)} are written to swap; the longest wait is for 32 pages (128 KiB)."


def alt(run: StormRun) -> str:
    """The picture in words: what is drawn, then the numbers."""
    n, count = run.numbers, len(run.waits)
    drawn = f"On a machine of {run.scenario.machine.name} {asked(run)}: swap reserved, swap written and memory taken "
    drawn += f"over {seconds(run.end)}."
    if run.oom is not None:
        drawn += f" It is out of memory after {seconds(run.oom)}."
    waits = f"{count} requests wait a second or more" if count != 1 else "one request waits a second or more"
    told = [
        f"{waits}, the longest {seconds(float(n['longest wait (s)']))}",
        f"{number(n['converted before the first write (GiB)'])} GiB are converted before the first write",
        f"{number(n['written to swap (GiB)'])} GiB are written to swap",
    ]
    if isinstance(n["copy speed (MiB/s)"], float):
        told.append(f"the copy runs at {number(n['copy speed (MiB/s)'])} MiB/s")
    return f"{drawn} {'; '.join(told)}."


# ---- the trace


def trace(column: str) -> list[int]:
    """A column of the announcement's vmstat lines; row 1 is [0]."""
    return [row[column] for row in table_rows("vmstat_storm")]


def _debt(time: Group, reserved: list[int], written: list[int]) -> Group:
    """Swap reserved above swap written; what lies between is owed."""
    top = max(reserved)
    jump = max(range(1, len(reserved)), key=lambda i: reserved[i] - reserved[i - 1])
    debt = [f"the debt: {size(top)} reserved, not written", f"debt: {size(top)}"]
    return chart(
        "swap",
        time,
        axis("bytes", 0, 5 * GIB, "B"),
        [
            Line("promised", course(reserved), ["swap reserved (swpd)", "reserved"]),
            Line("done", course(written), WRITTEN),
        ],
        areas=[Area("promised", course(reserved), course(written), debt)],
        notes=[Note(jump + 1, reserved[jump], [f"{size(reserved[jump] - reserved[jump - 1])} in one line", "a jump"])],
    )


def hook() -> Scene:
    """The trace as a debt: swap reserved and swap written, second by second."""
    reserved = [kib * KIB for kib in trace("swpd")]
    so = [kib * KIB for kib in trace("so")]
    written = list(accumulate(so))
    top, last = max(reserved), reserved.index(max(reserved)) + 1
    quiet = [row for row, out in enumerate(so, 1) if 8 <= row < len(so) and not out]
    time = axis("second of the trace", 1, len(so), ticks=(1, 5, 10, 15, 20, 25, (30, "second 30")))
    swap = _debt(time, reserved, written)
    out = chart(
        "written in each second (so)",
        time,
        axis("so", 0, max(so), "B"),
        columns=[
            Column(row, y, "done", [f"{size(y)}: now it must write", size(y)] if y == max(so) else "")
            for row, y in enumerate(so, 1)
            if y
        ],
        spans=[(quiet[0], quiet[-1] + 1, 0, [f"{len(quiet)} seconds: nothing written", f"{len(quiet)} s: nothing"])],
        low=True,
    )
    return Scene(
        clause=[
            f"In half a minute the kernel reserves {size(top)} of swap and writes almost nothing",
            f"{size(top)} reserved, nothing written",
        ],
        groups=[swap, out],
        states=STATES,
        alt=f"Two lines over {len(so)} seconds of the trace. Swap reserved rises from {size(reserved[0])} to "
        f"{size(top)} in second {last}; swap written stays at {size(written[last - 1])}. For {len(quiet)} seconds "
        f"nothing is written at all; in second {len(so)} {size(so[-1])} are.",
    )


WRITTEN = ["written to swap (so, added up)", "written"]


def course(values: Sequence[float]) -> Points:
    """Values of the rows from 1 on as points."""
    return [(row, value) for row, value in enumerate(values, 1)]


GIVEN, LAST = (11, 20), 31  # rows: those that the model was calibrated on, and the last before the first write


def twin(run: StormRun) -> Scene:
    """`swpd` of the trace and of the model, row by row, and how far they are apart."""
    real = [kib * KIB for kib in trace("swpd")]
    model = [row.swpd * KIB for row in run.events]
    apart = [a - b for a, b in zip(model, real)]
    share = 100 * max(map(abs, apart[:LAST])) / (max(real) - min(real))
    time = axis("row of the trace", 1, len(real), ticks=(1, 5, 10, 15, 20, 25, 30))
    swap = chart(
        "swap reserved",
        time,
        axis("bytes", 0, 5 * GIB, "B"),
        [Line("ink", course(real), ["the trace", "trace"]), Line("blue", course(model), ["the model", "model"])],
        shade=[GIVEN],
        notes=[Note(sum(GIVEN) / 2, max(real), ["calibrated on these rows", "calibrated"], "quiet")],
    )
    most = max(map(abs, apart))
    below = chart(
        "model less trace",
        time,
        axis("difference", -most, most, "B"),
        columns=[Column(row, y, "blue") for row, y in enumerate(apart, 1)],
        low=True,
    )
    near = f"The model is within {share:.1f} %"
    return Scene(
        clause=[f"{near} of the trace in rows 1 to {LAST}", near],
        groups=[swap, below],
        states=STATES,
        alt=f"Two lines over {len(real)} rows. In the trace swpd rises from {size(real[0])} to {size(max(real))}, in "
        f"the model to {size(max(model))}. They are at most {share:.1f} % of that range apart in rows 1 to {LAST}, and "
        f"{size(abs(apart[-1]))} in row {len(real)}, where the trace falls.",
    )


# ---- the map


def map_of(speeds: Mapping[tuple[str, int], float]) -> Scene:
    """Speed of the unpatched copy, % of the disk's, over (machine, share of file pages in %)."""
    machines, shares = list(dict.fromkeys(m for m, _ in speeds)), sorted({share for _, share in speeds})
    rows = [
        (m, [Box(speeds[m, s] / 100, f"{speeds[m, s]:.0f}", {"machine": m, "file_percent": s}) for s in shares])
        for m in machines
    ]
    enough = enough_files(speeds)
    home = machines.index("32 GB"), shares.index(3)
    lowest, highest = min(speeds.values()), max(speeds.values())
    return Scene(
        clause=[
            f"A copy runs at full speed from {enough} % file pages on, whatever the RAM",
            f"It takes {enough} % file pages, not RAM",
        ],
        groups=[
            grid(
                "copy speed, % of what the file disk gives",
                [f"{share} %" for share in shares],
                rows,
                outlines=[Outline(home[0], home[1], home[0], home[1], "the default")],
                corner="file pages",
            )
        ],
        states=STATES,
        alt=f"A table of {len(machines)} machines and {len(shares)} shares of file pages. The speed of the copy goes "
        f"from {lowest:.0f} to {highest:.0f} % of the disk's; from {enough} % file pages on it is {full(speeds):.0f} % "
        "or more on every machine.",
    )


def enough_files(speeds: Mapping[tuple[str, int], float]) -> int:
    """The smallest share of file pages from which on every machine copies at nine tenths of the disk's speed."""
    return min(share for _, share in speeds if all(v >= 90 for (_, s), v in speeds.items() if s >= share))


def full(speeds: Mapping[tuple[str, int], float]) -> float:
    """The slowest speed from there on."""
    return min(value for (_, share), value in speeds.items() if share >= enough_files(speeds))
