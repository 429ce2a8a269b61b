"""Threads as tables of atomic steps: every interleaving is walked, and the shortest bad one is kept.

A thread is a table. A row takes or gives one lock, changes the shared data, or jumps. A state says at
which row each thread stands, which locks it holds, and what the data are. `explore` visits every state that
any order of the threads' steps can reach, nearest first: what it does not find does not exist, and
what it finds is found by the fewest steps. `lock_order` reads the same tables without running them.

left out    priorities, fairness, sleeping on an event, memory that becomes visible late
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Any, NamedTuple

Data = Any  # what the threads share: hashable, and known to their steps alone
END = "end"  # where a thread stands that has no step left


class Step(NamedTuple):
    """One atomic step of a thread: a row of its table.

    The lock comes first: a row that takes a lock waits until no thread holds it. Then, if `when` holds of the
    data, the thread jumps to the row `goto` and that is all; if not, `do` gives the new data and the next row
    follows. A `goto` without `when` always jumps. Before a row that `rests` the thread needs no CPU.
    """

    at: str  # the row's name, unique in its thread
    does: str = ""  # in words; left empty, the lock that is taken or given
    take: str = ""
    give: str = ""
    do: Callable[[Data], Data] | None = None
    when: Callable[[Data], bool] | None = None
    goto: str = ""
    rests: bool = False

    @property
    def says(self) -> str:
        """What the step does, in words.

        >>> Step("R4", take="H").says
        'lock H'
        """
        return self.does or (f"lock {self.take}" if self.take else f"unlock {self.give}" if self.give else "")


class Thread(NamedTuple):
    """A name and its table."""

    name: str
    steps: tuple[Step, ...]


class State(NamedTuple):
    """Where each thread stands, the locks that each holds in the order taken, and the shared data."""

    at: tuple[str, ...]
    held: tuple[tuple[str, ...], ...]
    data: Data


class Stepped(NamedTuple):
    """One step was taken; `holds` are the thread's locks after it, `locks` those of all threads."""

    thread: str
    at: str
    does: str
    holds: tuple[str, ...]
    locks: str


class Waited(NamedTuple):
    """A thread had its turn and could not go on: `owner` held the lock that it wanted."""

    thread: str
    at: str
    wants: str
    owner: str


class Order(NamedTuple):
    """The thread held one lock while it wanted the other, at this row."""

    held: str
    wanted: str
    thread: str
    at: str


Schedule = tuple[Stepped | Waited, ...]


def thread(name: str, script: str) -> Thread:
    """A thread from a script of locks: "+a" takes a, "-a" gives it, any other word does nothing.

    >>> [step.says for step in thread("A", "+a look -a").steps]
    ['lock a', 'look', 'unlock a']
    """

    def row(number: int, word: str) -> Step:
        at, lock = str(number), word[1:]
        return Step(at, take=lock) if word[0] == "+" else Step(at, give=lock) if word[0] == "-" else Step(at, word)

    return Thread(name, tuple(row(number, word) for number, word in enumerate(script.split(), 1)))


# ---- reading the tables without running them ----


def held_before(thread: Thread) -> dict[str, set[tuple[str, ...]]]:
    """The locks that the thread may hold before each row, whatever the data say: a tuple for each way there.

    >>> held_before(thread("A", "+a +b -b -a"))["3"]
    {('a', 'b')}
    """
    rows = {step.at: (step, after) for step, after in zip(thread.steps, _followers(thread.steps))}
    before: dict[str, set[tuple[str, ...]]] = {}
    to_visit: list[tuple[str, tuple[str, ...]]] = [(thread.steps[0].at, ())]
    while to_visit:
        at, held = to_visit.pop()
        if held in before.setdefault(at, set()):
            continue
        before[at].add(held)
        if at == END or rows[at][0].take in held:  # a lock taken twice: nobody gets past here
            continue
        step, following = rows[at]
        held = _held_after(thread.name, step, held)
        nexts = {step.goto or following} | ({following} if step.when else set())
        to_visit += [(nxt, held) for nxt in sorted(nexts)]
    return before


def _followers(steps: tuple[Step, ...]) -> list[str]:
    """The row below each row."""
    return [step.at for step in steps[1:]] + [END]


def _held_after(name: str, step: Step, held: tuple[str, ...]) -> tuple[str, ...]:
    """The locks held after the step."""
    if step.take:
        return (*held, step.take)
    if step.give and step.give not in held:
        raise ValueError(
            f"thread {name} must hold {step.give} before it gives it at {step.at}, got {held or 'no lock'}"
        )
    return tuple(lock for lock in held if lock != step.give) if step.give else held


