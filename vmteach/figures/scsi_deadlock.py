"""Lanes and locks: who held what when, and how two threads come to wait for each other.

A column is one step, of one thread. A lane has two rails: the upper one for the queues' locks, the lower one for the
host's. The story shows the same steps as two scripts and as the graph of who holds and who waits.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

from matplotlib.collections import LineCollection
from matplotlib.patches import FancyArrowPatch

from vmteach.figures import Drawing
from vmteach.figures.lanes import Bar, bars
from vmteach.figures.scene import Group, Link, Mark, Scene, Stay, axis, lanes, nodes, prediction, script
from vmteach.figures.story import Ask, Frame, Story
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
)
from vmteach.figures.words import number
from vmteach.kernel.threads import END, Order, Stepped, Thread, Waited, cycle, lock_order
from vmteach.patches.scsi_deadlock import HOST, ONE_LOCK, PATCHED, POLICIES, UNPATCHED, Scenario, program, simulate
from vmteach.run import Run

COLUMNS = 40  # steps that are shown
STATES = {
    "Q": ("a queue's lock", "data"),
    "H": ("the host's lock", "attention"),
    "O": ("the one lock", "done"),
    "W": (["waits", ""], "waits"),
    "X": (["waits for ever", ""], "blocked"),
}


def scene(run: Run) -> Scene:
    """The run in lanes; at a deadlock the graph of who holds and who waits."""
    n = run.numbers
    taken = sum(isinstance(event, Stepped) for event in run.events)
    stuck = n["deadlock"] == "reachable"
    steps = axis("step", 0, min(taken + 2 * stuck, COLUMNS), "step")
    threads = [(thread.name, _role(thread.name, run)) for thread in program(run.scenario, run.policy).threads]
    stays = [_stay(bar, run) for bar in bars(run.events) if bar.start < COLUMNS]
    late = n["no way back after (steps)"]
    marks = [] if late == "none" else [Mark(late, ["no way back from here", "no way back"], "alert")]
    picture = lanes("steps", threads, stays, steps, marks, ["queue", "host"])
    graph, links = _graph(run) if stuck else ((), ())
    more = taken - COLUMNS
    return Scene(
        clause=_clauses(run),
        groups=[picture, *graph],
        states=STATES,
        links=links,
        numbers=_numbers(run),
        note=f"{more} more steps follow, then every lock is free." if more > 0 else "",
        alt=_told(run),
    )


def predicted(value: object) -> dict[str, object] | None:
    """A predicted number of steps, as a line in the lanes."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return prediction("step", float(value), [f"your prediction: {number(value)} steps", f"you: {number(value)}"])


def _clauses(run: Run) -> list[str]:
    n = run.numbers
    if n["deadlock"] == "reachable":
        return [f"deadlocks after {n['way to the deadlock (steps)']} steps"]
    states = number(n["states explored"])
    return [f"has no deadlock in any of {states} states", "cannot deadlock"]


def _numbers(run: Run) -> dict[str, str]:
    n = run.numbers
    way = n["way to the deadlock (steps)"]
    return {
        "deadlock": "impossible" if way == "none" else f"after {way} steps",
        "states explored": number(n["states explored"]),
        "lock order": "no cycle" if n["lock-order cycle"] == "none" else n["lock-order cycle"],
        "disks left waiting": number(n["disks left waiting (worst end)"]),
    }


def _told(run: Run) -> str:
    """The schedule in words."""
    taken = [event for event in run.events if isinstance(event, Stepped)]
    waits = [event for event in run.events[len(taken) :] if isinstance(event, Waited)]
    ring = run.numbers["lock-order cycle"]
    order = "the lock order has no cycle" if ring == "none" else f"the lock order has the cycle {ring}"
    if run.numbers["deadlock"] != "reachable":
        return f"One run: {len(taken)} steps, then every lock is free; {order}."
    steps = ", ".join(f"{step.thread} {_short(step.at)} {step.does}" for step in taken)
    ends = ", and ".join(f"{wait.thread} waits for {wait.wants}, which {wait.owner} holds" for wait in waits)
    return f"The shortest way: {steps}; then {ends}, for ever; {order}."


def _role(name: str, run: Run) -> str:
    if name == "E":
        return f"error recovery: {run.policy.restart}"
    return f"dispatches disk {int(name[1:]) % run.scenario.disks}"


# ---- lanes ----


def _stay(bar: Bar, run: Run) -> Stay:
    """The bar on its rail: queues' locks above, the host's below."""
    rail = int(bar.lock == HOST)
    if not bar.waits_on:
        state = {HOST: "H", ONE_LOCK: "O"}.get(bar.lock, "Q")
        return Stay(bar.thread, rail, state, bar.start, bar.end, [bar.lock, "lock"] if len(bar.lock) > 4 else bar.lock)
    words = [f"waits for {bar.lock}, which {bar.waits_on} holds", f"waits for {bar.lock}", "waits"]
    return Stay(bar.thread, rail, "X" if bar.end is None else "W", bar.start, bar.end, words)


