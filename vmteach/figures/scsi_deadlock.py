"""Lanes and lock order: who held what when, and the graph that the same tables give.

A column is one step, of one thread. A lane has two rails: the upper one for the queues' locks, the
lower one for the host's. The graph on the right joins lock classes: an arrow goes from the lock that is held
to the lock that is wanted, and names the steps that do so.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from matplotlib.collections import LineCollection
from matplotlib.patches import FancyArrowPatch

from vmteach.figures import Drawing
from vmteach.figures.style import (
    FONT,
    INK,
    NORMAL,
    PREDICTION_COLOUR,
    PREDICTION_LINE,
    QUIET,
    RULE,
    SMALL,
    Look,
    Picture,
    Span,
    Strips,
    number,
)
from vmteach.kernel.threads import Order, Schedule, Stepped, cycle, lock_order
from vmteach.patches.scsi_deadlock import HOST, ONE_LOCK, program
from vmteach.run import Run

COLUMNS = 30  # steps that are shown
ROWS = 2  # runs that are shown, one below the other
LANE, ABOVE, BELOW, GRAPH = 0.52, 0.34, 0.42, 1.55  # inches: a lane, over and under them, the lock order
CYCLE_COLOUR = "#B3261E"
LOCK_LOOKS = {
    "queue": Look("#56B4E9"),
    "host": Look("#E69F00"),
    "one": Look("#009E73", "", INK),
    "waits": Look("#FFFFFF", "////"),
}


def frame_key(run: Run) -> Hashable:
    """How many lanes the picture needs."""
    return int(run.scenario.dispatchers)


def layout(run: Run) -> Picture:
    """Two rows (of runs) with the lanes at the left and the lock order at the right."""
    lanes = run.scenario.dispatchers + 1
    room = max(ABOVE + LANE * lanes + BELOW, GRAPH)  # inches for one run
    picture = Picture(9.6, ROWS * room)
    for row in range(ROWS):
        top = (ROWS - row) * room - ABOVE
        shares = LANE * lanes / picture.height, GRAPH / picture.height
        axes = picture.panel(
            f"lanes {row}",
            (0.045, top / picture.height - shares[0], 0.735, shares[0]),
            xlim=(0, COLUMNS),
            ylim=(-0.5, lanes - 0.5),
            spines="",
        )
        graph_box = (0.8, (top + ABOVE) / picture.height - shares[1], 0.19, shares[1])
        graph = picture.panel(f"order {row}", graph_box, spines="")
        picture.parts[f"row {row}"] = _Row(picture, axes, graph)
    picture.parts["prediction"] = _Prediction(picture, picture.axes["lanes 0"])
    return picture


def fill(picture: Picture, runs: Mapping[str, Run], prediction: Any = None) -> str:
    """Draw the first two runs; the prediction is a number of steps. The alt text tells both schedules.

    Further runs have their verdict in the finding, which then says which two are drawn.
    """
    shown = list(runs.items())[:ROWS]
    for row in range(ROWS):
        picture.parts[f"row {row}"].show(*(shown[row] if row < len(shown) else ("", None)))
    picture.parts["prediction"].show(prediction)
    finding = "; ".join(_verdict(label, run) for label, run in runs.items()) + "."
    if len(runs) > ROWS:
        finding += f" Drawn: {' and '.join(label for label, _ in shown)}."
    picture.finding = finding[0].upper() + finding[1:]
    return " ".join([picture.finding, *(_told(label, run) for label, run in shown)])


class _Prediction:
    """A line at the number of steps that the reader expects, in the first run's lanes."""

    def __init__(self, picture: Picture, axes: Any) -> None:
        self._line = picture.moving(axes.axvline(0, **PREDICTION_LINE))
        self._words = picture.words(axes, 0, -0.98, color=PREDICTION_COLOUR, size=SMALL, va="center")

    def show(self, prediction: Any) -> None:
        """Draw it if it is a number; one beyond the last column stands at the edge."""
        given = isinstance(prediction, int | float) and not isinstance(prediction, bool)
        for artist in (self._line, self._words):
            artist.set_visible(given)
        if given:
            x = min(max(float(prediction), 0.0), COLUMNS - 0.05)
            self._line.set_xdata([x, x])
            self._words.set_position((x, -0.98))
            self._words.set_text(f"your prediction: {number(prediction)} steps")
            self._words.set_horizontalalignment("left" if x < COLUMNS * 0.75 else "right")


