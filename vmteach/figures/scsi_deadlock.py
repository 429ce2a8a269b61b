"""Lanes and locks: who held what when, and how two threads come to wait for each other.

A column is one step, of one thread. A lane has two rails: the upper one for the queues' locks, the lower one for the
host's. The story shows the same steps as two scripts and as the graph of who holds and who waits.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from vmteach.figures.data import Group
from vmteach.figures.lanes import Bar, bars
from vmteach.figures.scene import Link, Mark, Scene, Stay, axis, lanes, nodes, prediction, script
from vmteach.figures.story import Ask, Frame, Story, tracks
from vmteach.figures.words import number
from vmteach.kernel.threads import END, Stepped, Thread, Waited
from vmteach.patches import scsi_deadlock as model
from vmteach.patches.scsi_deadlock import HOST, ONE_LOCK, Scenario, program
from vmteach.run import Record, Run, of_kind

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
        alt=_words(run),
    )


def predicted(value: float) -> Record:
    """A predicted number of steps, as a line in the lanes."""
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


def _words(run: Run) -> str:
    """The schedule in words."""
    taken = of_kind(run.events, Stepped)
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
    held = {event.thread: event.holds for event in run.events if isinstance(event, Stepped)}
    waits = {event.thread: event.wants for event in run.events if isinstance(event, Waited)}
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
    "host full? if not, count the command": "count it",
    "host full or disk blocked?": "host full?",
    "dequeue a command": "dequeue",
    "dispatch the queue": "dispatch",
    "unlock Q0, send": "unlock Q0",
    "none of its own out? mark starved": "mark starved",
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
    count = case.dispatchers + 1
    title = f"{count} threads, {case.disks + 1} locks" if count != 2 or case.disks > 1 else "two threads, two locks"
    return Story(title, {}, {}, tracks(model, frames, case))


def frames(run: Run) -> list[Frame]:
    """One frame an event: scripts, and the graph of who holds and who waits.

    >>> frames(model.simulate(policy=model.POLICIES[model.UNPATCHED]))[-1].say
    'E wants Q0. R0 holds it. A ring: deadlock.'
    """
    return list(_Told(run).frames())


STUCK = {"mark": "both wait", "end": "bad", "note": "Deadlock. Neither can ever go on."}
FREE = {"mark": "all locks free", "end": "good", "note": "No ring: every lock is free again."}


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
            say, key = self._happens(event), f"{event.thread} {self.turns[event.thread]}"
            if n == len(self.run.events):
                yield self._frame(f"{say} A ring: deadlock." if stuck else say, key, **(STUCK if stuck else FREE))
            elif stuck and n == late:
                yield self._frame(say, key, mark="no way back", ask=ASK)
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
        return f"{name} {_does(event.does)}"

    def _frame(self, say: str, key: str, **more: Any) -> Frame:
        groups = {name: self._script(name) for name in self.scripts} | {"locks": _nodes(self.run)}
        links = _links(self.held, self.waits)
        return Frame(say, groups, key, links=links, **more)

    def _script(self, name: str) -> Group:
        """A thread's lines, and the one that comes next."""
        lines = self.scripts[name]
        ahead = self.nexts[name][self.turns[name] - (name in self.waits) :]
        at = list(lines).index(_line(ahead[0])) if ahead else len(lines)
        written = [(row, [says, SHORT[says]] if says in SHORT else says) for row, says in lines.items()]
        return script(name, written, at, name in self.waits, HEADS[name[0]])


def _does(says: str) -> str:
    """What a line of a script says, as something that a thread does.

    >>> _does("dequeue a command"), _does("host full?")
    ('dequeues a command.', 'checks: host full?')
    """
    if "?" in says:
        return f"checks: {says}" + "." * (not says.endswith("?"))
    verb, _, rest = says.partition(" ")
    return f"{verb}{'es' if verb.endswith('ch') else 's'} {rest}."


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