def _graph(run: Run) -> tuple[list[Group], list[Link]]:
    """The last state: who holds what, and who waits for whom."""
    held: dict[str, tuple[str, ...]] = {}
    waits: dict[str, str] = {}
    for event in run.events:
        if isinstance(event, Stepped):
            held[event.thread] = event.holds
        else:
            waits[event.thread] = event.wants
    return [_nodes(run)], _links(held, waits)


def _nodes(run: Run) -> Group:
    return nodes("locks", [thread.name for thread in program(run.scenario, run.policy).threads], _locks(run))


def _locks(run: Run) -> list[str]:
    """The locks that the threads take, the queues' first."""
    rows = (step.take for thread in program(run.scenario, run.policy).threads for step in thread.steps)
    return sorted({lock for lock in rows if lock}, key=lambda lock: (lock == HOST, lock))


def _links(held: Mapping[str, tuple[str, ...]], waits: Mapping[str, str]) -> list[Link]:
    holds = [Link(thread, "holds", lock) for thread, locks in held.items() for lock in locks]
    return [*holds, *(Link(thread, "waits", lock) for thread, lock in waits.items())]


def _short(at: str) -> str:
    """A row's name without the disk, where there is but one."""
    return at.replace(".0", "")


# ---- the story ----

STORIES = {"The way into the deadlock": Scenario()}
HEADS = {"E": ["error recovery ends", "recovery"], "R": ["sends commands to its disk", "sends commands"]}
SHORT = {  # for a narrow column
    "disk 0 blocked, or nothing queued?": "nothing to do?",
    "host full? if not, count the command": "count the command",
    "host full or disk blocked?": "host full?",
    "dequeue a command": "dequeue",
    "dispatch the queue": "dispatch",
    "unlock Q0, send": "unlock Q0",
}
ASK = Ask(
    "Can any order of the steps that are left save the unpatched kernel?",
    ["yes", "no"],
    1,
    "R0 holds Q0 and will ask for H. E holds H and will ask for Q0. Neither gives anything back before.",
    ["Look at the next lock that each of them asks for.", ""],
)


def story(case: Scenario) -> Story:
    """Both kernels on the same turns."""
    runs = {label: simulate(case, POLICIES[label]) for label in (UNPATCHED, PATCHED)}
    count = case.dispatchers + 1
    title = f"{count} threads, {case.disks + 1} locks" if count != 2 or case.disks > 1 else "two threads, two locks"
    return Story(title, {}, {}, {label: frames(run) for label, run in runs.items()})


def frames(run: Run) -> list[Frame]:
    """One frame an event: scripts, and the graph of who holds and who waits.

    >>> frames(simulate(policy=POLICIES[UNPATCHED]))[-1].say
    'E wants Q0. R0 holds it. A ring: deadlock.'
    """
    return list(_Told(run).frames())


class _Told:
    """The events of a run as frames; holds what stands between two of them."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.threads = program(run.scenario, run.policy).threads
        self.scripts = {thread.name: _lines(thread) for thread in self.threads}
        self.nexts = {thread.name: [e.at for e in run.events if e.thread == thread.name] for thread in self.threads}
        self.turns: Counter[str] = Counter()
        self.held: dict[str, tuple[str, ...]] = {}
        self.waits: dict[str, str] = {}

    def frames(self) -> Iterator[Frame]:
        late = self.run.numbers["no way back after (steps)"]
        stuck = self.run.numbers["deadlock"] == "reachable"
        yield self._frame("The recovery is about to end. Nothing is locked.", "start")
        for n, event in enumerate(self.run.events, 1):
            if isinstance(event, Waited) and event.thread in self.waits:
                self.turns[event.thread] += 1
                continue  # no news: it waits as before
            say = self._happens(event)
            last = n == len(self.run.events)
            key = f"{event.thread} {self.turns[event.thread]}"
            if last and stuck:
                note = "Deadlock. Neither can ever go on."
                yield self._frame(f"{say} A ring: deadlock.", key, "both wait", end="bad", note=note)
            elif last:
                yield self._frame(say, key, "all locks free", end="good", note="No ring: every lock is free again.")
            elif stuck and n == late:
                yield self._frame(say, key, "no way back", ask=ASK)
            else:
                yield self._frame(say, key)

    def _happens(self, event: Stepped | Waited) -> str:
        """Take the event in, and say it."""
        name = event.thread
        if isinstance(event, Waited):
            self.waits[name] = event.wants
            self.turns[name] += 1
            return f"{name} wants {event.wants}. {event.owner} holds it."
        before, now = self.held.get(name, ()), event.holds
        self.held[name] = now
        waited = self.waits.pop(name, None)
        self.turns[name] += 1
        if got := set(now) - set(before):
            return f"{name} {'gets' if waited else 'locks'} {got.pop()}."
        if gone := set(before) - set(now):
            return f"{name} unlocks {gone.pop()}."
        return f"{name} checks: {event.does}" if event.does.endswith("?") else f"{name}: {event.does}."

    def _frame(self, say: str, key: str, mark: str = "", **more: object) -> Frame:
        groups = {name: self._script(name) for name in self.scripts} | {"locks": _nodes(self.run)}
        links = _links(self.held, self.waits)
        return Frame(say, groups, key, links=links, mark=mark, **more)  # type: ignore[arg-type]

    def _script(self, name: str) -> Group:
        """A thread's lines, and the one that comes next."""
        lines = self.scripts[name]
        ahead = self.nexts[name][self.turns[name] - (name in self.waits) :]
        at = list(lines).index(_line(ahead[0])) if ahead else len(lines)
        told = [(row, [says, SHORT[says]] if says in SHORT else says) for row, says in lines.items()]
        return script(name, told, at, name in self.waits, HEADS[name[0]])


