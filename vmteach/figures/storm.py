"""Chapter 8 step by step: a small machine whose every page can be watched, as the engine's own log has it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from vmteach.figures.data import Group
from vmteach.figures.scene import belt, ring
from vmteach.figures.story import Ask, Frame, Story
from vmteach.kernel.reclaim import RULES, Costs, Kind, PageRun, PageState, Pte, PteRun, Reclaim, Rules, Setup, rules
from vmteach.kernel.reclaim.watch import Watched, watch
from vmteach.kernel.stretches import page_state
from vmteach.machine import Sysctls
from vmteach.patches.shm_big_iron import PATCHED, POLICIES, UNPATCHED

LETTERS = {
    "clean": "C",
    "mapped": "M",
    "dirty": "D",
    "swapcache dirty": "S",
    "writing": "W",
    "swapcache clean": "K",
}
STATES = {
    "C": (["clean file pages", "file pages", "clean"], "data"),
    "M": (["in use: mapped by processes", "in use"], "in use"),
    "D": (["dirty, mapped by nobody", "dirty"], "attention"),
    "S": (["slot reserved, not written", "not written"], "promised"),
    "W": (["being written", "writing"], "moving"),
    "K": (["written: clean", "written"], "done"),
    "B": (["the backup copies", "copies"], "busy"),
    "A": (["the application takes memory", "takes memory"], "in use"),
    "Z": (["one request waits", "waits"], "waits"),
}


class Case(NamedTuple):
    """A small machine whose every step can be watched, and the requests made of it."""

    title: str
    setup: Setup
    requests: int
    beginning: str
    follow: int | None = None  # a page to be followed

    @property
    def places(self) -> int:
        """Pages on both lists at the start."""
        return sum(run.count for run in (*self.setup.inactive, *self.setup.active))

    def work(self, machine: Reclaim) -> None:
        """The requests, one after the other."""
        for _ in range(self.requests):
            machine.reclaim()


SHM, FILE = PageState(Kind.SHM, dirty=True), PageState(Kind.FILE)
SMALL = Setup(
    shm=0,
    slots=22,
    batch=2,
    sysctls=Sysctls(vm_cache_scan_ratio=1, vm_mapped_ratio=2),
    costs=Costs(1_000, 1_000, 1_000, 0, 1_000),
    service=4_000,
    depth=64,
)
STORIES = {
    "How the storm begins": Case(
        "24 pages, requests for 2",
        replace(
            SMALL,
            shm=22,
            inactive=(PageRun(22, 2, FILE),),
            active=(PageRun(0, 22, SHM),),
            processes=2,
            ptes=(PteRun(0, 10, Pte.YOUNG),),
        ),
        requests=2,
        beginning="All shared memory is on the active list: pages 0 to 9 in use, 10 to 21 mapped by nobody.",
    ),
    "One lap of a page": Case(
        "12 pages, requests for 2: follow page 0",
        replace(
            SMALL,
            shm=8,
            inactive=(PageRun(0, 5, SHM), PageRun(8, 2, FILE), PageRun(5, 3, SHM), PageRun(10, 2, FILE)),
        ),
        requests=3,
        beginning="Eight shared pages that nobody maps and four file pages stand on the inactive list. Follow page 0.",
        follow=0,
    ),
}


def first_sentence(function: Callable[..., object]) -> str:
    """What a function of rules.py says of itself."""
    return (function.__doc__ or "").partition(". ")[0].removesuffix(".") + "."


ALONE = {"freed", "found clean", "converted", "converted, written", "swap write"}  # each such page is a step
WALKED = ("aged", "left", "one unmapped", "last unmapped", "all unmapped")
ACTS = {  # what a step is part of, and the kernel's functions that are lit
    **dict.fromkeys(("deactivated", "second chance"), ("refill", ("refill_inactive",))),
    **dict.fromkeys(WALKED, ("walk", ("swap_out",))),
    "in use": ("pass", ("shrink_cache",)),
    "not clean": ("search", ("clean_pass",)),
    "freed": ("free", ("shrink_cache",)),
    "found clean": ("free", ("clean_pass",)),
    "converted": ("convert", ("shrink_cache", "shmem_writepage")),
    "converted, written": ("convert", ("shrink_cache", "shmem_writepage (fix 2)")),
    "swap write": ("write", ("shrink_cache", "swap_writepage")),
}
LIT = {  # the functions, each with what it says of itself, or with its rule
    "refill_inactive": RULES["quota"][1],
    "clean_pass": first_sentence(rules.clean_pass),
    "shrink_cache": first_sentence(rules.shrink_cache),
    "swap_out": RULES["aged"][1],
    "shmem_writepage": RULES["converted"][1],
    "shmem_writepage (fix 2)": RULES["converted, written"][1],
    "swap_writepage": RULES["swap write"][1],
}


class Act(NamedTuple):
    """What the kernel did in one go: a rule of fates.py, its pages, and the machine before it and after it."""

    rule: str
    pages: tuple[int, ...]
    numbers: tuple[int, ...]  # of a refill: need, active, inactive, quota
    before: Watched
    after: Watched

    @property
    def kind(self) -> str:
        """Refill, walk, pass, search, free, convert or write."""
        return ACTS[self.rule][0]

    @property
    def request(self) -> int:
        """Its number, from 1."""
        return self.before.counts["requests"] + 1


def acts(steps: Sequence[Watched]) -> list[Act]:
    """The steps of a watched machine, joined where one goes on with what the one before did.

    >>> case = STORIES["One lap of a page"]
    >>> [act.rule for act in acts(watch(case.setup, POLICIES[PATCHED], case.work))[:3]]
    ['not clean', 'found clean', 'found clean']
    """
    found: list[Act] = []
    numbers: tuple[int, ...] = ()
    for before, after in zip(steps, steps[1:]):
        last = found[-1] if found else None
        if after.rule == "quota":
            numbers = after.numbers
        elif last and after.rule not in ALONE and last.kind == ACTS[after.rule][0] and last.after is before:
            found[-1] = last._replace(pages=(*last.pages, after.page), after=after)
        else:
            found.append(Act(after.rule, (after.page,), numbers, before, after))
    return found


def story(case: Case) -> Story:
    """Both kernels on the same machine, step by step."""
    return Story(
        title=case.title,
        states={key: STATES[key] for key in "CMDSWK"},
        rules=LIT,
        tracks={label: frames(case, POLICIES[label]) for label in (UNPATCHED, PATCHED)},
        gauges={"slots taken": "S", "writes begun": "K", "freed": "C"},
        debts=[("slots taken", "writes begun")],
    )


MARKS = (("free", "a page is free"), ("walk", "the list is empty"), ("write", "first write"))
ASKS = {
    "refill 9 of 2": Ask(
        "The inactive list is empty. How many pages does `refill_inactive` want to move for a request of 2?",
        ["2", "22", "44"],
        2,
        "2 x 22 / (2 x 0 + 1) = 44: more than there are, so all of them move.",
        [
            "That is what the request wants. The quota also depends on the lists.",
            "That is all there are. It wants more.",
            "",
        ],
    ),
    "convert 12 of 2": Ask(
        "How many pages does the unpatched kernel convert before it writes one?",
        ["6", "12", "22"],
        1,
        "All 12 that nobody maps: they stand in a row, and none of them becomes free.",
        [
            "Nothing stops it half way: no page has become free.",
            "",
            "Ten of these are in use, and the scan passes over them.",
        ],
    ),
}


def frames(case: Case, policy: Rules) -> list[Frame]:
    """The acts of one kernel as frames.

    >>> frames(STORIES["How the storm begins"], POLICIES[UNPATCHED])[6].say
    'The walk finds all 9 pages in use: they go back to the active list. The inactive list is empty.'
    """
    steps = watch(case.setup, policy, case.work)
    done = acts(steps)
    told = [Frame(case.beginning, groups(case, steps[0]), key="start", gauges=gauges(case, steps[0]))]
    keys, marks = set[str](), dict(MARKS)
    for act, following in zip(done, [*done[1:], None]):
        key = key_of(case, act)
        mark = marks.pop(act.kind, "") if act.kind != "walk" or not act.after.inactive else ""
        told.append(
            Frame(
                say(case, act, following),
                groups(case, act.after),
                key="" if key in keys else key,
                rule=ACTS[act.rule][1],
                hot=[str(act.pages[-1] if case.follow is None else case.follow)],
                gauges=gauges(case, act.after),
                mark=mark if following else f"{case.setup.batch} pages free",
                ask=ASKS.get(key) if act.rule != "converted, written" else None,
                end="" if following else "good",
                note="" if following else ending_of(steps),
            )
        )
        keys.add(key)
    return told


def ending_of(steps: Sequence[Watched]) -> str:
    """What a story has come to: how many pages had a slot when the first write began."""
    slots = next(step.counts["conversions"] for step in steps if step.counts["writes"])
    owed = f"{slots} pages had a slot: the debt" if slots > 1 else "1 page had a slot: no debt"
    return f"When the first write began, {owed}."


def key_of(case: Case, act: Act) -> str:
    """The name of an event that both kernels share; none where only their own past leads to it."""
    alone = act.kind in ("write", "search") or (act.kind == "free" and act.pages[0] < case.setup.shm)
    return "" if alone else f"{act.kind} {act.pages[0]} of {act.request}"


def groups(case: Case, step: Watched) -> dict[str, Group]:
    """Both lists: the inactive one as a ring under the scan's hand, the active one as a belt."""
    inactive, active = (cells(step, ids) for ids in (step.inactive, step.active))
    middle = f"active list: {len(step.active)}"
    shown = {"inactive": ring("inactive list", inactive, slots=case.places, middle=middle)}
    return {**shown, "active": belt("active list", active)} if case.setup.active else shown


