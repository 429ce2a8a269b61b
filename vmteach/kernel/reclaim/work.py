"""What wants memory: a file that is read, a program that asks for pages; and the engine as one object.

source      docs/design.md, what the engine simplifies
left out    several tasks at once: they take turns

Where the same request repeats (reclaim 32 pages, read 32 pages of a file, and again), the requests are written
down; when two in a row did the same thing and nothing that they depend on is about to change, the next K are taken
in one leap (leap.py).
"""

from collections.abc import Callable

from vmteach.kernel.reclaim.leap import Leaps
from vmteach.kernel.reclaim.lists import AHEAD, Visit
from vmteach.kernel.reclaim.memory import Memory
from vmteach.kernel.reclaim.rules import alloc_pages, swap_out, try_to_free_pages
from vmteach.kernel.reclaim.runs import FOREVER
from vmteach.kernel.reclaim.setup import STOCK, Rules, Setup
from vmteach.kernel.reclaim.sprint import FRESH, Sprint, can_sprint
from vmteach.run import between


class Stopped(Exception):
    """The workload ends here: at its horizon, or out of memory."""


class Pace:
    """When to sprint: where four bands brought no leap worth it. Then leaps are tried again, ever more rarely."""

    WORTH, TRIED, FIRST, MOST = 24, 4, 16, 1 << 12  # requests in a leap; bands

    def __init__(self) -> None:
        self.left, self.bands = self.TRIED, self.FIRST

    def sprints(self, leapt: int) -> bool:
        """Whether the next `bands` are for a sprint, after a try that leapt over so many requests."""
        if leapt >= self.WORTH:
            self.left = self.TRIED
        self.left -= 1
        if self.left >= 0:
            return False
        self.left, self.bands = self.TRIED, min(2 * self.bands, self.MOST)
        return True