def interruptible(thread: Thread) -> Thread:
    """The same thread, resting wherever it holds no lock: with no spin lock held, interrupts are on.

    >>> [step.rests for step in interruptible(thread("A", "+a -a look")).steps]
    [True, False, True]
    """
    before = held_before(thread)
    steps = (step._replace(rests=before.get(step.at, {()}) == {()}) for step in thread.steps)
    return Thread(thread.name, tuple(steps))


def lock_order(threads: Iterable[Thread]) -> frozenset[Order]:
    """Each "holds one lock while it wants another" that the tables contain, whatever the data say.

    >>> sorted(lock_order([thread("A", "+a +b -b -a")]))
    [Order(held='a', wanted='b', thread='A', at='2')]
    """
    return frozenset(
        Order(lock, step.take, each.name, step.at)
        for each in threads
        for step in each.steps
        if step.take
        for held in held_before(each).get(step.at, ())
        for lock in held
    )


def cycle(orders: Iterable[Order]) -> tuple[str, ...]:
    """A ring of locks in which each is held while the next is wanted; empty if there is none.

    >>> cycle(lock_order([thread("A", "+a +b -b -a"), thread("B", "+b +a -a -b")]))
    ('a', 'b', 'a')
    """
    held_for: dict[str, list[str]] = {}
    for held, wanted in sorted({(order.held, order.wanted) for order in orders}):
        held_for.setdefault(wanted, []).append(held)
    try:
        TopologicalSorter(held_for).prepare()
    except CycleError as error:
        ring = error.args[1][:-1]
        first = ring.index(min(ring))
        return (*ring[first:], *ring[: first + 1])
    return ()


# ---- running them ----


@dataclass(frozen=True)
class Program:
    """Threads that run at once on some CPUs over shared data.

    A thread takes a CPU with its first step and keeps it to its end, except before rows that rest; a thread
    that waits for a lock spins, and keeps its CPU. With `cpus` None nobody ever lacks one.

    >>> program = Program((thread("A", "+a -a"), thread("B", "+a -a")))
    >>> [(i, state.at) for i, state in program.moves(program.start)]
    [(0, ('2', '1')), (1, ('1', '2'))]
    """

    threads: tuple[Thread, ...]
    data: Data = None  # hashable; steps return a new one
    cpus: int | None = None

    def __post_init__(self) -> None:
        names = [each.name for each in self.threads]
        if len(set(names)) < len(names) or not names:
            raise ValueError(f"threads must be one or more with names of their own, got {names}")
        if self.cpus is not None and self.cpus < 1:
            raise ValueError(f"cpus must be 1 or more, or None for one a thread, got {self.cpus}")
        for each in self.threads:
            _check(each)

    @cached_property
    def _tables(self) -> tuple[dict[str, tuple[Step, str, bool]], ...]:
        """For each thread: row name -> the row, the row below, and whether it is on a CPU before the row."""
        return tuple(
            {
                step.at: (step, below, not step.rests and step is not each.steps[0])
                for step, below in zip(each.steps, _followers(each.steps))
            }
            for each in self.threads
        )

    @property
    def start(self) -> State:
        """The state before the first step: no thread has arrived, no lock is held."""
        return State(tuple(each.steps[0].at for each in self.threads), ((),) * len(self.threads), self.data)

    def moves(self, state: State) -> Iterator[tuple[int, State]]:
        """Each thread (by its number) that can take a step now, and the state after that step."""
        taken = {lock for locks in state.held for lock in locks}
        for i, step, below in self._running(state.at):
            if step.take not in taken:
                yield i, self._after(i, step, below, state)

    def _running(self, at: tuple[str, ...]) -> list[tuple[int, Step, str]]:
        """The threads that have not ended and have a CPU or find one idle: number, row, and the row below."""
        rows = [table.get(label) for table, label in zip(self._tables, at)]
        idle = self.cpus is None or self.cpus > sum(row[2] for row in rows if row)
        return [(i, row[0], row[1]) for i, row in enumerate(rows) if row and (idle or row[2])]

    def spins(self, state: State, i: int) -> bool:
        """Whether thread i has a CPU, or finds one idle, and can only wait on it for a lock.

        >>> both = Program((thread("A", "+a -a"), thread("B", "+a -a")), cpus=2)
        >>> [both.spins(state, 1) for i, state in both.moves(both.start)]
        [True, False]
        """
        return any(j == i and self.owner(state, step.take) is not None for j, step, _ in self._running(state.at))

    def _after(self, i: int, step: Step, below: str, state: State) -> State:
        """The state after thread i took this step."""
        at, held, data = state
        if step.take or step.give:
            held = (*held[:i], _held_after(self.threads[i].name, step, held[i]), *held[i + 1 :])
        if step.when is None:
            below = step.goto or below
        elif step.when(data):
            return State((*at[:i], step.goto, *at[i + 1 :]), held, data)
        return State((*at[:i], below, *at[i + 1 :]), held, step.do(data) if step.do else data)

    def wants(self, i: int, at: str) -> str:
        """The lock that thread i takes next when it stands at this row; empty if none."""
        row = self._tables[i].get(at)
        return row[0].take if row else ""

    def owner(self, state: State, lock: str) -> int | None:
        """The number of the thread that holds the lock."""
        return next((i for i, held in enumerate(state.held) if lock in held), None)

    def stuck(self, state: State) -> tuple[int, ...]:
        """The threads that can never go on: each waits for one that never gives, directly or in a ring.

        >>> program = Program((thread("A", "+a +a"),))
        >>> [program.stuck(state) for i, state in program.moves(program.start)]
        [(0,)]
        """
        taken_by = {lock: i for i, held in enumerate(state.held) for lock in held}
        waits = {i: taken_by.get(self.wants(i, at)) for i, at in enumerate(state.at)}

        def never(i: int) -> bool:
            seen: set[int] = set()
            while i not in seen:
                seen.add(i)
                holder = waits[i]
                if holder is None:
                    return False
                if state.at[holder] == END:
                    return True
                i = holder
            return True

        return tuple(i for i in waits if waits[i] is not None and never(i))

    def finished(self, state: State) -> bool:
        """Whether every thread has come to its end."""
        return all(label == END for label in state.at)