def _verdict(label: str, run: Run) -> str:
    """The finding about one run."""
    n = run.numbers
    if n["deadlock"] == "reachable":
        return f"{label}: deadlocked after {n['way to the deadlock (steps)']} steps"
    return f"{label}: no deadlock in any of {number(n['states explored'])} states"


def _told(label: str, run: Run) -> str:
    """The schedule in words."""
    steps = [event for event in run.events if isinstance(event, Stepped)]
    waits = [event for event in run.events[len(steps) :] if not isinstance(event, Stepped)]
    ring = run.numbers["lock-order cycle"]
    order = "the lock order has no cycle" if ring == "none" else f"the lock order has the cycle {ring}"
    if run.numbers["deadlock"] != "reachable":
        return f"{label}, one run: {len(steps)} steps, then every lock is free; {order}."
    told = ", ".join(f"{step.thread} {_short(step.at)} {step.does}" for step in steps)
    ends = ", and ".join(f"{wait.thread} waits for {wait.wants}, which {wait.owner} holds" for wait in waits)
    return f"{label}, shortest way: {told}; then {ends}, for ever; {order}."


# ---- lanes ----


class Bar(NamedTuple):
    """A lock held, or waited for, over some columns; without an `end` for ever."""

    thread: str
    lock: str
    start: int
    end: int | None
    waits_on: str = ""  # the thread that had the lock


def bars(schedule: Schedule) -> Iterator[Bar]:
    """Every stretch in which a thread holds a lock or waits for one, in columns (one for each step taken).

    >>> from vmteach.kernel.threads import Program, replay, thread
    >>> both = Program((thread("A", "+a -a"), thread("B", "+a -a")))
    >>> [tuple(bar) for bar in bars(replay(both, "A B A B".split()))]
    [('A', 'a', 0, 2, ''), ('B', 'a', 1, 2, 'A'), ('B', 'a', 2, None, '')]
    """
    held: dict[tuple[str, str], int] = {}
    waiting: dict[str, tuple[str, int, str]] = {}
    column = 0
    for event in schedule:
        name = event.thread
        if not isinstance(event, Stepped):
            waiting.setdefault(name, (event.wants, column, event.owner))
            continue
        if name in waiting:
            wants, start, owner = waiting.pop(name)
            yield Bar(name, wants, start, column, owner)
        for key in [key for key in held if key[0] == name and key[1] not in event.holds]:
            yield Bar(*key, held.pop(key), column + 1)
        for lock in event.holds:
            held.setdefault((name, lock), column)
        column += 1
    yield from (Bar(*key, start, None) for key, start in held.items())
    yield from (Bar(name, wants, start, None, owner) for name, (wants, start, owner) in waiting.items())


Words = tuple[float, float, str, dict[str, Any]]  # x, y, text, and how it looks


class _Row:
    """The artists of one run: lanes at the left, lock order at the right."""

    def __init__(self, picture: Picture, lanes: Any, graph: Any) -> None:
        self._picture, self._lanes = picture, lanes
        rules = LineCollection([], colors=RULE, linewidths=0.7, zorder=1, clip_on=False)
        lanes.add_collection(rules, autolim=False)
        self._rules = picture.moving(rules)
        no_way_back: dict[str, Any] = {"color": CYCLE_COLOUR, "linestyle": ":", "linewidth": 1.8}
        self._no_way_back = picture.moving(lanes.axvline(0, zorder=3, **no_way_back))
        self._bars = Strips(picture, lanes, LOCK_LOOKS, thickness=0.27, edge=QUIET, edge_width=0.6)
        self._words: list[Any] = []
        self._graph = _Graph(picture, graph)

    def show(self, label: str, run: Run | None) -> None:
        """Draw the run, or nothing."""
        if run is None:
            self._rules.set_segments([])
            self._bars.show([])
            self._write([])
            self._no_way_back.set_visible(False)
            self._graph.show((), "")
            return
        threads = [*(f"R{n}" for n in reversed(range(run.scenario.dispatchers))), "E"]
        lane = {name: y for y, name in enumerate(threads)}
        self._rules.set_segments([[(0, y - 0.5), (COLUMNS, y - 0.5)] for y in range(len(threads) + 1)])
        self._bars.show(_spans(run, lane))
        self._write([*_frame(label, run, lane), *_steps(run, lane)])
        late = run.numbers["no way back after (steps)"]
        self._no_way_back.set(visible=late != "none", xdata=[0 if late == "none" else late] * 2)
        self._graph.show(lock_order(program(run.scenario, run.policy).threads), run.numbers["lock-order cycle"])

    def _write(self, texts: list[Words]) -> None:
        while len(self._words) < len(texts):
            self._words.append(self._picture.words(self._lanes, 0, 0, va="center", zorder=5, clip_on=False))
        plain = {"size": SMALL, "color": INK, "ha": "center", "weight": "normal", "family": FONT}
        for word in self._words[len(texts) :]:
            word.set_visible(False)
        for word, (x, y, text, how) in zip(self._words, texts, strict=False):
            word.set(visible=True, text=text, position=(x, y), **{**plain, **how})


