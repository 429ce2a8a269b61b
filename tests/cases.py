"""Random machines, rules and workloads for the reclaim model: hypothesis strategies that shrink well.

`cases()` are small and odd: every kind of page, every knob. `big_cases()` are plain and long: few runs, so
that one batch after another goes the same way. `aligned_cases()` are between the two: short runs that end where
batches end. What they make is always consistent: `slots_used` counts what is
swapped out, only shm pages in memory are mapped, ids have no gaps.

A workload can still go on for ever, since touches may undo what reclaim does. `play` runs the naive model
with a limit of steps and gives such a case up.
"""

from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

from hypothesis import reject
from hypothesis import strategies as st
from naive import Endless, Naive

from vmteach.kernel.reclaim import SECOND, Buffers, Costs, Kind, PageRun, PageState, Pte, PteRun, Rules, Setup
from vmteach.kernel.stretches import in_stretches
from vmteach.machine import Sysctls

SMALL_FUEL, BIG_FUEL = 50_000, 250_000  # steps; most cases need far fewer

# The rules that the course compares, the kernel before first.
POLICIES = (
    Rules(),
    Rules(objrmap=True),
    Rules(starts_io=True),
    Rules(clean_pass=True),
    Rules(clean_pass=True, anchored=True),
    Rules(rotate_written=True),
    Rules(objrmap=True, starts_io=True),
    Rules(objrmap=True, starts_io=True, clean_pass=True),
    Rules(objrmap=True, starts_io=True, clean_pass=True, anchored=True),
    Rules(starts_io=True, rotate_written=True),
    Rules(objrmap=True, starts_io=True, clean_pass=True, rotate_written=True),
)

# All combinations that make sense: only a clean pass can be anchored, and written pages
# that are off the list would leave its place in the list undefined.
ALL_RULES = tuple(
    Rules(objrmap, starts_io, clean_pass, anchored, rotate_written)
    for clean_pass, anchored, rotate_written, starts_io, objrmap in product((False, True), repeat=5)
    if not anchored or (clean_pass and not rotate_written)
)


class Chunk(NamedTuple):
    """`count` pages with neighbouring ids and one fate."""

    count: int
    where: str  # "inactive", "active", or "out" for swapped out
    state: PageState
    pte: Pte  # of every process


class Demand(NamedTuple):
    """Pages that join no list, taken one each `cost` ns, before the copy or after it."""

    pages: int
    cost: int
    first: bool


class Case(NamedTuple):
    """A machine, its rules and a workload."""

    setup: Setup
    rules: Rules
    copy: int
    anon: bool
    horizon: int | None  # ns
    demand: Demand | None = None

    def play(self, model: Any) -> None:
        """The whole workload on one model or the other."""
        if self.demand and self.demand.first:
            model.demand(self.demand.pages, self.demand.cost, self.horizon)
        model.run(self.copy, self.anon, self.horizon)
        if self.demand and not self.demand.first:
            model.demand(self.demand.pages, self.demand.cost, self.horizon)


def rules() -> st.SearchStrategy[Rules]:
    """Any rules that make sense, the plainest first."""
    return st.sampled_from(ALL_RULES)


def bands() -> st.SearchStrategy[int]:
    """How far kswapd goes on: mostly not at all, or for some batches."""
    return st.sampled_from([0, 0, 0, 1, 7, 32, 50, 255])


