"""The rules of the reclaim model a second time, one page at a time: the independent witness.

It keeps one object for each page and moves it through two lists, as the kernel does, so that each rule is a
few lines. It is slow on purpose. `vmteach/kernel/reclaim` does the same work in big strides; the tests hold it
against this. Numbers in comments count the tests of shrink_cache in their order.
"""

from collections import deque
from dataclasses import dataclass

from vmteach.kernel.reclaim import SECOND, Buffers, Kind, PageState, Pte, Rules, Setup, Snapshot

FUEL = 5_000_000  # steps after which a run counts as endless


class Endless(AssertionError):
    """The rules went on for more steps than the run was given."""


class Stop(Exception):
    """The workload ends here: out of memory, or the horizon is reached."""


@dataclass(eq=False)
class Page:
    """One page in memory. Two pages are never equal: each is itself."""

    id: int
    kind: Kind
    dirty: bool = False
    referenced: bool = False
    pinned: bool = False
    locked: bool = False
    buffers: Buffers = Buffers.NONE
    outside: bool = False
    writing: bool = False  # submitted and not yet done
    done: int = 0  # when its write is done, ns
    where: str = ""  # "inactive", "active", or "" for off every list

    @property
    def state(self) -> PageState:
        """What the rules call the page's state."""
        return PageState(self.kind, self.dirty, self.referenced, self.pinned, self.locked, self.buffers, self.outside)


