"""Threads as tables of atomic steps, run in any order that one names.

A thread is a table. A row takes or gives one lock, changes the shared data, or jumps. A state says at
which row each thread stands, which locks it holds, and what the data are. `replay` takes the steps in one
order, vmteach/kernel/interleavings.py in every order; vmteach/kernel/lockorder.py
reads the same tables without running them.

left out    priorities, fairness, sleeping on an event, memory that becomes visible late
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
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

    @property
    def rows(self) -> dict[str, tuple[Step, str]]:
        """Each row by its name, and the name of the row below it."""
        below = [*(step.at for step in self.steps[1:]), END]
        return {step.at: (step, following) for step, following in zip(self.steps, below)}


class State(NamedTuple):
    """Where each thread stands, the locks that each holds in the order taken, and the shared data.

    A value that can be a key: two ways that lead to equal states need not be told apart any more.
    """

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


def held_before(thread: Thread) -> dict[str, set[tuple[str, ...]]]:
    """The locks that the thread may hold before each row, whatever the data say: a tuple for each way there.

    >>> held_before(thread("A", "+a +b -b -a"))["3"]
    {('a', 'b')}
    """
    rows, before = thread.rows, dict[str, set[tuple[str, ...]]]()
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


def _held_after(name: str, step: Step, held: tuple[str, ...]) -> tuple[str, ...]:
    """The locks held after the step."""
    if step.take:
        return (*held, step.take)
    if step.give in ("", *held):
        return tuple(lock for lock in held if lock != step.give)
    raise ValueError(f"thread {name} must hold {step.give} before it gives it at {step.at}, got {held or 'no lock'}")


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
            {at: (step, below, not step.rests and step is not each.steps[0]) for at, (step, below) in each.rows.items()}
            for each in self.threads
        )

    @property
    def start(self) -> State:
        """The state before the first step: no thread has arrived, no lock is held.

        >>> Program((thread("A", "+a -a"),), data=0).start
        State(at=('1',), held=((),), data=0)
        """
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
        """The lock that thread i takes next when it stands at this row; empty if none.

        >>> program = Program((thread("A", "look +a"),))
        >>> program.wants(0, "1"), program.wants(0, "2")
        ('', 'a')
        """
        row = self._tables[i].get(at)
        return row[0].take if row else ""

    def owner(self, state: State, lock: str) -> int | None:
        """The number of the thread that holds the lock; None if it is free.

        >>> program = Program((thread("A", "+a -a"),))
        >>> [program.owner(state, "a") for state in (program.start, dict(program.moves(program.start))[0])]
        [None, 0]
        """
        return next((i for i, held in enumerate(state.held) if lock in held), None)

    def stuck(self, state: State) -> tuple[int, ...]:
        """The threads that can never go on: each waits for one that never gives, directly or in a ring.

        >>> program = Program((thread("A", "+a +a"),))
        >>> [program.stuck(state) for i, state in program.moves(program.start)]
        [(0,)]
        """
        waits = self._waits(state)
        going = {i for i, at in enumerate(state.at) if at != END} - set(waits)
        while freed := {i for i in waits if waits[i] in going} - going:
            going |= freed  # their turn will come: who holds the lock can go on
        return tuple(i for i in waits if i not in going)

    def _waits(self, state: State) -> dict[int, int]:
        """Each thread that waits for a lock, and the thread that holds it."""
        holders = ((i, self.owner(state, self.wants(i, at))) for i, at in enumerate(state.at))
        return {i: holder for i, holder in holders if holder is not None}

    def finished(self, state: State) -> bool:
        """Whether every thread has come to its end; one that ended with a lock has as well."""
        return all(label == END for label in state.at)

    def kept(self, state: State) -> bool:
        """Whether a thread has come to its end with a lock, which nobody will give back."""
        return any(held for label, held in zip(state.at, state.held) if label == END)


def _check(thread: Thread) -> None:
    """Raise ValueError for a table that does not hang together."""
    rows = [step.at for step in thread.steps]
    if not rows or len(set(rows)) < len(rows) or END in rows:
        raise ValueError(
            f"thread {thread.name} must have rows with names of their own, none called {END!r}, got {rows}"
        )
    for step in thread.steps:
        _check_row(thread.name, step, ("", END, *rows))
    held_before(thread)


def _check_row(name: str, step: Step, places: Collection[str]) -> None:
    if step.goto not in places:
        raise ValueError(f"goto of {name} at {step.at} must be one of its rows or {END!r}, got {step.goto!r}")
    if (step.take and step.give) or (step.when and not step.goto):
        raise ValueError(f"{name} at {step.at} must take or give one lock, and goto where it has a `when`")


def replay(program: Program, turns: Iterable[str], onward: bool = False) -> Schedule:
    """What happens when the threads get the CPU in this order; names may repeat.

    A turn of a thread that spins is a `Waited`; of one that has ended, or finds no idle CPU, nothing.
    With `onward` every thread then gets a turn, round after round, until none can move. ValueError for a name that
    no thread has.

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


def walk(program: Program, schedule: Schedule) -> Iterator[State]:
    """The states along a schedule: the first before any step, then one after each step that was taken.

    >>> program = Program((thread("A", "+a -a"),))
    >>> [state.at for state in walk(program, replay(program, "A A".split()))]
    [('1',), ('2',), ('end',)]
    """
    numbers = {each.name: i for i, each in enumerate(program.threads)}
    yield (state := program.start)
    for event in schedule:
        if isinstance(event, Stepped):
            yield (state := dict(program.moves(state))[numbers[event.thread]])


def _turn(program: Program, state: State, i: int) -> tuple[State, list[Stepped | Waited]]:
    """Thread i gets one turn: the state after it, and what happened."""
    name, at = program.threads[i].name, state.at[i]
    after = dict(program.moves(state)).get(i)
    if after is not None:
        step, _ = program.threads[i].rows[at]
        return after, [Stepped(name, at, step.says, after.held[i], _locks(program, after))]
    wants = program.wants(i, at)
    holder = program.owner(state, wants)
    if holder is None or not program.spins(state, i):
        return state, []
    return state, [Waited(name, at, wants, program.threads[holder].name)]


def _locks(program: Program, state: State) -> str:
    """Who holds what, for a reader."""
    pairs = zip(program.threads, state.held)
    return "  ".join(f"{each.name}: {'+'.join(held)}" for each, held in pairs if held) or "-"