def demands(most: int = 2_000) -> st.SearchStrategy[Demand | None]:
    """Memory that joins no list, in one case of three."""
    costs = st.sampled_from([50_000, 0, 1, 1_000_000, SECOND // 7])
    return st.one_of(st.none(), st.none(), st.builds(Demand, st.integers(0, most), costs, st.booleans()))


def copies(most: int = 2_000) -> st.SearchStrategy[int]:
    """A number of pages to copy."""
    return st.integers(0, most)


def states(kind: Kind, dirty: list[bool]) -> st.SearchStrategy[PageState]:
    """A page of this kind in any state; two in three are neither pinned, locked, outside nor with buffers."""
    odd = [*product((False, True), (False, True), Buffers, (False, True))]
    plain = [odd[0]] * (0 if kind is Kind.ANON else 2 * len(odd))  # an ANON page is freed only by its buffers
    singles = [flags for flags in odd if sum(a != b for a, b in zip(flags, odd[0], strict=True)) == 1] * 4
    return st.builds(
        lambda is_dirty, referenced, flags: PageState(kind, is_dirty, referenced, *flags),
        st.sampled_from(dirty),
        st.booleans(),
        st.sampled_from(plain + singles + odd),
    )


def places() -> st.SearchStrategy[str]:
    """A list, more often the inactive one."""
    return st.sampled_from(["inactive", "inactive", "active"])


def shm_chunks(count: st.SearchStrategy[int]) -> st.SearchStrategy[Chunk]:
    """Pages of the object: mapped or not, converted, or swapped out."""
    shm = states(Kind.SHM, [True] * 9 + [False])
    converted = states(Kind.SWAPCACHE, [False, True])
    ptes, unmapped = st.sampled_from([Pte.NONE, Pte.OLD, Pte.YOUNG]), st.just(Pte.NONE)
    return st.one_of(
        st.builds(Chunk, count, places(), shm, ptes),
        st.builds(Chunk, count, places(), shm, ptes),
        st.builds(Chunk, count, places(), converted, unmapped),
        st.builds(Chunk, count, st.just("out"), st.just(PageState(Kind.SHM)), unmapped),
    )


def other_chunks(count: st.SearchStrategy[int]) -> st.SearchStrategy[Chunk]:
    """Pages of files, anonymous ones, and swapcache that is not the object's."""
    dirty = [False, False, True]
    file, anon, swapcache = (states(kind, dirty) for kind in (Kind.FILE, Kind.ANON, Kind.SWAPCACHE))
    state = st.one_of(file, file, file, file, anon, swapcache)
    return st.builds(Chunk, count, places(), state, st.just(Pte.NONE))


def plain_chunks(count: st.SearchStrategy[int], of_shm: bool) -> st.SearchStrategy[Chunk]:
    """Long runs in the states that matter most: clean file, dirty or mapped shm, some of it swapped."""
    file, shm, swapcache = PageState(Kind.FILE), PageState(Kind.SHM, dirty=True), PageState(Kind.SWAPCACHE)
    seen = file._replace(referenced=True), shm._replace(referenced=True)
    if not of_shm:
        fates = [
            ("inactive", file),
            ("inactive", file._replace(dirty=True)),
            ("active", file),
            ("active", seen[0]),
            ("inactive", file._replace(buffers=Buffers.DROPPABLE)),
            ("inactive", file._replace(outside=True)),
        ]
        return st.builds(lambda n, fate: Chunk(n, *fate, Pte.NONE), count, st.sampled_from(fates))
    fates = [
        ("inactive", shm, Pte.NONE),
        ("inactive", shm, Pte.OLD),
        ("inactive", shm, Pte.YOUNG),
        ("inactive", seen[1], Pte.OLD),
        ("inactive", seen[1], Pte.YOUNG),
        ("active", shm, Pte.YOUNG),
        ("active", seen[1], Pte.OLD),
        ("inactive", swapcache, Pte.NONE),
        ("inactive", swapcache._replace(dirty=True), Pte.NONE),
        ("inactive", shm._replace(pinned=True), Pte.NONE),
        ("out", shm, Pte.NONE),
    ]
    return st.builds(lambda n, fate: Chunk(n, *fate), count, st.sampled_from(fates))


def laid_out(shm_part: list[Chunk], other_part: list[Chunk], order: list[int]) -> dict:
    """The fields of Setup about pages: ids go up from chunk to chunk, the lists are in the order `order`."""
    first, placed, ptes = 0, [], []
    for chunk in (*shm_part, *other_part):
        placed.append((chunk.where, PageRun(first, chunk.count, chunk.state)))
        if chunk.pte is not Pte.NONE:
            ptes.append(PteRun(first, chunk.count, chunk.pte))
        first += chunk.count
    shuffled = [placed[index] for index in order]
    return {
        "shm": sum(chunk.count for chunk in shm_part),
        "inactive": tuple(run for where, run in shuffled if where == "inactive"),
        "active": tuple(run for where, run in shuffled if where == "active"),
        "ptes": tuple(ptes),
    }


def slots_needed(chunks: list[Chunk]) -> int:
    """Slots that pages swapped out, and pages in the swapcache, hold."""
    return sum(c.count for c in chunks if c.where == "out" or c.state.kind is Kind.SWAPCACHE)


def up_to(chunks: list[Chunk], most: int) -> list[Chunk]:
    """The first chunks that have no more than `most` pages together."""
    kept = []
    for chunk in chunks:
        most -= chunk.count
        if most < 0:
            break
        kept.append(chunk)
    return kept


@st.composite
def setups(draw) -> Setup:
    """Small machines: up to 60 pages of shm and 60 others, in any state, with any knobs."""
    count = st.integers(1, 12)
    shm_part = up_to(draw(st.lists(shm_chunks(count), max_size=12)), 60)
    other_part = up_to(draw(st.lists(other_chunks(count), max_size=12)), 60)
    pages = laid_out(shm_part, other_part, draw(st.permutations(range(len(shm_part) + len(other_part)))))
    slots_used = slots_needed(shm_part + other_part) + draw(st.integers(0, 3))
    quick = st.sampled_from([100, 100, 1, 0, SECOND // 7])  # with the last, seconds go by within one scan
    return Setup(
        **pages,
        processes=draw(st.integers(1, 6)),
        hot=draw(st.integers(0, pages["shm"])),
        slots=slots_used + draw(st.sampled_from([200, 10, 1, 0])),
        slots_used=slots_used,
        free=draw(st.integers(0, 8)),
        min=draw(st.integers(0, 4)),
        band=draw(bands()),
        area_behind=draw(st.sampled_from([True, True, False])),
        batch=draw(st.sampled_from([2, 3, 4, 8, 32])),
        sysctls=Sysctls(
            vm_cache_scan_ratio=draw(st.sampled_from([1, 2, 3, 6, 20])),
            vm_passes=draw(st.sampled_from([1, 3, 10, 60])),
            vm_mapped_ratio=draw(st.sampled_from([1, 2, 5, 100])),
            vm_lru_balance_ratio=draw(st.sampled_from([1, 2, 5])),
        ),
        costs=Costs(
            visit=draw(quick),
            pte=draw(quick),
            convert=draw(quick),
            submit=draw(quick),
            read=draw(st.sampled_from([50_000, 1, SECOND // 7, 3 * SECOND // 2])),
        ),
        service=draw(st.sampled_from([65_000, 1, 250, SECOND // 11, SECOND])),
        depth=draw(st.sampled_from([1, 2, 3, 8, 1024])),
        fs=draw(st.sampled_from([True] * 9 + [False])),
    )


@st.composite
def big_setups(draw) -> Setup:
    """Machines of a few long runs, up to 1,500 pages of shm and 1,500 others."""
    count = st.integers(1, 40).map(lambda n: 25 * n) | st.integers(1, 1_000)
    shm_part = up_to(draw(st.lists(plain_chunks(count, True), min_size=1, max_size=4)), 1_500)
    other_part = up_to(draw(st.lists(plain_chunks(count, False), min_size=1, max_size=4)), 1_500)
    pages = laid_out(shm_part, other_part, draw(st.permutations(range(len(shm_part) + len(other_part)))))
    slots_used = slots_needed(shm_part + other_part)
    return Setup(
        **pages,
        processes=draw(st.integers(1, 3)),
        hot=draw(st.sampled_from([0, 0, 1, pages["shm"] // 10, pages["shm"]])) if pages["shm"] else 0,
        slots=slots_used + draw(st.sampled_from([4_000, 1_000, 100])),
        slots_used=slots_used,
        free=draw(st.sampled_from([0, 10, 200])),
        min=draw(st.sampled_from([0, 5])),
        band=draw(bands()),
        batch=draw(st.sampled_from([32, 8])),
        sysctls=Sysctls(
            vm_cache_scan_ratio=draw(st.sampled_from([6, 1, 2, 20])),
            vm_passes=draw(st.sampled_from([60, 10, 3])),
            vm_mapped_ratio=draw(st.sampled_from([100, 5, 1])),
            vm_lru_balance_ratio=draw(st.sampled_from([2, 1, 5])),
        ),
        costs=Costs(read=draw(st.sampled_from([50_000, 5_000_000, 70_000_000]))),
        service=draw(st.sampled_from([65_000, 1_000, 2_000_000])),
        depth=draw(st.sampled_from([1024, 32, 3])),
    )


@st.composite
def aligned_setups(draw) -> Setup:
    """Small batches, and runs that are mostly as long as so many of them: states change where a leap would end."""
    batch = draw(st.sampled_from([2, 1, 3, 4, 8]))
    count = st.integers(1, 60).map(lambda n: batch * n) | st.integers(1, 300)
    shm_part = draw(st.lists(plain_chunks(count, True), max_size=4))
    other_part = draw(st.lists(plain_chunks(count, False), min_size=1, max_size=4))
    pages = laid_out(shm_part, other_part, draw(st.permutations(range(len(shm_part) + len(other_part)))))
    slots_used = slots_needed(shm_part + other_part)
    read = draw(st.sampled_from([50_000, 1_000_000, 15_625_000, 70_000_000, SECOND // 7]))
    rest = draw(st.sampled_from([Costs(), Costs(0, 0, 0, 0), Costs(1, 1, 1, 1), Costs(*[SECOND // 5_000] * 4)]))
    return Setup(
        **pages,
        processes=draw(st.integers(1, 3)),
        hot=draw(st.sampled_from([0, 0, 0, pages["shm"]])),
        slots=slots_used + draw(st.sampled_from([4_000, 100, 20, 0])),
        slots_used=slots_used,
        batch=batch,
        band=draw(bands()),
        sysctls=Sysctls(
            vm_cache_scan_ratio=draw(st.sampled_from([1, 6, 2, 20])),
            vm_passes=draw(st.sampled_from([60, 3])),
            vm_mapped_ratio=draw(st.sampled_from([100, 5, 1])),
            vm_lru_balance_ratio=draw(st.sampled_from([2, 1, 5])),
        ),
        costs=replace(rest, read=read),
        service=draw(st.sampled_from([65_000, 1, 1_000, 2_000_000])),
        depth=draw(st.sampled_from([1024, 3, 32])),
    )


def horizons(setup: Setup) -> st.SearchStrategy[int | None]:
    """When the workload stops by itself, ns. Always set where hot pages could be read in again and again."""
    end = st.integers(1, 150).map(lambda tenths: tenths * SECOND // 10)
    return end if setup.hot else st.none() | end


@st.composite
def cases(draw) -> Case:
    """A small machine and up to 60 pages to copy."""
    setup = draw(setups())
    return Case(setup, draw(rules()), draw(copies(60)), draw(st.booleans()), draw(horizons(setup)), draw(demands(60)))


@st.composite
def big_cases(draw) -> Case:
    """A machine of long runs and up to 2,000 pages to copy."""
    setup = draw(big_setups())
    return Case(setup, draw(rules()), draw(copies()), draw(st.booleans()), draw(horizons(setup)), draw(demands()))


@st.composite
def aligned_cases(draw) -> Case:
    """A machine of runs that end where batches do, and up to 600 pages to copy."""
    setup = draw(aligned_setups())
    return Case(setup, draw(rules()), draw(copies(600)), draw(st.booleans()), draw(horizons(setup)), draw(demands(600)))


@st.composite
def strolling_cases(draw) -> Case:
    """Busy pages that everybody touches, and walks of page tables that take seconds and find little or nothing."""
    hot, cold, beyond = draw(st.integers(1, 8)), draw(st.integers(0, 6)), draw(st.integers(0, 3))
    busy = PageState(Kind.SHM, dirty=True, referenced=True)
    pinned, file = PageState(Kind.FILE, pinned=True), PageState(Kind.FILE)
    shm, stuck = hot + cold + beyond, draw(st.integers(1, 12))
    chunks = [PageRun(shm, stuck, pinned), PageRun(shm + stuck, draw(st.integers(0, 4)), file)]
    chunks += [PageRun(hot, cold, busy._replace(referenced=draw(st.booleans())))]
    setup = Setup(
        shm=shm,
        inactive=tuple(run for run in draw(st.permutations(chunks)) if run.count),
        active=(PageRun(0, hot, busy),),
        processes=draw(st.integers(1, 8)),
        ptes=(PteRun(0, hot, Pte.YOUNG), *([PteRun(hot, cold, draw(st.sampled_from([*Pte])))] if cold else [])),
        hot=draw(st.integers(max(1, hot - 1), hot)),
        slots=beyond + draw(st.integers(0, 9)),
        slots_used=beyond,
        batch=draw(st.sampled_from([2, 3, 8])),
        sysctls=Sysctls(vm_cache_scan_ratio=1, vm_passes=draw(st.integers(1, 3)), vm_mapped_ratio=1),
        costs=Costs(pte=SECOND // draw(st.integers(1, 30))),
    )
    return Case(setup, draw(rules()), draw(copies(12)), draw(st.booleans()), draw(st.integers(1, 90)) * SECOND // 10)


@st.composite
def natural_cases(draw) -> Case:
    """All shared memory active, the last of it mapped by nobody; few file pages; a copy, a demand, or both."""
    pages = draw(st.integers(200, 3_000))
    file = pages * draw(st.sampled_from([3, 1, 6, 15, 30])) // 100
    shm = pages - file
    cold = shm * draw(st.sampled_from([37, 0, 10, 60, 100])) // 100
    state = PageState(Kind.SHM, dirty=True, referenced=draw(st.sampled_from([True, True, False])))
    order = in_stretches(shm - cold, cold, draw(st.sampled_from([0, 0, -1, 7])))
    first = draw(st.booleans())
    setup = Setup(
        shm=shm,
        inactive=(PageRun(shm, file, PageState(Kind.FILE)),) if file else (),
        active=tuple(PageRun(low, count, state) for low, count in order if count),
        processes=draw(st.sampled_from([3, 1, 2, 9])),
        ptes=(PteRun(0, shm - cold, Pte.YOUNG),) if shm > cold else (),
        hot=draw(st.sampled_from([shm - cold, 0, (shm - cold) // 2])),
        slots=draw(st.sampled_from([2 * shm, shm // 20])),
        free=draw(st.sampled_from([0, 30])),
        band=draw(st.sampled_from([63, 255, 0, 30])),
        batch=draw(st.sampled_from([8, 32])),
        sysctls=Sysctls(
            vm_cache_scan_ratio=draw(st.sampled_from([6, 1, 20, 60])),
            vm_mapped_ratio=draw(st.sampled_from([100, 10, 3])),
            vm_lru_balance_ratio=draw(st.sampled_from([2, 2, 1])),
        ),
        costs=draw(st.sampled_from([Costs(50, 25, 25_600, 500, 48_828), Costs(read=2_000_000), Costs(1, 1, 1, 1, 1)])),
        service=draw(st.sampled_from([390_625, 65_000, 2_000_000, 1_000])),
        depth=draw(st.sampled_from([1_024, 32, 3])),
        fs=draw(st.sampled_from([True, True, True, False])),
    )
    copy, demand = draw(st.sampled_from([0, pages // 2, pages])), draw(st.sampled_from([0, 0, file + 99, pages // 2]))
    wanted = Demand(demand, draw(st.sampled_from([33_898, 1, 1_000_000])), first) if demand else None
    return Case(setup, draw(rules()), copy, False, draw(st.integers(1, 60)) * SECOND // 10, wanted)


def play(case: Case, fuel: int = SMALL_FUEL) -> Naive:
    """The naive model after the whole workload; a case that needs more steps than `fuel` is given up."""
    model = Naive(case.setup, case.rules, fuel)
    try:
        case.play(model)
    except Endless:
        reject()
    return model