class Reclaim(Memory):
    """A machine's lists, page tables and swap disk, and the workload that runs on them.

    >>> from vmteach.kernel.reclaim.page import Kind, PageRun, PageState
    >>> clean = PageRun(100, 64, PageState(Kind.FILE))
    >>> dirty = PageRun(0, 100, PageState(Kind.SHM, dirty=True))
    >>> stock = Reclaim(Setup(shm=100, inactive=(dirty, clean), slots=100), Rules())
    >>> stock.reclaim(), stock.count["conversions"], stock.count["writes"]
    (32, 100, 0)
    """

    def __init__(
        self,
        setup: Setup,
        rules: Rules = STOCK,
        leaps: bool = True,
        observe: "Callable[[Reclaim], None] | None" = None,
    ) -> None:
        super().__init__(setup, rules, observe, leaps)  # type: ignore[arg-type]  # it observes this very object
        self.leaps = Leaps(self)
        self.pace = Pace()
        self.sprinted = 0  # bands that were taken in sprints
        self.workload: tuple[str, int, bool] = "copied", 0, False  # what it takes, ns a page, with anonymous memory
        self.goal, self.horizon = 0, FOREVER
        self.oom_at: int | None = None  # when it ran out of memory, ns

    def reclaim(self) -> int:
        """One request for a batch of pages; how many became free."""
        return try_to_free_pages(self)

    def swap_out(self) -> bool:
        """One walk of page tables; whether it made a batch of pages freeable."""
        return swap_out(self)

    def run(self, copy: int, anon: bool = False, horizon: int | None = None) -> "Reclaim":
        """Read a file of `copy` pages; with `anon`, into fresh anonymous memory. Stops at `horizon` ns."""
        return self._work(("copied", self.setup.costs.read, anon), copy, horizon)

    def demand(self, pages: int, cost: int, horizon: int | None = None) -> "Reclaim":
        """Take `pages` of memory that join no list, `cost` ns after each. Stops at `horizon` ns.

        >>> from vmteach.kernel.reclaim.page import Kind, PageRun, PageState
        >>> file = PageRun(0, 64, PageState(Kind.FILE))
        >>> model = Reclaim(Setup(shm=0, inactive=(file,))).demand(32, cost=1_000)
        >>> model.count["taken"], model.inactive, model.now
        (32, 32, 35200)
        """
        return self._work(("taken", cost, False), pages, horizon)

    @property
    def oom(self) -> bool:
        """Whether it ran out of memory."""
        return self.oom_at is not None

    @property
    def active(self) -> int:
        """Pages of the class on the active list."""
        return self.lists.active

    @property
    def inactive(self) -> int:
        """Pages of the class on the inactive list."""
        return self.lists.inactive

    @property
    def leapt(self) -> int:
        """Requests that were taken in leaps."""
        return self.leaps.leapt

    def _work(self, workload: tuple[str, int, bool], pages: int, horizon: int | None) -> "Reclaim":
        between("pages", pages, 0, FOREVER)
        if workload != self.workload:  # the requests written down so far are no guide to the next
            self.leaps.forget()
        self.workload, (taken, _, anon) = workload, workload
        self.goal = self.count[taken] + pages
        self.horizon = FOREVER if horizon is None else horizon
        try:
            while self.count[taken] < self.goal:
                if self.wanted:
                    self._swap_in()
                elif not self._at_once():
                    if anon:
                        self._room()
                        self.count["free"] -= 1
                        self.count["taken"] += 1
                    self._join(min(1 if anon else self.goal - self.count[taken], self._room()))
        except Stopped:
            pass
        return self

    def _at_once(self) -> bool:
        """Take requests in a leap or a sprint, if one can be had; whether that met the goal, or a process waits."""
        taken, cost, anon = self.workload
        if not self.fast or self.count["free"] > self.setup.min:
            return False
        before = self.leaps.leapt
        if self.logged:
            self.leaps.at_request(taken, self.goal, self.horizon)
        if not anon and can_sprint(self) and self.pace.sprints(self.leaps.leapt - before):
            self.logged = False
            sprint = Sprint(self, taken, cost, self._join)
            enough = sprint.run(self.goal, self.horizon, self.pace.bands)
            self.sprinted += sprint.bands
            self.logged = True
            self.leaps.forget()
            if not enough:
                self._out_of_memory()
        return self.count[taken] >= self.goal or bool(self.wanted)

    def _room(self) -> int:
        """How many pages may be taken before the next request; reclaims first when there are none."""
        if self.count["free"] <= self.setup.min:
            if self.now >= self.horizon:
                raise Stopped
            if not alloc_pages(self):
                self._out_of_memory()
        return max(1, self.count["free"] - self.setup.min)

    def _out_of_memory(self) -> None:
        self.oom_at = self.now
        raise Stopped

    def _join(self, n: int) -> None:
        """Up to `n` pages for the workload: of a file (add_to_page_cache), or such as join no list."""
        taken, cost, _ = self.workload
        n = self.alike(1 if self.wanted else n, cost, scan=False)  # what is wanted comes before the next page
        before = self.counters_before(n, cost)
        self.count["free"] -= n
        self.count[taken] += n
        if taken == "copied":
            self.move(Visit("", AHEAD, None, FRESH, 0, n, self.lists.next_id), "read")
            self.lists.next_id += n
            self.count["reading"] += n * cost
        else:
            self.steps += 1
            self.event = "taken", self.lists.next_id, n
        self.spend(n * cost, n, before)

    def _swap_in(self) -> None:
        """Read one page back from swap for the processes that wait for it."""
        self._room()
        self.count["free"] -= 1
        done = self.disk.read(self.now)
        self.count["slept"] += done - self.now
        self.now = done
        self.lists.complete(self.disk.settle(self.now))
        self.irregular()
        self.idle_touch = not self.setup.hot
        self.event = "swapped in", self.wanted[0], 1
        self.steps += 1
        self.lists.swap_in()
        self.spend(0)
