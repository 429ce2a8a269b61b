"""The swap disk: a queue whose waiting times are known in closed form.

source      docs/design.md, what the engine simplifies
left out    seeks, the elevator, requests of more than a page
"""

from typing import NamedTuple

from vmteach.kernel.reclaim.runs import FOREVER


class Disk:
    """First in, first out, `service` ns a page, at most `depth` pages in flight.

    Pages in flight complete exactly `service` apart, so the queue is two numbers: how many, and when
    the oldest is done.
    """

    def __init__(self, service: int, depth: int) -> None:
        self.service, self.depth = service, depth
        self.n = 0  # pages in flight
        self.due = 0  # completion time of the oldest
        self.last = 0  # completion time of the newest ever submitted

    def settle(self, now: int) -> int:
        """Complete what is due; how many pages that is."""
        if not self.n or self.due > now:
            return 0
        done = min(self.n, (now - self.due) // self.service + 1)
        self.n -= done
        self.due += done * self.service
        return done

    def submit(self, now: int) -> None:
        """Queue one page; there must be room."""
        if not self.n:
            self.due = max(now, self.last) + self.service
        self.n += 1
        self.last = self.due + (self.n - 1) * self.service

    def read(self, now: int) -> int:
        """The time at which a page asked for now has been read."""
        self.last = max(now, self.last) + self.service
        return self.last

    def submit_some(self, now: int, n: int, cost: int, until: int, pausing: bool = False) -> "Stretch":
        """Submit up to `n` pages, `cost` ns of work after each, until the clock reaches `until`: as many as go alike.

        With `pausing` no further than to the first page that completes.
        """
        if self.n == self.depth:
            return self._submit_to_a_full(now, n, cost, until, pausing)
        if not self.n and self.last <= now and cost >= self.service and not pausing:  # idle, and it stays idle
            n = min(n, max(1, -(-(until - now) // cost)))
            self.last = now + (n - 1) * cost + self.service
            return Stretch(n, now + n * cost, 0, 0, n)
        if cost > self.service or pausing:
            return self._one_by_one(now, n, cost, until, pausing)
        n = self._until_full(now, min(n, max(1, -(-(until - now) // cost))) if cost else n, cost)
        if not self.n:
            self.due = max(now, self.last) + self.service
        self.n += n
        self.last = self.due + (self.n - 1) * self.service
        now += n * cost
        return Stretch(n, now, 0, 0, self.settle(now))

    def _submit_to_a_full(self, now: int, n: int, cost: int, until: int, pausing: bool) -> "Stretch":
        """The same with a full queue: each page waits for room."""
        wait = self.due - now
        if pausing or wait != self.service - cost:
            done = self.settle(self.due)
            now += wait
            self.submit(now)
            return Stretch(1, now + cost, 1, wait, done + self.settle(now + cost))
        n = min(n, max(1, -(-(until - now) // self.service)))  # it stays full, one out and one in
        self.due += n * self.service
        self.last += n * self.service
        return Stretch(n, now + n * self.service, n, n * wait, n)

    def submit_all(self, now: int, n: int, cost: int) -> "Stretch":
        """Submit `n` pages, `cost` ns of work after each, whatever strikes meanwhile."""
        steps = sleeps = slept = done = 0
        while steps < n:
            some = self.submit_some(now, n - steps, cost, FOREVER)
            steps, now, sleeps = steps + some.steps, some.now, sleeps + some.sleeps
            slept, done = slept + some.slept, done + some.done
        return Stretch(steps, now, sleeps, slept, done)

    def _one_by_one(self, now: int, n: int, cost: int, until: int, pausing: bool) -> "Stretch":
        steps = done = 0
        while not steps or (steps < n and now < until and self.n < self.depth and not (pausing and done)):
            self.submit(now)
            steps += 1
            now += cost
            done += self.settle(now)
        return Stretch(steps, now, 0, 0, done)

    def _until_full(self, now: int, n: int, cost: int) -> int:
        """Of `n` pages that come `cost` ns apart, no slower than they are written, how many until the queue is full."""
        due = self.due if self.n else max(now, self.last) + self.service
        steps = self.depth - self.n
        if now + steps * cost >= due:  # by then a write is done, and from then on another every `service` ns
            if cost == self.service:
                return n
            steps = (steps * self.service + now - due) // (self.service - cost) + 1
        return min(n, max(1, steps))


class Stretch(NamedTuple):
    """Submissions that all took as long, and slept as long."""

    steps: int
    now: int  # after the last
    sleeps: int  # for room in the queue
    slept: int  # ns
    done: int  # pages completed meanwhile