def _line(at: str) -> str:
    """The line that a row stands in: what dispatches a queue within E is one line."""
    return _short(at.split(" ")[0])


def _lines(thread: Thread) -> dict[str, str]:
    """A thread's script: a line a row; the rows of a dispatch within E are one line."""
    lines: dict[str, str] = {}
    for step in thread.steps:
        if step.at != END:
            lines.setdefault(_line(step.at), "dispatch the queue" if " " in step.at else step.says)
    return lines


# ---- the bitmap of today, until the explorer draws scenes ----

OLD_COLUMNS = 30  # steps that are shown
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
            xlim=(0, OLD_COLUMNS),
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
    return " ".join([picture.finding, *(_alt(label, run) for label, run in shown)])


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
            x = min(max(float(prediction), 0.0), OLD_COLUMNS - 0.05)
            self._line.set_xdata([x, x])
            self._words.set_position((x, -0.98))
            self._words.set_text(f"your prediction: {number(prediction)} steps")
            self._words.set_horizontalalignment("left" if x < OLD_COLUMNS * 0.75 else "right")


def _verdict(label: str, run: Run) -> str:
    """The finding about one run."""
    n = run.numbers
    if n["deadlock"] == "reachable":
        return f"{label}: deadlocked after {n['way to the deadlock (steps)']} steps"
    return f"{label}: no deadlock in any of {number(n['states explored'])} states"


def _alt(label: str, run: Run) -> str:
    """The schedule in words."""
    steps = [event for event in run.events if isinstance(event, Stepped)]
    waits = [event for event in run.events[len(steps) :] if not isinstance(event, Stepped)]
    ring = run.numbers["lock-order cycle"]
    order = "the lock order has no cycle" if ring == "none" else f"the lock order has the cycle {ring}"
    if run.numbers["deadlock"] != "reachable":
        return f"{label}, one run: {len(steps)} steps, then every lock is free; {order}."
    told = ", ".join(f"{step.thread} {_brief(step.at)} {step.does}" for step in steps)
    ends = ", and ".join(f"{wait.thread} waits for {wait.wants}, which {wait.owner} holds" for wait in waits)
    return f"{label}, shortest way: {told}; then {ends}, for ever; {order}."


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
        self._rules.set_segments([[(0, y - 0.5), (OLD_COLUMNS, y - 0.5)] for y in range(len(threads) + 1)])
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
        if bar.start < OLD_COLUMNS:
            end = OLD_COLUMNS if bar.end is None else min(bar.end, OLD_COLUMNS)
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
        yield OLD_COLUMNS, over, "dotted: no way back from here", {"ha": "right", "color": CYCLE_COLOUR}
    elif taken > OLD_COLUMNS:
        yield OLD_COLUMNS, over, f"and {taken - OLD_COLUMNS} more steps, to the end", {"ha": "right", "color": QUIET}
    for name, y in lane.items():
        yield -0.35, y, name, {"ha": "right", "weight": "bold"}
        if name not in {event.thread for event in run.events}:
            yield 0.2, y, "has not arrived yet", {"ha": "left", "color": QUIET}
    for step in (1, *range(5, OLD_COLUMNS + 1, 5)):
        yield step - 0.5, -0.66, "step 1" if step == 1 else str(step), {"size": SMALL - 1, "color": QUIET}


def _steps(run: Run, lane: Mapping[str, int]) -> Iterator[Words]:
    """The name of each step that is shown, over its column."""
    steps = [event for event in run.events if isinstance(event, Stepped)]
    for column, step in enumerate(steps[:OLD_COLUMNS]):
        yield column + 0.5, lane[step.thread] + 0.33, _brief(step.at), {"size": SMALL - 1}
    if run.numbers["deadlock"] != "reachable" and len(steps) < OLD_COLUMNS - 3:
        yield len(steps) + 0.4, lane[steps[-1].thread], "all locks free", {"ha": "left", "color": QUIET}


def _brief(at: str) -> str:
    """The row without its disk: the lock's name says which disk it is.

    >>> _brief("E4.0"), _brief("E6.1 R5b")
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
            rows.setdefault((_class(order.held), _class(order.wanted)), set()).add(_brief(order.at))
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