def _spans(run: Run, lane: Mapping[str, int]) -> Iterator[Span]:
    """The bars on their rails: queues' locks above, the host's below."""
    for bar in bars(run.events):
        if bar.start < COLUMNS:
            end = COLUMNS if bar.end is None else min(bar.end, COLUMNS)
            row = lane[bar.thread] + (-0.28 if bar.lock == HOST else 0.03)
            look = "waits" if bar.waits_on else {HOST: "host", ONE_LOCK: "one"}.get(bar.lock, "queue")
            yield Span(row, bar.start, end, look, _on_bar(bar, end - bar.start))


def _on_bar(bar: Bar, columns: int) -> str:
    """What is written on a bar: the more the longer it is."""
    if not bar.waits_on:
        return bar.lock if columns > 6 or bar.lock != ONE_LOCK else "lock"
    if bar.end is None:
        return f"waits for {bar.lock}, which {bar.waits_on} holds, for ever"
    return f"waits for {bar.lock}" if columns > 4 + len(bar.lock) // 3 else "waits"


def _frame(label: str, run: Run, lane: Mapping[str, int]) -> Iterator[Words]:
    """The words around the lanes: the policy and its script, the threads' names, the number of the step."""
    over = len(lane) - 0.2
    taken = sum(isinstance(event, Stepped) for event in run.events)
    cpus = f"{run.scenario.machine.cpus} CPU{'s' * (run.scenario.machine.cpus > 1)}"
    yield 0, over, f"{label}, {cpus}", {"weight": "bold", "ha": "left"}
    yield 9, over, f"E: {run.policy.restart}", {"ha": "left", "color": QUIET, "family": "DejaVu Sans Mono"}
    if run.numbers["no way back after (steps)"] != "none":
        yield COLUMNS, over, "dotted: no way back from here", {"ha": "right", "color": CYCLE_COLOUR}
    elif taken > COLUMNS:
        yield COLUMNS, over, f"and {taken - COLUMNS} more steps, to the end", {"ha": "right", "color": QUIET}
    for name, y in lane.items():
        yield -0.35, y, name, {"ha": "right", "weight": "bold"}
        if name not in {event.thread for event in run.events}:
            yield 0.2, y, "has not arrived yet", {"ha": "left", "color": QUIET}
    for step in (1, *range(5, COLUMNS + 1, 5)):
        yield step - 0.5, -0.66, "step 1" if step == 1 else str(step), {"size": SMALL - 1, "color": QUIET}


def _steps(run: Run, lane: Mapping[str, int]) -> Iterator[Words]:
    """The name of each step that is shown, over its column."""
    steps = [event for event in run.events if isinstance(event, Stepped)]
    for column, step in enumerate(steps[:COLUMNS]):
        yield column + 0.5, lane[step.thread] + 0.33, _short(step.at), {"size": SMALL - 1}
    if run.numbers["deadlock"] != "reachable" and len(steps) < COLUMNS - 3:
        yield len(steps) + 0.4, lane[steps[-1].thread], "all locks free", {"ha": "left", "color": QUIET}


def _short(at: str) -> str:
    """The row without its disk: the lock's name says which disk it is.

    >>> _short("E4.0"), _short("E6.1 R5b")
    ('E4', 'R5b')
    """
    return at.split()[-1].split(".")[0]


# ---- lock order ----


