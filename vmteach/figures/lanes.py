"""A schedule for a reader: who holds which lock from when to when, as bars of a picture and as lines of text."""

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

from vmteach.kernel.threads import Schedule, Stepped


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
    held: dict[tuple[str, str], Bar] = {}
    waiting: dict[str, Bar] = {}
    column = 0
    for event in schedule:
        name = event.thread
        if not isinstance(event, Stepped):
            waiting.setdefault(name, Bar(name, event.wants, column, None, event.owner))
            continue
        if name in waiting:
            yield waiting.pop(name)._replace(end=column)
        for key in [key for key in held if key[0] == name and key[1] not in event.holds]:
            yield held.pop(key)._replace(end=column + 1)
        for lock in event.holds:
            held.setdefault((name, lock), Bar(name, lock, column, None))
        column += 1
    yield from (*held.values(), *waiting.values())


def story(schedule: Schedule) -> list[str]:
    """The schedule for a reader: a line for each turn, with the locks held after each step.

    >>> from vmteach.kernel.threads import Program, replay, thread
    >>> story(replay(Program((thread("A", "+a -a"), thread("B", "+a"))), ["A", "B"]))
    [' 1  A  1  lock a   A: a', '    B  1  waits for a, which A holds']
    """
    steps = [event for event in schedule if isinstance(event, Stepped)]
    name, at = (max((len(event[column]) for event in schedule), default=0) for column in (0, 1))
    does = max((len(step.does) for step in steps), default=0)
    numbers = count(1)
    return [
        f"{next(numbers):2}  {event.thread:{name}}  {event.at:{at}}  {event.does:{does}}   {event.locks}"
        if isinstance(event, Stepped)
        else f"    {event.thread:{name}}  {event.at:{at}}  waits for {event.wants}, which {event.owner} holds"
        for event in schedule
    ]
