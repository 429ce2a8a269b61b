"""Chapter 8: what 2.4.27's own reclaim functions did on some 1,600 machines.

`stock` rows must be equal in every counter and in both lists. `natural` (conversions before the first write of swap)
and `copy` (pages written for each page copied) were run with several tasks and kswapd side by side, which one clock
cannot follow to the page: they have a tolerance, and each row beyond it has its reason here.
"""

import re
from hashlib import sha1
from itertools import groupby

from vmteach.cases import Outside
from vmteach.kernel.reclaim import Buffers, Costs, Kind, PageRun, PageState, Pte, PteRun, Reclaim, Rules, Setup
from vmteach.kernel.reclaim.lists import ACTIVE, INACTIVE
from vmteach.kernel.stretches import in_stretches
from vmteach.machine import Sysctls
from vmteach.tables import Case

MILLISECOND, SECOND = 10**6, 10**9  # ns
COUNTERS = (
    "free slots_used writes file_writes visits conversions frees ptes ptes_destroyed sleeps slept passes requests "
    "swap_outs refilled copied reading now in_flight"
).split()
KINDS = {"S": Kind.SHM, "C": Kind.SWAPCACHE, "F": Kind.FILE, "A": Kind.ANON}
PTES = {"o": Pte.OLD, "y": Pte.YOUNG}
BUFFERS = {"b": Buffers.DROPPABLE, "B": Buffers.BUSY}
FIXES = {"": Rules(), "12": Rules(objrmap=True, starts_io=True), "123": Rules(True, True, True)}


def _parts(pattern: str, text: str) -> tuple[str, ...]:
    found = re.fullmatch(pattern, text)
    if not found:
        raise ValueError(f"a run must be as in 106+6Adp, got {text!r}")
    return found.groups()


def page_run(text: str) -> PageRun:
    """A run of pages as the table writes it.

    >>> page_run("106+6Adp").state
    PageState(kind=<Kind.ANON: 'anon'>, dirty=True, referenced=False, pinned=True, locked=False, \
buffers=<Buffers.NONE: 'none'>, outside=False)
    """
    first, count, kind, flags = _parts(r"(\d+)\+(\d+)([SCFA])(\w*)", text)
    buffers = next((BUFFERS[flag] for flag in flags if flag in BUFFERS), Buffers.NONE)
    odd = {"referenced": "r", "pinned": "p", "locked": "l", "outside": "o"}
    state = PageState(KINDS[kind], "d" in flags, buffers=buffers, **{name: flag in flags for name, flag in odd.items()})
    return PageRun(int(first), int(count), state)


def pte_run(text: str) -> PteRun:
    """A run of page table entries as the table writes it."""
    first, count, pte = _parts(r"(\d+)\+(\d+)([oy])", text)
    return PteRun(int(first), int(count), PTES[pte])


def stock_setup(row: Case) -> Setup:
    """The machine of a row of the stock tables."""
    shm, processes, slots, used, free, low, batch = row["m"]
    service, depth = row["d"]
    return Setup(
        shm=shm,
        inactive=tuple(map(page_run, row["inactive"].split())),
        active=tuple(map(page_run, row["active"].split())),
        processes=processes,
        ptes=tuple(map(pte_run, row["ptes"].split())),
        area_behind=bool(row["behind"]),
        slots=slots,
        slots_used=used,
        free=free,
        min=low,
        batch=batch,
        sysctls=Sysctls(*row["y"]),
        costs=Costs(*row["c"]),
        service=service,
        depth=depth,
        fs=bool(row["fs"]),
    )


def short(text: str) -> str:
    """The first ten hexadecimal digits of its SHA-1."""
    return sha1(text.encode()).hexdigest()[:10]


def listed(ids: list[int]) -> str:
    """A list of pages as the table writes it.

    >>> listed([7, 8, 9, 3])
    '7-9 3'
    """
    runs = groupby(enumerate(ids), key=lambda place: place[1] - place[0])
    text = " ".join(f"{first}-{rest[-1][1]}" if rest else str(first) for _, ((_, first), *rest) in runs)
    return text if len(text) <= 60 else "#" + short(text)


