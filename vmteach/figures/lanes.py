"""Who holds which lock from when to when: the bars of a picture of threads, out of a schedule."""

from collections.abc import Iterator
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
