"""A small machine, one page a step: which rule held for which page, and where everything is after it.

source      rules.py and fates.py, as every other run
left out    leaps and strides: a machine of some thousand pages is too large to be watched
"""

from collections.abc import Callable
from typing import NamedTuple

from vmteach.kernel.reclaim.lists import ACTIVE, INACTIVE
from vmteach.kernel.reclaim.memory import Event, Memory
from vmteach.kernel.reclaim.page import Page
from vmteach.kernel.reclaim.setup import Rules, Setup
from vmteach.kernel.reclaim.work import Reclaim


class Watched(NamedTuple):
    """One step: the rule that held (a key of RULES; "" at the start), its page, and the machine after it."""

    rule: str
    page: int
    numbers: tuple[int, ...]  # of "quota": need, active, inactive, quota
    time: int  # ns
    inactive: tuple[int, ...]  # page ids, tail first
    active: tuple[int, ...]
    pages: dict[int, Page]  # those in memory
    mapcounts: dict[int, int]  # of those that a process maps
    counts: dict[str, int]


def watch(setup: Setup, rules: Rules, work: Callable[[Reclaim], object]) -> list[Watched]:
    """The start and every step of `work` on a machine.

    A "quota" is a step that moves nothing; a page that has been written stops being so in the step that ends later.

    >>> from vmteach.kernel.reclaim import Kind, PageRun, PageState
    >>> dirty, clean = PageRun(0, 1, PageState(Kind.SHM, dirty=True)), PageRun(1, 1, PageState(Kind.FILE))
    >>> machine = Setup(shm=1, inactive=(dirty, clean), slots=1, batch=1)
    >>> for step in watch(machine, Rules(), Reclaim.reclaim)[1:3]:
    ...     print(step.rule, step.page, step.inactive)
    quota -1 (0, 1)
    quota -1 (0, 1)
    """
    machine = Reclaim(setup, rules, leaps=False)
    steps = [_seen(machine, Event("", -1, 0))]
    machine.stride = 1
    machine.watch = lambda event: steps.append(_seen(machine, event))
    work(machine)
    machine.watch = None
    return steps


def _seen(machine: Memory, event: Event) -> Watched:
    lists = machine.lists
    runs = lists.pages.runs(0, lists.next_id)
    pages = {i: page for low, high, page in runs if isinstance(page, Page) for i in range(low, high)}
    return Watched(
        event.rule,
        event.first,
        event.numbers,
        machine.now,
        tuple(i for name in INACTIVE for i in lists.queues[name].ids()),
        tuple(lists.queues[ACTIVE].ids()),
        pages,
        {i: n for i in range(lists.setup.shm) if (n := lists.processes.mapcount(i)[0])},
        dict(machine.count),
    )
