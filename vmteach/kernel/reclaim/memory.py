"""The machine that reclaim works on: its lists, its disk and its clock; and the log of what was done.

source      docs/design.md, what the engine simplifies
left out    a second disk; what other processors do meanwhile

A page-at-a-time program would touch every page of a 32 GB machine several times. This one moves whole
runs: 1.2 million pages that are converted one after another are one step here.
"""

from collections.abc import Callable
from typing import NamedTuple

from vmteach.kernel.reclaim.disk import Disk
from vmteach.kernel.reclaim.fates import Fate
from vmteach.kernel.reclaim.lists import ACTIVE, AHEAD, BEHIND, ROTATED, Lists, Tail, Visit
from vmteach.kernel.reclaim.page import Kind, Page, Where
from vmteach.kernel.reclaim.runs import FOREVER
from vmteach.kernel.reclaim.setup import SECOND, STOCK, Rules, Setup, Snapshot

LONGEST_DIARY = 4096  # moments of one request, beyond which seconds are not leapt over


class Decision(NamedTuple):
    """A line of the log: a number that was computed from the lengths of the lists."""

    rule: str
    need: int
    result: int
    active: int
    inactive: int


class Moment(NamedTuple):
    """The end of `steps` equal steps: when it was, and the counters then."""

    time: int
    steps: int
    counts: tuple[int, ...]


IRREGULAR = Decision("irregular", 0, 0, 0, 0)


class Event(NamedTuple):
    """A step that is watched: the rule, the pages that it was about (first id, how many), and what was computed."""

    rule: str
    first: int
    count: int  # type: ignore[assignment]
    numbers: tuple[int, ...] = ()


class Budget:
    """Pages that a scan may still look at; with the lengths of the lists that it was computed from."""

    def __init__(self, rule: str, pages: int, lists: Lists) -> None:
        self.rule, self.left, self.full, self.lengths = rule, pages, pages, (lists.active, lists.inactive)

    def line(self) -> Decision:
        """What the log keeps: a budget that was used up is a matter of its size, another of what was used."""
        return Decision(self.rule, -1 if self.left else self.full, self.full - self.left, *self.lengths)