class _Graph:
    """Two classes of locks and an arrow for each order in which they nest."""

    def __init__(self, picture: Picture, axes: Any) -> None:
        self._nodes = [
            picture.words(axes, x, 0.55, size=NORMAL, weight="bold", ha="center", va="center", zorder=4)
            for x in (0.14, 0.86)
        ]
        self._arrows, self._labels = [], []
        for sign in (1, -1):
            ends = ((0.21, 0.55 + 0.07 * sign), (0.79, 0.55 + 0.07 * sign))
            arrow = FancyArrowPatch(
                *ends[::sign],
                connectionstyle="arc3,rad=-0.35",
                arrowstyle="-|>",
                mutation_scale=12,
                transform=axes.transData,
                zorder=3,
            )
            axes.add_patch(arrow)
            self._arrows.append(picture.moving(arrow))
            self._labels.append(
                picture.words(axes, 0.5, 0.55 + 0.34 * sign, size=SMALL, ha="center", va="center", zorder=4)
            )
        self._verdict = picture.words(axes, 0.5, 0.0, size=SMALL, ha="center", va="bottom")

    def show(self, orders: Iterable[Order], ring: str) -> None:
        """Draw these orders, by lock class; nothing where `ring` is empty."""
        orders = tuple(orders)
        rows: dict[tuple[str, str], set[str]] = {}
        for order in orders:
            rows.setdefault((_class(order.held), _class(order.wanted)), set()).add(_short(order.at))
        inverted = bool(cycle(orders))
        colour, width = (CYCLE_COLOUR, 2.2) if inverted else (INK, 1.2)
        for node, name, look in zip(self._nodes, ("Q", HOST), ("queue", "host"), strict=True):
            node.set(text=name, visible=bool(rows))
            node.set_bbox({"boxstyle": "circle,pad=0.35", "facecolor": LOCK_LOOKS[look].colour, "edgecolor": QUIET})
        for arrow, label, pair in zip(self._arrows, self._labels, (("Q", HOST), (HOST, "Q")), strict=True):
            arrow.set(visible=pair in rows, color=colour, linewidth=width)
            steps = ", ".join(sorted(rows.get(pair, ())))
            label.set(visible=pair in rows, color=colour, text=f"{pair[0]} held, {pair[1]} wanted: {steps}")
        words = f"cycle: {ring}" if inverted else "no cycle" if rows else "one lock: no order"
        self._verdict.set(text=words if ring else "", color=colour, weight="bold" if inverted else "normal")


def _class(lock: str) -> str:
    """The lock's class: the locks of all queues are one."""
    return lock.rstrip("0123456789")


# ---- the map ----

REACH_LOOKS = {"deadlock": Look("#E69F00", "//"), "none": Look("#F4F4F4")}


def reach(runs: Mapping[str, Mapping[tuple[int, int], Run]]) -> Drawing:
    """The map: for each policy, over CPUs and dispatchers, whether a deadlock can be reached.

    `runs` maps a policy's label to {(cpus, dispatchers): run}, as `scsi_deadlock.over_cpus` makes it.
    """
    cpus, dispatchers = (sorted({where[i] for cells in runs.values() for where in cells}) for i in (0, 1))
    picture = Picture(9.6, 2.6)
    share = 0.94 / len(runs)
    for column, (label, cells) in enumerate(runs.items()):
        axes = picture.panel(
            label,
            (0.055 + column * share, 0.19, share - 0.02, 0.68),
            xlim=(0, len(cpus)),
            ylim=(-0.5, len(dispatchers) - 0.5),
            xlabel="CPUs (in the cells: states searched)",
            ylabel="" if column else "dispatchers",
            xticks={i + 0.5: str(n) for i, n in enumerate(cpus)},
            yticks={} if column else {y: str(n) for y, n in enumerate(dispatchers)},
            heading=label,
            spines="",
        )
        Strips(picture, axes, REACH_LOOKS, thickness=0.92).show(
            Span(dispatchers.index(d), cpus.index(c), cpus.index(c) + 1, *_cell(run)) for (c, d), run in cells.items()
        )
    found = {label: [where for where, run in cells.items() if _hangs(run)] for label, cells in runs.items()}
    finding = "; ".join(_where(label, cells, len(runs[label])) for label, cells in found.items())
    picture.finding = f"A deadlock can be reached: {finding}."
    numbers = {
        label: {f"{c} CPUs, {d} dispatchers": "deadlock" if _hangs(run) else "none" for (c, d), run in cells.items()}
        for label, cells in runs.items()
    }
    alt = f"{picture.finding} In the other cells every state was searched; none is a deadlock."
    return Drawing(picture, alt, numbers)


def _hangs(run: Run) -> bool:
    return bool(run.numbers["deadlock"] == "reachable")


def _cell(run: Run) -> tuple[str, str]:
    """The look of a cell and the word in it: the verdict, or how many states were searched in vain."""
    return ("deadlock", "deadlock") if _hangs(run) else ("none", number(run.numbers["states explored"]))


def _where(label: str, cells: list[tuple[int, int]], of: int) -> str:
    """In how many cells there is a deadlock, and from where on."""
    if not cells:
        return f"{label}, nowhere"
    cpus, dispatchers = (min(cell[i] for cell in cells) for i in (0, 1))
    return f"{label}, in {len(cells)} of {of} cells (CPUs from {cpus}, dispatchers from {dispatchers})"
