"""The order in which threads take their locks, read from their tables without running them.

source      the field's rule (Coffman, Elphick and Shoshani, 1971): locks that are always taken in one order cannot
            deadlock; lockdep holds today's kernel to it
left out    what the data forbid: an order that a table has counts, whether or not a run can come there
"""

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from vmteach.kernel.threads import Thread, held_before


class Order(NamedTuple):
    """The thread held one lock while it wanted the other, at this row."""

    held: str
    wanted: str
    thread: str
    at: str


def interruptible(thread: Thread) -> Thread:
    """The same thread, resting wherever it holds no lock: with no spin lock held, interrupts are on.

    >>> from vmteach.kernel.threads import thread
    >>> [step.rests for step in interruptible(thread("A", "+a -a look")).steps]
    [True, False, True]
    """
    before = held_before(thread)
    steps = (step._replace(rests=before.get(step.at, {()}) == {()}) for step in thread.steps)
    return Thread(thread.name, tuple(steps))


def lock_order(threads: Iterable[Thread]) -> frozenset[Order]:
    """Each "holds one lock while it wants another" that the tables contain, whatever the data say.

    >>> from vmteach.kernel.threads import thread
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

    Without a ring, threads that give back what they take cannot deadlock. With one they need not: a third lock that
    is always taken around both makes their order harmless. It is what lockdep looks for.

    >>> from vmteach.kernel.threads import thread
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
