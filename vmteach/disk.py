"""The swap disk: a queue whose waiting times are known in closed form.

source      docs/reclaim-rules.md, "The disk" and submit
left out    seeks, the elevator, requests of more than a page
"""


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

    def submit_many(self, now: int, n: int, cost: int, until: int) -> tuple[int, int, int, int, int]:
        """Submit up to `n` pages, `cost` ns of work after each, until the clock reaches `until`.

        Steps taken, the clock, sleeps for room in the queue, ns slept, pages completed meanwhile.
        """
        steps = sleeps = slept = done = 0
        while steps < n and now < until:
            if self.n == self.depth and cost < self.service:  # full, and it stays full: in closed form
                k = min(n - steps, max(1, -(-(until - cost - self.due) // self.service) + 1))
                slept += self.due - now + (k - 1) * (self.service - cost)
                now = self.due + (k - 1) * self.service + cost
                self.due += k * self.service
                self.last += k * self.service
                steps, sleeps, done = steps + k, sleeps + k, done + k
                continue
            if not self.n and self.last <= now and cost >= self.service:  # each is done before the next
                k = min(n - steps, -(-(until - now) // cost))
                self.last = now + (k - 1) * cost + self.service
                now += k * cost
                steps, done = steps + k, done + k
                continue
            if self.n == self.depth:
                sleeps, slept, now = sleeps + 1, slept + self.due - now, self.due
                done += self.settle(now)
            self.submit(now)
            steps += 1
            now += cost
            done += self.settle(now)
        return steps, now, sleeps, slept, done