class Memory:
    """Lists, disk and clock of a machine; rules.py decides what is done with them."""

    def __init__(
        self, setup: Setup, rules: Rules = STOCK, observe: "Callable[[Memory], None] | None" = None, fast: bool = True
    ) -> None:
        self.setup, self.rules, self.observe = setup, rules, observe
        self.fast = fast  # whether what repeats may be taken at once
        self.logged = fast  # whether what is done is written down just now
        self.lists = Lists(setup, rules)
        self.count, self.wanted = self.lists.count, self.lists.wanted
        self.disk = Disk(setup.service, setup.depth)
        self.now = 0  # ns
        self.next_second = SECOND
        self.observe_every = 1  # seconds from one call of `observe` to the next
        self.idle_touch = not setup.hot  # whether the next touch will change nothing
        self.watch: Callable[[Event], None] | None = None  # called after every step
        self.event = "", 0, 0  # what the last step was about
        self.stride = FOREVER  # pages that one step may be about
        self.samples: list[Snapshot] = []
        self.swap_failed = False  # whether swap_out has failed in this request
        self.before_write: dict[str, int] = {}  # the counters just before the first write of swap
        self.longest = 0  # ns of the longest request
        self.waits: list[tuple[int, int]] = []  # start and end of each request of a second or more, ns
        self.steps = 0  # what a run costs us
        self.log: list[Visit | Decision] = []
        self.diary: list[Moment] = []  # what happened when since the log was begun

    # ---- steps

    def alike(self, n: int, cost: int, scan: bool = True) -> int:
        """Of `n` equal steps, how many end before somebody observes or, where a scan would notice, a write is done."""
        n = min(n, self.stride)
        if not cost:
            return n
        n = min(n, max(1, -((self.now - self.stop) // cost)))  # a sleep may have ended behind the second
        if scan and self.rules.rotate_written and self.disk.n:
            n = min(n, -((self.now - self.disk.due) // cost))
        return n

    def step(self, tail: Tail, most: int, fate: Fate, cost: int, **each: int) -> int:
        """Up to `most` pages of the tail go where `fate` says, `cost` ns each; how many went before somebody observes.

        Every counter that is named in `each` grows by so much with each page.
        """
        n = self.alike(min(tail.n, most), cost, tail.queue != ACTIVE)
        before = self.counters_before(n, cost)
        for name, change in each.items():
            self.count[name] += n * change
        self._go(tail, n, fate)
        self.spend(n * cost, n, before)
        return n

    def _go(self, tail: Tail, n: int, fate: Fate) -> None:
        """Take `n` pages from the tail and put them where they belong now."""
        self.lists.queues[tail.queue].take(n)
        first = tail.first + tail.n - n if tail.queue == ROTATED else tail.first
        self.move(Visit(tail.queue, self._target(fate), tail.page, fate.page, tail.mapcount, n, first), fate.rule)

    def _target(self, fate: Fate) -> str:
        """The queue that pages of this fate are put on."""
        page = fate.page
        if not isinstance(page, Page) or page.where is Where.NOWHERE:
            return ""
        if page.where is Where.ACTIVE:
            return ACTIVE
        return BEHIND if self.rules.anchored and fate.rule == "not clean" else AHEAD

    def move(self, visit: Visit, rule: str) -> None:
        """Change the state and the place of pages, and log it; what continues the last line is joined to it."""
        self.lists.move(visit)
        self.steps += 1
        self.event = rule, visit.first, visit.count
        if not self.logged:
            return
        last = self.log[-1] if self.log else None
        if isinstance(last, Visit) and last[:5] == visit[:5] and last.first + last.count == visit.first:
            self.log[-1] = last._replace(count=last.count + visit.count)
        else:
            self.log.append(visit)

    def decide(self, line: Decision) -> None:
        """Log a number that was computed from the lengths of the lists."""
        self.steps += 1
        if self.logged:
            self.log.append(line)
        if self.watch and line.rule == "quota":
            self.watch(Event("quota", -1, 0, (line.need, line.active, line.inactive, line.result)))

    def irregular(self) -> None:
        """Log that something happened which no later request is sure to repeat."""
        if self.logged:
            self.log.append(IRREGULAR)

    def search_tail(self) -> Tail:
        """The pages that the search for clean ones meets next: at the tail, or where the anchored search has got to."""
        if not self.rules.anchored:
            return self.lists.inactive_tail()
        queues = self.lists.queues
        if not queues[AHEAD]:  # it has come to the head: back to the tail
            queues[AHEAD], queues[BEHIND] = queues[BEHIND], queues[AHEAD]
            self.irregular()
        return self.lists.tail(AHEAD)

    def submit(self, tail: Tail, most: int, fate: Fate, cost: int) -> int:
        """Send up to `most` pages of the tail to the disk, `cost` ns of work each; how many went.

        Before each the disk's queue must have room: else sleep until the oldest write is done.
        """
        if not self.before_write:
            self.before_write = dict(self.count)
        before, count = tuple(self.count.values()), self.count
        most = min(tail.n, most, self.stride)
        n, now, sleeps, slept, done = self.disk.submit_some(self.now, most, cost, self.stop, self.rules.rotate_written)
        self._go(tail, n, fate)
        if tail.page.state.kind is Kind.SHM:
            count["slots_used"] += n
            count["conversions"] += n
        self.lists.flight.put(tail.first, n)
        self.lists.complete(done)
        count["sleeps"] += sleeps
        count["slept"] += slept
        count["file_writes" if tail.page.state.kind is Kind.FILE else "writes"] += n
        count["visits"] += n
        self.spend(now - self.now, n, before)
        return n

    # ---- time

    @property
    def stop(self) -> int:
        """The second that no step goes over; ns. Nothing but a sample happens at the others."""
        if not self.idle_touch:
            return self.next_second
        return self.next_observation if self.observe else FOREVER

    def counters_before(self, n: int, cost: int) -> tuple[int, ...]:
        """The counters, if `n` equal steps go over a second: its sample lies between them and those after."""
        return tuple(self.count.values()) if n > 1 and self.now + n * cost >= self.next_second else ()

    def spend(self, time: int, n: int = 1, before: tuple[int, ...] = ()) -> None:
        """Let time pass in `n` equal steps, complete what is due, take the samples that are due."""
        began = self.now
        self.now += time
        if self.logged and len(self.diary) <= LONGEST_DIARY:
            self.diary.append(Moment(self.now, n, tuple(self.count.values())))
        if self.disk.n and self.disk.due <= self.now:
            self.lists.complete(self.disk.settle(self.now))
        if self.now >= self.next_second:
            self.sample(began, n, before)
        if self.watch:
            self.watch(Event(*self.event))

    def sleep_until(self, time: int) -> None:
        """Sleep for the disk: time passes, writes complete; samples wait for the end of the step."""
        self.count["sleeps"] += 1
        self.count["slept"] += time - self.now
        self.now = time
        self.lists.complete(self.disk.settle(self.now))
        self.irregular()

    def waited_since(self, began: int) -> None:
        """Keep how long a request took that ends now: the longest of all, and each of a second or more."""
        self.longest = max(self.longest, self.now - began)
        if self.now - began >= SECOND:
            self.waits.append((began, self.now))

    def wait_for_the_disk(self) -> None:
        """Sleep until the oldest write is done."""
        self.event = "waited", self.lists.flight.peek().first, 1
        self.sleep_until(self.disk.due)
        self.spend(0)

    def completion_time(self, page: int) -> int:
        """When the write of a page in flight will be done."""
        ahead = 0
        for first, count in self.lists.flight.runs():
            if first <= page < first + count:
                return self.disk.due + (ahead + page - first) * self.disk.service
            ahead += count
        raise AssertionError(f"page {page} is not in flight")

    def sample(self, began: int, n: int, before: tuple[int, ...]) -> None:
        """The samples of the seconds that `n` equal steps reach: each as it is after the step that reaches it."""
        now = tuple(self.count.values())
        moving = [(i, a, b - a) for i, (a, b) in enumerate(zip(before, now), 1) if a != b] if n > 1 else []
        while self.now >= self.next_second:
            values = [self.next_second // SECOND, *now]
            if moving:
                steps = -((began - self.next_second) * n // (self.now - began))
                for i, old, change in moving:
                    values[i] = old + change * steps // n
            self.samples.append(Snapshot._make(values))
            if self.observe and self.next_second == self.next_observation:
                self.observe(self)
            self.next_second += SECOND
            if not self.idle_touch:
                self.touch()
                now, moving = tuple(self.count.values()), []

    def touch(self) -> None:
        """The processes touch the hot pages."""
        before = self.count["minor_faults"], len(self.wanted)
        self.idle_touch = self.lists.touch()
        if before != (self.count["minor_faults"], len(self.wanted)):
            self.irregular()

    @property
    def next_observation(self) -> int:
        """When `observe` is to be called next; ns."""
        return self.observation_from(self.next_second)

    def observation_from(self, time: int) -> int:
        """When `observe` is to be called, at `time` or later; ns."""
        stride = self.observe_every * SECOND
        return -(-time // stride) * stride if self.observe else FOREVER

    @property
    def snapshots(self) -> list[Snapshot]:
        """The samples, and one more at the end of the run unless that is at the last sample's second."""
        seconds, rest = divmod(self.now, SECOND)
        if self.samples and not rest:
            return [*self.samples]
        return [*self.samples, Snapshot(self.now / SECOND if rest else seconds, *self.count.values())]

    def position(self) -> tuple[int, ...]:
        """Everything that a request changes by an amount: counters, clock, lists, ids, the disk's queue."""
        queue = (self.disk.n, self.disk.due - self.now if self.disk.n else 0)
        lists = self.lists
        return (*self.count.values(), lists.active, lists.inactive, lists.next_id, self.now, *queue)