def natural_setup(row: Case) -> Setup:
    """All shared memory active, as faults leave it; kswapd wakes at 500 free pages and goes on to 750.

    Pages that are mapped and touched by nobody begin with old entries. The table does not say so; with young ones the
    first walk would leave them, and 11 more rows of copies would differ (INFERRED).
    """
    shm = PageState(Kind.SHM, dirty=True, referenced=row["processes"] > 2)  # the second fault clears the flag
    file = PageRun(row["shm_pages"], row["file_pages"], PageState(Kind.FILE))
    mapped, hot = row["shm_pages"] - row["unmapped_pages"], row["hot_pages"]
    order = in_stretches(mapped, row["unmapped_pages"], row["stretches"])
    return Setup(
        shm=row["shm_pages"],
        inactive=(file,) if file.count else (),
        active=tuple(PageRun(first, count, shm) for first, count in order if count),
        processes=row["processes"],
        ptes=tuple(run for run in (PteRun(0, hot, Pte.YOUNG), PteRun(hot, mapped - hot, Pte.OLD)) if run.count),
        hot=hot if row["touching"] else 0,
        slots=2 * row["shm_pages"],
        free=750,
        min=500 if row["kswapd"] else 250,
        band=250 if row["kswapd"] else 0,
        sysctls=Sysctls(row.get("vm_cache_scan_ratio", 6), vm_mapped_ratio=row.get("vm_mapped_ratio", 100)),
        costs=Costs(visit=100, pte=100, convert=27_000, submit=500, read=50_000),
        service=row.get("service_ns", 65_000),
    )


TOLERANCE = 0.06  # pages written for each page copied; share of the unmapped pages

NATURAL = {  # rows beyond the tolerance, and why
    "o17": "no unmapped pages: the share is of nothing; what is converted was unmapped by 24 tasks at once",
    "o18": "few unmapped pages: 24 tasks unmap some hundreds of others at the same time",
    "o40": "vm_mapped_ratio 10: 24 tasks call swap_out ten times as often, and unmap at the same time",
}
NINE = "the reader goes on while kswapd works, which then needs nine requests and not eight: much, of so few files"
NO_FILES = "no file cache: what is read is all that is clean, and the reader's own pages overlap with kswapd's"
COPY = {
    **dict.fromkeys(("o00", "o02", "o04", "o65"), NINE),
    **dict.fromkeys(("o36", "o37", "o38"), NO_FILES),
    "o57": "ratio 60: the search is short, and what the reader frees beside kswapd counts",
}


def modelled(row: Case) -> bool:
    """Natural rows that the model can be asked for: one kind of demand, and anonymous pages off the lists as in -aa."""
    return not row["vm_anon_lru"] and row["anonymous_tasks"] == row["tasks"]


def conversions_before_the_first_write(row: Case) -> int:
    """In the model: every task takes a page each 5 ms."""
    model, wanted = Reclaim(natural_setup(row)), row["anonymous_limit"] or row["file_pages"] + 5_000
    model.demand(wanted, 5 * MILLISECOND // row["tasks"], row["horizon_s"] * SECOND)
    return (model.before_write or model.count)["conversions"]


def written_per_page(row: Case) -> float:
    """In the model: pages written to swap for each page copied."""
    model = Reclaim(natural_setup(row), FIXES[row["fixes"]]).run(row["copied"])
    return model.count["writes"] / int(row["copied"])


def stock(row: Case) -> str:
    """Every counter, whether it ran out of memory, and both lists."""
    model = Reclaim(stock_setup(row), Rules()).run(row["w"][0], bool(row["w"][1]), row["w"][2])
    counters = {**model.count, "now": model.now, "in_flight": model.disk.n}
    if [counters[name] for name in COUNTERS] != row["k"] or int(model.oom) != row["oom"]:
        return "the counters"
    queues = model.lists.queues
    lists = [page for name in INACTIVE for page in queues[name].ids()], list(queues[ACTIVE].ids())
    return "" if [listed(ids) for ids in lists] == [row["il"], row["al"]] else "the lists"


def natural(row: Case) -> str:
    """Conversions before the first write, as a share of the pages that nobody maps."""
    if not modelled(row):
        return Outside("anonymous pages on the lists, or readers and anonymous demand at once")
    apart = (conversions_before_the_first_write(row) - row["conversions"]) / max(1, row["unmapped_pages"])
    return NATURAL.get(row["id"], "more than 6 % apart") if abs(apart) > TOLERANCE else ""


def copy(row: Case) -> str:
    """Pages written for each page copied."""
    apart = written_per_page(row) - row["writes"] / row["copied"]
    return COPY.get(row["id"], "more than 0.06 apart") if abs(apart) > TOLERANCE else ""


TABLES = {
    **dict.fromkeys(("stock-big-1", "stock-small-1", "stock-small-2", "stock-small-3"), stock),
    "natural": natural,
    "copy": copy,
}