def _check(thread: Thread) -> None:
    """Raise ValueError for a table that does not hang together."""
    rows = [step.at for step in thread.steps]
    if not rows or len(set(rows)) < len(rows) or END in rows:
        raise ValueError(
            f"thread {thread.name} must have rows with names of their own, none called {END!r}, got {rows}"
        )
    for step in thread.steps:
        if step.goto not in ("", END, *rows):
            raise ValueError(
                f"goto of {thread.name} at {step.at} must be one of its rows or {END!r}, got {step.goto!r}"
            )
        if (step.take and step.give) or (step.when and not step.goto):
            raise ValueError(f"{thread.name} at {step.at} must take or give one lock, and goto where it has a `when`")
    held_before(thread)


def replay(program: Program, turns: Iterable[str], onward: bool = False) -> Schedule:
    """What happens when the threads get the CPU in this order; names may repeat.

    A turn of a thread that spins is a `Waited`; of one that has ended, or finds no idle CPU, nothing.
    With `onward` every thread then gets a turn, round after round, until none can move.

    >>> program = Program((thread("A", "+a -a"), thread("B", "+a -a")))
    >>> [type(event).__name__ for event in replay(program, "A B A B".split())]
    ['Stepped', 'Waited', 'Stepped', 'Stepped']
    """
    numbers = {each.name: i for i, each in enumerate(program.threads)}
    state, events = program.start, []
    for name in turns:
        if name not in numbers:
            raise ValueError(f"turns must name the threads {', '.join(numbers)}, got {name!r}")
        state, happened = _turn(program, state, numbers[name])
        events += happened
    while onward and any(program.moves(state)):
        for i in numbers.values():
            state, happened = _turn(program, state, i)
            events += happened
    return tuple(events)


def _turn(program: Program, state: State, i: int) -> tuple[State, list[Stepped | Waited]]:
    """Thread i gets one turn: the state after it, and what happened."""
    name, at = program.threads[i].name, state.at[i]
    after = dict(program.moves(state)).get(i)
    if after is not None:
        says = next(step.says for step in program.threads[i].steps if step.at == at)
        return after, [Stepped(name, at, says, after.held[i], _locks(program, after))]
    wants = program.wants(i, at)
    holder = program.owner(state, wants)
    if holder is None or not program.spins(state, i):
        return state, []
    return state, [Waited(name, at, wants, program.threads[holder].name)]


def _locks(program: Program, state: State) -> str:
    """Who holds what, for a reader."""
    pairs = zip(program.threads, state.held)
    return "  ".join(f"{each.name}: {'+'.join(held)}" for each, held in pairs if held) or "-"


# ---- every order ----