def cells(step: Watched, ids: Sequence[int]) -> str:
    """Pages as the stepper's cells: the letter of their state, and their id."""
    return " ".join(f"{LETTERS[page_state(step.pages[i], i in step.mapcounts)]}{i}" for i in ids)


def gauges(case: Case, step: Watched) -> dict[str, tuple[int, int]]:
    """What is counted: slots, writes, and what this request has freed."""
    count, batch = step.counts, case.setup.batch
    cold = case.setup.shm - sum(run.count for run in case.setup.ptes)
    return {
        "slots taken": (count["slots_used"], cold),
        "writes begun": (count["writes"], cold),
        "freed": (count["frees"] - batch * count["requests"], batch),
    }


def say(case: Case, act: Act, following: Act | None) -> str:
    """The act in a sentence or two; both kernels begin alike."""
    page, before, after = act.pages[0], act.before, act.after
    if act.kind == "refill":
        return refill(case, act)
    if act.kind == "walk":
        went = f"The walk finds all {len(before.inactive)} pages in use: they go back to the active list."
        return f"{went} The inactive list is {len(after.inactive) or 'empty'}."
    if act.kind == "pass":
        next_kind = getattr(following, "kind", "")
        calls = " That is too many: it calls `swap_out`." * (next_kind == "walk")
        return f"The scan passes over {span_of(act.pages)}: in use.{calls}"
    if act.kind == "search":
        return f"The search passes over {span_of(act.pages)}: not clean."
    if act.kind == "free":
        why = "is a clean file page that nobody uses" if page >= case.setup.shm else "is written and clean by now"
        return f"Page {page} {why}. It is freed."
    if act.kind == "write":
        return f"The scan meets page {page} again, a lap later. Only now its write begins."
    how = {"converted": "goes to the head, **unwritten**"}.get(act.rule, "**its write begins at once**")
    return f"The scan takes page {page}: dirty, mapped by nobody. It gets a slot on the swap disk, and {how}."


def refill(case: Case, act: Act) -> str:
    """The quota as a sum, and what moved."""
    need, active, inactive, quota = act.numbers
    moved = len(act.after.inactive) - inactive
    pages = "one page moves" if moved == 1 else f"{'' if act.after.active else 'all '}{moved} pages move"
    balance = case.setup.sysctls.vm_lru_balance_ratio
    return f"The quota is {need} x {active} / ({balance} x {inactive} + 1) = {quota}: {pages} to the inactive list."


def span_of(pages: Sequence[int]) -> str:
    """Page numbers in words.

    >>> span_of([9, 0, 1, 2]), span_of([7])
    ('pages 9 and 0 to 2', 'page 7')
    """
    runs = groupby(enumerate(pages), key=lambda place: place[1] - place[0])
    told = [f"{first} to {rest[-1][1]}" if rest else f"{first}" for _, ((_, first), *rest) in runs]
    return f"page{'s' if len(pages) > 1 else ''} {' and '.join(told)}"
