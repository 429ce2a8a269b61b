"""Every order of the steps of several threads: all states that can be reached, and the shortest way to a bad one.

`explore` visits every state that any order of the threads' steps can reach, nearest first: what it does not find does
not exist, and what it finds is found by the fewest steps. It is what a model checker does (Holzmann's Spin, Lamport's
TLC), without their reductions: the tables of this course have a few thousand states.

left out    what kernel/threads.py leaves out
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vmteach.kernel.lockorder import Order
from vmteach.kernel.threads import END, Data, Program, Schedule, State, replay, walk


@dataclass(frozen=True)
class Explored:
    """All that any order of the steps can lead to. A kind of trouble that is not in `first` cannot happen."""

    program: Program
    states: int  # different states that can be reached, the first among them
    first: Mapping[str, Schedule]  # each kind of trouble, and a shortest schedule that leads to it
    ends: tuple[State, ...]  # states in which every thread has come to its end
    deadlocked: tuple[State, ...]  # states in which no thread can move and some has not
    lost: frozenset[State]  # states from which no schedule leads to an end any more
    order: frozenset[Order]  # the lock order that was really seen

    def too_late(self, kind: str) -> int:
        """The steps of the first schedule to this trouble after which no order of steps leads to an end.

        >>> from vmteach.kernel.threads import thread
        >>> explore(Program((thread("A", "+a +b -b -a"), thread("B", "+b x +a -a -b")))).too_late("deadlock")
        2
        """
        states = list(walk(self.program, self.first[kind]))
        return next((i for i, state in enumerate(states) if state in self.lost), len(states) - 1)


def explore(program: Program, wrong: Callable[[State], str] = lambda state: "", limit: int = 1_000_000) -> Explored:
    """Every state that some order of the steps reaches, breadth first.

    Trouble is "deadlock" (some threads can never go on), "lock kept" (a thread ended with a lock), and
    whatever name `wrong` gives to a state; a state that `wrong` names is not left any more. The first
    schedule to each kind is the shortest there is. More than `limit` states is a ValueError: there is no
    half a proof.

    >>> from vmteach.kernel.threads import thread
    >>> found = explore(Program((thread("A", "+a +b -b -a"), thread("B", "+b +a -a -b"))))
    >>> found.states, len(found.deadlocked), [event.thread for event in found.first["deadlock"]]
    (19, 1, ['A', 'B', 'A', 'B'])
    """
    came: dict[State, tuple[State, int] | None] = {program.start: None}
    before: dict[State, list[State]] = {}
    first: dict[str, State] = {}
    ends: list[State] = []
    dead: list[State] = []
    for state, named, moves in _nearest_first(program, wrong, came, limit):
        for kind in _trouble(program, state, len(moves), first, named):
            first[kind] = state
        if named:
            continue
        if not moves:
            (ends if program.finished(state) else dead).append(state)
        for _, after in moves:
            before.setdefault(after, []).append(state)
    schedules = {kind: _schedule(program, came, state) for kind, state in first.items()}
    return Explored(
        program=program,
        states=len(came),
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
    reached = list(came)
    for state in reached:  # it grows meanwhile
        named, moves = wrong(state), list(program.moves(state))
        yield state, named, moves
        for i, after in () if named else moves:
            if after not in came:
                came[after] = state, i
                reached.append(after)
        if len(came) > limit:
            raise ValueError(f"states must be {limit} or fewer for a proof, got more: take fewer threads or steps")


def _trouble(program: Program, state: State, moves: int, known: Iterable[str], named: str) -> Iterator[str]:
    """The kinds of trouble in this state that are not known yet; with `moves` threads that can go on."""
    if named and named not in known:
        yield named
    ended = state.at.count(END)
    if moves + ended < len(state.at) and "deadlock" not in known and program.stuck(state):
        yield "deadlock"
    if ended and "lock kept" not in known and program.kept(state):
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
    for state in to_visit:  # it grows meanwhile
        earlier = {*before.get(state, ())} - found
        found |= earlier
        to_visit += earlier
    return found