@dataclass(frozen=True)
class Explored:
    """All that any order of the steps can lead to."""

    program: Program
    states: int  # different states that can be reached, the first among them
    steps: int  # different (state, step of one thread) pairs
    first: Mapping[str, Schedule]  # each kind of trouble, and a shortest schedule that leads to it
    ends: tuple[State, ...]  # states in which every thread has come to its end
    deadlocked: tuple[State, ...]  # states in which no thread can move and some has not
    lost: frozenset[State]  # states from which no schedule leads to an end any more
    order: frozenset[Order]  # the lock order that was really seen

    def too_late(self, kind: str) -> int:
        """The steps of the first schedule to this trouble after which no order of steps leads to an end.

        >>> explore(Program((thread("A", "+a +b -b -a"), thread("B", "+b x +a -a -b")))).too_late("deadlock")
        2
        """
        numbers = {each.name: i for i, each in enumerate(self.program.threads)}
        state, taken = self.program.start, 0
        for event in self.first[kind]:
            if state in self.lost:
                break
            state, taken = dict(self.program.moves(state))[numbers[event.thread]], taken + 1
        return taken


def _nothing(state: State) -> str:
    return ""


def explore(program: Program, wrong: Callable[[State], str] = _nothing, limit: int = 1_000_000) -> Explored:
    """Every state that some order of the steps reaches, breadth first.

    Trouble is "deadlock" (some threads can never go on), "lock kept" (a thread ended with a lock), and
    whatever name `wrong` gives to a state; a state that `wrong` names is not left any more. The first
    schedule to each kind is the shortest there is. More than `limit` states is a ValueError: there is no
    half a proof.

    >>> found = explore(Program((thread("A", "+a +b -b -a"), thread("B", "+b +a -a -b"))))
    >>> found.states, len(found.deadlocked), [event.thread for event in found.first["deadlock"]]
    (19, 1, ['A', 'B', 'A', 'B'])
    """
    came: dict[State, tuple[State, int] | None] = {program.start: None}
    before: dict[State, list[State]] = {}
    first: dict[str, State] = {}
    ends: list[State] = []
    dead: list[State] = []
    steps = 0
    for state, named, moves in _nearest_first(program, wrong, came, limit):
        for kind in _trouble(program, state, len(moves), first, named):
            first[kind] = state
        if named:
            continue
        if not moves:
            (ends if program.finished(state) else dead).append(state)
        steps += len(moves)
        for _, after in moves:
            before.setdefault(after, []).append(state)
    schedules = {kind: _schedule(program, came, state) for kind, state in first.items()}
    return Explored(
        program=program,
        states=len(came),
        steps=steps,
        first=MappingProxyType(schedules),
        ends=tuple(ends),
        deadlocked=tuple(dead),
        lost=frozenset(came) - _reaching(ends, before),
        order=_orders(program, came),
    )


def _nearest_first(
    program: Program, wrong: Callable[[State], str], came: dict[State, tuple[State, int] | None], limit: int
) -> Iterator[tuple[State, str, list[tuple[int, State]]]]:
    """Each state that can be reached, what `wrong` calls it and its moves; `came` learns how each was reached first."""
    queue = deque(came)
    while queue:
        state = queue.popleft()
        named, moves = wrong(state), list(program.moves(state))
        yield state, named, moves
        for i, after in () if named else moves:
            if after not in came:
                came[after] = state, i
                queue.append(after)
        if len(came) > limit:
            raise ValueError(f"states must be {limit} or fewer for a proof, got more: take fewer threads or steps")


def _trouble(program: Program, state: State, moves: int, known: Iterable[str], named: str) -> Iterator[str]:
    """The kinds of trouble in this state that are not known yet."""
    if named and named not in known:
        yield named
    ended = state.at.count(END)
    if "deadlock" not in known and moves + ended < len(state.at) and program.stuck(state):
        yield "deadlock"
    if ended and "lock kept" not in known and any(h for at, h in zip(state.at, state.held) if at == END):
        yield "lock kept"


def _orders(program: Program, states: Iterable[State]) -> frozenset[Order]:
    """What is held while something is wanted, in any of the states."""
    places = {(i, at, held) for state in states for i, (at, held) in enumerate(zip(state.at, state.held)) if held}
    wanted = ((i, at, held, program.wants(i, at)) for i, at, held in places)
    return frozenset(
        Order(lock, want, program.threads[i].name, at) for i, at, held, want in wanted if want for lock in held
    )


def _schedule(program: Program, came: Mapping[State, tuple[State, int] | None], state: State) -> Schedule:
    """The steps that led to the state, and what those who are stuck in it wait for."""
    names = [program.threads[i].name for i in program.stuck(state)]
    link = came[state]
    while link:
        state, i = link
        names.insert(0, program.threads[i].name)
        link = came[state]
    return replay(program, names)


def _reaching(goals: Iterable[Hashable], before: Mapping[Data, list[State]]) -> set[Data]:
    """The goals and every state from which one of them can still be reached."""
    found = set(goals)
    to_visit = list(found)
    while to_visit:
        for earlier in before.get(to_visit.pop(), ()):
            if earlier not in found:
                found.add(earlier)
                to_visit.append(earlier)
    return found