class Naive:
    """The model, one page at a time.

    >>> from vmteach.kernel.reclaim import PageRun
    >>> clean = PageState(Kind.FILE)
    >>> model = Naive(Setup(shm=0, inactive=(PageRun(0, 12, clean),), batch=2), Rules())
    >>> model.reclaim(), model.free, model.now
    (2, 2, 200)
    """

    def __init__(self, setup: Setup, rules: Rules, fuel: int = FUEL) -> None:
        self.setup, self.rules, self.costs, self.sysctls = setup, rules, setup.costs, setup.sysctls
        self.fuel = fuel

        self.memory: dict[int, Page] = {}  # every page in memory by id, also those on no list
        # The inactive list is behind + ahead, tail first; the cursor of clean_pass is between the two.
        # Only the anchored clean pass ever puts a page into `behind`.
        self.behind: deque[Page] = deque()
        self.ahead: deque[Page] = deque()
        self.active: deque[Page] = deque()
        self.nr_inactive = self.nr_active = 0  # pages that are not outside

        self.ptes_of = [[Pte.NONE] * setup.shm for _ in range(setup.processes)]
        self.process, self.address = 0, 0  # where the walk of swap_out goes on

        self.disk: deque[Page] = deque()  # being written, the oldest first
        self.last_done = 0  # when the last write submitted is done, ns
        self.now = 0  # ns
        self.steps = 0
        self.samples: list[Snapshot] = []
        self.wanted: list[int] = []
        self.slotless: set[int] = set()  # pages of the object that were freed clean, without a slot
        self.oom_at: int | None = None  # when it ran out of memory, ns
        self.waits: list[tuple[int, int]] = []  # start and end of each request of a second or more, ns
        self.swap_failed = False  # belongs to the reclaim call
        self.horizon: int | None = None

        self.free, self.slots_used = setup.free, setup.slots_used
        self.writes = self.file_writes = self.swap_ins = self.copied = self.taken = 0
        self.visits = self.clean_visits = self.conversions = self.frees = 0
        self.ptes_seen = self.ptes_destroyed = self.minor_faults = self.major_faults = 0
        self.undone = self.activations = self.refilled = 0
        self.sleeps = self.slept = self.reading = 0
        self.swap_outs = self.passes = self.requests = 0

        for run in setup.inactive:
            for page_id in range(run.first, run.first + run.count):
                self.put_inactive_head(self.new_page(page_id, run.state))
        for run in setup.active:
            for page_id in range(run.first, run.first + run.count):
                self.put_active_head(self.new_page(page_id, run.state))
        for run in setup.ptes:
            for table in self.ptes_of:
                table[run.first : run.first + run.count] = [run.pte] * run.count
        self.next_id = max([setup.shm - 1, *self.memory]) + 1

    # What a test looks at.

    def counters(self) -> dict[str, int]:
        """Every counter of a Snapshot, the time (ns) and the number of pages being written."""
        kinds = [page.kind for page in self.memory.values()]
        counted_now = {
            "swapcache": kinds.count(Kind.SWAPCACHE),
            "pagecache": kinds.count(Kind.SHM) + kinds.count(Kind.FILE),
            "ptes": self.ptes_seen,
        }
        names = Snapshot._fields[1:]
        values = {name: counted_now[name] if name in counted_now else getattr(self, name) for name in names}
        return {**values, "now": self.now, "in_flight": len(self.disk)}

    def snapshots(self) -> list[Snapshot]:
        """The samples, and the counters of the end unless it is at a whole second."""
        if self.samples and self.samples[-1].second * SECOND == self.now:
            return self.samples
        numbers = self.counters()
        return [*self.samples, Snapshot(self.now / SECOND, *(numbers[name] for name in Snapshot._fields[1:]))]

    def inactive_ids(self) -> list[int]:
        """The inactive list, tail first."""
        return [page.id for page in (*self.behind, *self.ahead)]

    def active_ids(self) -> list[int]:
        """The active list, tail first."""
        return [page.id for page in self.active]

    def page(self, page_id: int) -> PageState | None:
        """The state of a page, or None when it is not in memory."""
        return self.memory[page_id].state if page_id in self.memory else None

    def writing(self, page_id: int) -> bool:
        """Whether the model is writing this page."""
        return page_id in self.memory and self.memory[page_id].writing

    def pages(self) -> dict[int, tuple[PageState, bool]]:
        """State, and whether it is being written, of every page in memory."""
        return {page_id: (page.state, page.writing) for page_id, page in self.memory.items()}

    def ptes(self) -> list[list[Pte]]:
        """The page table of each process."""
        return [list(table) for table in self.ptes_of]

    def cursor(self) -> tuple[int, int]:
        """The process that swap_out walks next, and the address where it goes on."""
        return self.process, self.address

    def anchor(self) -> int:
        """Pages behind the cursor of the anchored clean pass."""
        return len(self.behind)

    # The two lists (rules: What there is). The left end of a deque is the tail, the right end the head.

    def new_page(self, page_id: int, state: PageState) -> Page:
        """Bring a page into memory; it is on no list yet."""
        page = self.memory[page_id] = Page(page_id, *state)
        return page

    def entered(self, page: Page, where: str) -> None:
        """Note the list that a page has just joined, and count it if it is in class."""
        page.where = where
        self.nr_inactive += where == "inactive" and not page.outside
        self.nr_active += where == "active" and not page.outside

    def left(self, page: Page) -> None:
        """Note that a page has just left its list."""
        self.nr_inactive -= page.where == "inactive" and not page.outside
        self.nr_active -= page.where == "active" and not page.outside
        page.where = ""

    def put_inactive_head(self, page: Page) -> None:
        """The head is the end of `ahead`."""
        self.ahead.append(page)
        self.entered(page, "inactive")

    def put_inactive_tail(self, page: Page) -> None:
        """The tail is the front of `behind`, or of `ahead` when `behind` is empty."""
        (self.behind or self.ahead).appendleft(page)
        self.entered(page, "inactive")

    def put_active_head(self, page: Page) -> None:
        """Pages join the active list at its head only."""
        self.active.append(page)
        self.entered(page, "active")

    def take_inactive_tail(self) -> Page:
        """Take the page that the scan looks at next."""
        page = (self.behind or self.ahead).popleft()
        self.left(page)
        return page

    def take_active_tail(self) -> Page:
        """Take the page that refill_inactive looks at next."""
        page = self.active.popleft()
        self.left(page)
        return page

    def take_from_inactive(self, page: Page) -> None:
        """Take a page from wherever it is on the inactive list."""
        if self.ahead and self.ahead[-1] is page:  # just visited, the usual case
            self.ahead.pop()
        elif self.ahead and self.ahead[0] is page:  # met by the clean pass
            self.ahead.popleft()
        else:
            (self.behind if page in self.behind else self.ahead).remove(page)
        self.left(page)

    def mapcount(self, page_id: int) -> int:
        """Ptes of this page that are not NONE; only pages of the object have any."""
        if page_id >= self.setup.shm:
            return 0
        return sum(table[page_id] is not Pte.NONE for table in self.ptes_of)

    # Time (rules: After every single step).

    def spend(self, cost: int) -> None:
        """End a step: its cost passes, then writes complete, then the whole seconds are sampled."""
        self.steps += 1
        if self.steps > self.fuel:  # touches can undo what reclaim does, so the rules really can go on for ever
            raise Endless(f"more than {self.fuel} steps")
        self.now += cost
        self.settle()
        self.sample()

    def settle(self) -> None:
        """Complete every write whose time has come, the oldest first."""
        while self.disk and self.disk[0].done <= self.now:
            page = self.disk.popleft()
            page.writing = False
            if self.rules.rotate_written:
                self.put_inactive_tail(page)

    def sample(self) -> None:
        """Take a Snapshot for each whole second that has been reached, and let the processes touch."""
        while self.now >= (len(self.samples) + 1) * SECOND:
            numbers = self.counters()
            second = len(self.samples) + 1
            self.samples.append(Snapshot(second, *(numbers[name] for name in Snapshot._fields[1:])))
            self.touch()

    def sleep_until(self, time: int) -> None:
        """Sleep until a write is done. The step that sleeps settles when it ends."""
        self.sleeps += 1
        self.slept += max(0, time - self.now)
        self.now = max(self.now, time)

    # Reclaim (rules: reclaim, refill_inactive, shrink_cache).

    def reclaim(self) -> int:
        """Free up to `batch` pages; the result is how many (try_to_free_pages_zone)."""
        need, began, frees = self.setup.batch, self.now, self.frees
        self.swap_failed = False
        for _ in range(self.sysctls.vm_passes):
            self.passes += 1
            self.refill_inactive(need)
            need = self.shrink_cache(need)
            if need == 0:
                break
            self.swap_out_unless_failed()
        self.requests += 1
        if self.now - began >= SECOND:
            self.waits.append((began, self.now))
        return self.frees - frees

    def swap_out_unless_failed(self) -> None:
        """After its first failure swap_out is not called again in this reclaim call."""
        if not self.swap_failed:
            self.swap_failed = not self.swap_out()

    def refill_inactive(self, need: int) -> None:
        """Move unreferenced pages from the active tail to the inactive head."""
        quota = need * self.nr_active // (self.nr_inactive * self.sysctls.vm_lru_balance_ratio + 1)
        while quota > 0 and self.active:
            alone = len(self.active) == 1
            page = self.take_active_tail()
            if page.referenced:
                page.referenced = False
                self.put_active_head(page)
                if alone:
                    quota = 0  # the place to go on from was noted before the page was moved: the end of the list
            else:
                quota -= 1
                page.referenced = True
                self.put_inactive_head(page)
                self.refilled += 1
            self.spend(self.costs.visit)

    def shrink_cache(self, need: int) -> int:
        """Scan the inactive list from its tail; the result is how many pages are still needed."""
        if self.rules.clean_pass:
            need = self.clean_pass(need)
            if need == 0:
                return 0
        max_scan = (self.nr_inactive + self.nr_active) // self.sysctls.vm_cache_scan_ratio
        max_mapped = self.sysctls.vm_mapped_ratio * need
        while max_scan > 0 and self.nr_inactive > 0 and need > 0:
            page = self.take_inactive_tail()
            self.put_inactive_head(page)
            self.visits += 1
            if page.outside:  # rules: shrink_cache 2; not charged
                self.spend(self.costs.visit)
                continue
            max_scan -= 1
            verdict = self.visit(page)
            if verdict == "freed":
                need -= 1
            elif verdict == "mapped":
                max_mapped -= 1
                if max_mapped < 0:
                    self.swap_out_unless_failed()
                    max_mapped = need * self.sysctls.vm_mapped_ratio
                    self.refill_inactive(need)
        return need

    def visit(self, page: Page) -> str:
        """One visit of shrink_cache to a page in class, rules 3 to 10: "freed", "mapped" or "kept".

        The visit is one step: every branch spends once.
        """
        in_use = page.pinned or self.mapcount(page.id) > 0
        if page.buffers is Buffers.NONE and (in_use or page.kind is Kind.ANON):  # 3
            self.spend(self.costs.visit)
            return "mapped"
        if page.locked:  # 4, somebody else's lock
            self.spend(self.costs.visit)
            return "kept"
        if page.writing:  # 4, our own write
            if self.setup.fs:
                self.sleep_until(page.done)
            self.spend(self.costs.visit)
            return "kept"
        if page.dirty and page.kind is not Kind.ANON and not in_use and self.setup.fs:  # 5
            self.spend(self.costs.visit + self.writepage(page))
            return "kept"
        if page.buffers is Buffers.BUSY:  # 6
            self.spend(self.costs.visit)
            return "kept"
        if page.buffers is Buffers.DROPPABLE:  # 6
            page.buffers = Buffers.NONE
            if page.kind is Kind.ANON:
                self.free_page(page)
                self.spend(self.costs.visit)
                return "freed"
        if in_use:  # 7
            self.spend(self.costs.visit)
            return "mapped"
        if page.dirty:  # 8
            self.spend(self.costs.visit)
            return "kept"
        self.free_page(page)  # 9 and 10
        self.spend(self.costs.visit)
        return "freed"

    def free_page(self, page: Page) -> None:
        """Take a page of the inactive list out of memory. A slot that it has stays allocated."""
        self.take_from_inactive(page)
        del self.memory[page.id]
        if page.kind is Kind.SHM:
            self.slotless.add(page.id)
        if not page.pinned:  # else it is off the list, and its memory stays with who pinned it
            self.free += 1
            self.frees += 1

    # Writing (rules: writepage).

    def writepage(self, page: Page) -> int:
        """Convert or write the dirty page at the inactive head; the result is the cost of that, ns."""
        if page.kind is Kind.SHM:
            return self.shmem_writepage(page)
        self.submit(page)
        return self.costs.submit

    def shmem_writepage(self, page: Page) -> int:
        """Move a page of the object into the swapcache. The page stays where it is, and dirty."""
        if self.slots_used == self.setup.slots:
            self.activate(page)
            page.referenced = True
            return 0
        self.slots_used += 1
        page.kind = Kind.SWAPCACHE
        page.referenced = False
        self.conversions += 1
        if self.rules.starts_io:
            self.submit(page)
            return self.costs.convert + self.costs.submit
        return self.costs.convert

    def submit(self, page: Page) -> None:
        """Queue a write; the page is clean from now on, and being written until the write is done."""
        page.dirty = False
        if len(self.disk) == self.setup.depth:
            self.sleep_until(self.disk[0].done)
            self.settle()
        self.last_done = page.done = max(self.now, self.last_done) + self.setup.service
        page.writing = True
        self.disk.append(page)
        if page.kind is Kind.FILE:
            self.file_writes += 1
        else:
            self.writes += 1
        if self.rules.rotate_written:
            self.take_from_inactive(page)

    # The look for clean pages (rules: clean_pass).

    def clean_pass(self, need: int) -> int:
        """Free clean, unused pages and leave all others as they are; the result is what is still needed."""
        budget = self.nr_inactive // self.sysctls.vm_cache_scan_ratio
        while budget > 0 and self.nr_inactive > 0 and need > 0:
            if self.rules.anchored:
                if not self.ahead:  # from the head's end back to the tail
                    self.ahead, self.behind = self.behind, self.ahead
                page = self.ahead[0]
            else:
                page = (self.behind or self.ahead)[0]
            self.clean_visits += 1
            if not page.outside:
                budget -= 1
            if self.is_clean_and_unused(page):
                self.free_page(page)
                need -= 1
            elif self.rules.anchored:
                self.behind.append(self.ahead.popleft())
            else:
                self.put_inactive_head(self.take_inactive_tail())
            self.spend(self.costs.visit)
        return need

    def is_clean_and_unused(self, page: Page) -> bool:
        """Whether the clean pass may free this page at once."""
        return not (
            page.outside
            or page.pinned
            or self.mapcount(page.id) > 0
            or page.locked
            or page.writing
            or page.dirty
            or page.buffers is Buffers.BUSY
            or (page.kind is Kind.ANON and page.buffers is Buffers.NONE)
        )

    # The walk of the page tables (rules: swap_out, mark_page_accessed).

    def swap_out(self) -> bool:
        """Walk page tables until `batch` pages became freeable; False when the turns are used up first."""
        self.swap_outs += 1
        want = self.setup.batch
        for _ in range(2 * self.setup.processes + 1):
            while self.address < self.setup.shm:  # swap_out_mm
                page_id = self.address
                self.address += 1
                if self.ptes_of[self.process][page_id] is not Pte.NONE:
                    want -= self.try_to_swap_out(page_id)
                    if want == 0:
                        if not self.setup.area_behind:
                            self.next_process()
                        return True
            self.next_process()
        return False

    def next_process(self) -> None:
        """The walk goes on at the first address of the next process."""
        self.address = 0
        self.process = (self.process + 1) % self.setup.processes

    def try_to_swap_out(self, page_id: int) -> int:
        """Look at one pte of the current process: 1 if its removal made the page freeable, else 0."""
        table, page = self.ptes_of[self.process], self.memory[page_id]
        self.ptes_seen += 1
        if table[page_id] is Pte.YOUNG:  # 1
            table[page_id] = Pte.OLD
            self.mark_page_accessed(page)
            self.spend(self.costs.pte)
            return 0
        if page.where == "active" or page.outside or page.locked or page.writing:  # 2
            self.spend(self.costs.pte)
            return 0
        table[page_id] = Pte.NONE  # 3
        others = 0
        if self.rules.objrmap:
            others = self.mapcount(page_id)
            for other_table in self.ptes_of:
                other_table[page_id] = Pte.NONE
        self.ptes_destroyed += 1 + others
        freeable = self.mapcount(page_id) == 0 and not page.pinned
        self.spend(self.costs.pte * (1 + others))
        return int(freeable)

    def mark_page_accessed(self, page: Page) -> None:
        """The first access sets the flag; the next one activates an inactive page."""
        if page.where == "inactive" and page.referenced:
            self.activate(page)
            page.referenced = False
            self.activations += 1
        else:
            page.referenced = True

    def activate(self, page: Page) -> None:
        """From the inactive list to the active head."""
        self.take_from_inactive(page)
        self.put_active_head(page)

    # The workload (rules: touch, alloc, run).

    def touch(self) -> None:
        """Every process touches the first `hot` pages of the object; it takes no time."""
        for page_id in range(self.setup.hot):
            if page_id not in self.memory:
                if page_id not in self.wanted:
                    self.wanted.append(page_id)
                continue
            page = self.memory[page_id]
            faults = self.setup.processes - self.mapcount(page_id)
            if faults > 0:
                if page.locked or page.writing:
                    continue  # the processes wait
                self.minor_faults += faults
                if page.kind is Kind.SWAPCACHE:
                    page.kind, page.dirty, page.referenced = Kind.SHM, True, False
                    self.slots_used -= 1
                    self.undone += 1
                for _ in range(faults):
                    self.mark_page_accessed(page)
            self.make_all_young(page_id)

    def make_all_young(self, page_id: int) -> None:
        """All processes map the page, and have just used it."""
        for table in self.ptes_of:
            table[page_id] = Pte.YOUNG

    def alloc(self) -> bool:
        """Take a free page, with a request to reclaim if there is none above the watermark."""
        if self.free <= self.setup.min:
            if self.horizon is not None and self.now >= self.horizon:
                raise Stop
            while self.reclaim() == 0:
                if not self.disk:
                    self.oom_at = self.now
                    return False
                self.sleep_until(self.disk[0].done)
                self.spend(0)
            self.kswapd()
        self.free -= 1
        return True

    def kswapd(self) -> None:
        """Go on to `band` pages above the watermark, until a request frees nothing."""
        if self.setup.band:
            while self.free <= self.setup.min + self.setup.band:
                if self.reclaim() == 0:
                    break

    @property
    def oom(self) -> bool:
        """Whether it ran out of memory."""
        return self.oom_at is not None

    def run(self, copy: int, anon: bool = False, horizon: int | None = None) -> None:
        """Copy `copy` pages of files; with `anon` each needs a page of anonymous memory too."""
        self.horizon = horizon
        try:
            for _ in range(copy):
                self.copy_page(anon)
        except Stop:
            pass

    def demand(self, pages: int, cost: int, horizon: int | None = None) -> None:
        """Take pages of memory that join no list; what the processes wait for goes before each."""
        self.horizon = horizon
        try:
            for _ in range(pages):
                self.serve_wanted()
                self.alloc_or_stop()
                self.taken += 1
                self.spend(cost)
        except Stop:
            pass

    def serve_wanted(self) -> None:
        """Bring in what the processes wait for."""
        while self.wanted:
            self.alloc_or_stop()
            self.swap_in(self.wanted[0])

    def copy_page(self, anon: bool) -> None:
        """Bring in what the processes wait for, then copy one page."""
        self.serve_wanted()
        if anon:
            self.alloc_or_stop()
            self.taken += 1
        self.alloc_or_stop()
        page = self.new_page(self.next_id, PageState(Kind.FILE))
        self.next_id += 1
        self.put_inactive_head(page)
        self.copied += 1
        self.reading += self.costs.read
        self.spend(self.costs.read)

    def alloc_or_stop(self) -> None:
        """The run ends when there is no page to be had."""
        if not self.alloc():
            raise Stop

    def swap_in(self, page_id: int) -> None:
        """Read a wanted page back; the read waits until all writes submitted before it are done."""
        self.wanted.remove(page_id)
        begin = self.now
        self.now = max(self.now, self.last_done) + self.setup.service
        self.slept += self.now - begin
        if page_id in self.slotless:
            self.slotless.remove(page_id)
        else:
            self.slots_used -= 1
        self.swap_ins += 1
        page = self.new_page(page_id, PageState(Kind.SHM, dirty=True))
        self.put_inactive_head(page)
        self.major_faults += self.setup.processes
        for _ in range(self.setup.processes):
            self.mark_page_accessed(page)
        self.make_all_young(page_id)
        self.spend(0)
