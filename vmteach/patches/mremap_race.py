"""The mremap race: a look-up is repeated after a lock was dropped, and nobody asked whether it found anything.

changelog   21_pte-highmem-mremap-smp-scale-2: "Fix race condition if src is cleared under us while we allocate the
            pagetable (from 2.6 CVS, from Andrew)."
source      mm/mremap.c, move_one_page(), of 2.4.22, 2.4.27 and early 2.6 (read; run: data/cases). The text of the -aa
            patch was not found: the steps of version 1 are those of a public patch for 2.4.19 (linux-mm, 25 November
            2002) and of the 2.6.3 release candidates; that -aa had them is inferred
unpatched   the source entry is looked up again after the page table of the target was allocated; if the look-up
            finds nothing, its null pointer is read through
patched     if the second look-up finds nothing, the page is skipped: there is nothing left to move
left out    TLB flushes, several pages of one move, time, a clearer that sleeps, who else waits for mmap_sem
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, NamedTuple

from vmteach.kernel import entry
from vmteach.kernel.entry import INVARIANTS, LIST, NO_POINTER, NONE, OOPS, PRESENT, PTL, SWAP, Clearer, Tables
from vmteach.kernel.interleavings import Explored, explore
from vmteach.kernel.request import request
from vmteach.kernel.threads import END, Program, Schedule, State, Step, Thread, replay, walk
from vmteach.machine import GIB, PRESETS, Machine, Sysctl, panel
from vmteach.run import Control, Preset, Run, among, inputs, takes_inputs, within

POINTER, NULL = "pointer", "null"  # what M knows of the source entry, if it knows anything
MMAP_SEM = "mmap_sem"


@dataclass(frozen=True)
@inputs
class Scenario:
    """One page is moved from an old to a new address while others may clear its entry.

    >>> Scenario(clearers=3)
    Traceback (most recent call last):
        ...
    ValueError: clearers must be between 0 and 2, got 3
    """

    machine: Machine = PRESETS["2 GB"]
    vm_cache_scan_ratio: Sysctl = 6
    clearers: Annotated[int, within(0, 2)] = 1  # threads that clear the entry of this page, once each
    mapped_mib: Annotated[int, within(0, 1024, "MiB")] = 12  # mapped, at the inactive tail, in front of clean pages
    clearer: Clearer = Clearer.TRUNCATE
    table_present: bool = False  # the target's page table exists, or a free one is in the CPU's stock
    allocation_fails: bool = False  # there is no memory for that table
    entry: Annotated[str, among(NONE, PRESENT)] = PRESENT  # of the source, at the beginning
    addr: Annotated[int, within(0, 1 << 46)] = 0x4000_0000  # target of the whole move
    length: Annotated[int, within(1, 1 << 46, "bytes")] = GIB  # of the whole move

    @property
    def starved(self) -> bool:
        """Whether the target's table is needed and cannot be had."""
        return self.allocation_fails and not self.table_present

    @property
    def own_reclaim(self) -> bool:
        """Whether M's own allocation gets as far as swap_out, which may meet the page that is being moved."""
        return not self.table_present and request(self.machine, self.vm_cache_scan_ratio, self.mapped_mib).swap_outs > 0


@dataclass(frozen=True)
@inputs
class Policy:
    """How one page is moved when the lock was dropped in between."""

    skips_if_gone: bool = False  # the second look-up is asked whether it found anything
    nothing: tuple[str, ...] = (NONE,)  # what the second look-up takes for nothing
    atomic: bool = True  # the source entry is seen through an atomic map
    drops_map: bool = True  # ... which is given up before the allocation
    rereads: bool = True  # the entry is read again after the allocation
    clears_old: bool = True  # the source entry is cleared when the target is written
    table_first: bool = False  # the target's table is allocated before anything is looked up
    holds_list: bool = False  # the file's list is locked from before the move to after the new place is in it


UNPATCHED, PATCHED, TODAY = "unpatched (version 1)", "patched (version 2)", "today (tables first)"
MAINLINE = "mainline 2.4.22 (no atomic maps)"
CACHED, KEPT, SKIPS, LEAVES = (
    f"what if: {name}" for name in ("cached value", "keep mapped", "skip always", "leave the old entry")
)
POLICIES: dict[str, Policy] = {
    UNPATCHED: Policy(),
    PATCHED: Policy(skips_if_gone=True),
    MAINLINE: Policy(atomic=False),
    TODAY: Policy(skips_if_gone=True, table_first=True, holds_list=True),
    CACHED: Policy(skips_if_gone=True, rereads=False),
    KEPT: Policy(skips_if_gone=True, drops_map=False),
    SKIPS: Policy(skips_if_gone=True, nothing=(NONE, SWAP)),
    LEAVES: Policy(skips_if_gone=True, clears_old=False),
}

CONTROLS = (
    *panel(),
    Control("clearers", "clearing threads", (0, 1, 2)),
    Control("mapped_mib", "mapped pages in front", (0, 4, 8, 12, 16), "MiB"),
)
TRY = (
    Preset("truncate beside it", {}),
    Preset("alone", {"clearers": 0}),
    Preset("12 MiB in front of 8 GB", {"clearers": 0, "machine": "8 GB"}),
)


def move_one_page(scenario: Scenario, policy: Policy) -> Thread:
    """Thread M: the rows of the move, in the policy's order.

    >>> [step.at for step in move_one_page(Scenario(), POLICIES[UNPATCHED]).steps][:7]
    ['M1', 'M2', 'M3', 'M4', 'M5', 'M6', 'M7']
    """
    rows = {step.at: step for step in _rows(scenario, policy)}
    allocation = " ".join(at for at in rows if at.startswith("M6"))
    listing = scenario.clearer is Clearer.LISTED
    early = "M0" if listing and policy.holds_list else ""
    if policy.table_first:
        order = f"M1 {allocation} {early} M7 M3 M8 M10 M11 M12"
    else:
        order = f"M1 {early} M2 M3 M4 M5 {allocation} M7 M8 M9 M10 M11 M12"
    enter = ("L2 L3" if early else "L1 L2 L3") if listing else ""
    return Thread("M", tuple(rows[at] for at in f"{order} {enter} M13 {OOPS}".split()))


class Moving(NamedTuple):
    """What M's steps do to the tables, as the policy has it.

    >>> seen = Moving(POLICIES[UNPATCHED]).look(Tables(PRESENT, NONE, table=False, freed=False))
    >>> seen.src, Moving(POLICIES[UNPATCHED]).drop(seen).src
    ('pointer', '-')
    """

    policy: Policy

    def look(self, tables: Tables) -> Tables:
        """M3: M has a pointer to the source entry and knows its value; the map is atomic where the policy says so."""
        return tables._replace(src=POINTER, kept=tables.old, src_map=self.policy.atomic)

    def drop(self, tables: Tables) -> Tables:
        """M4: the atomic map is given up before the allocation, and the pointer with it."""
        gives_up = self.policy.atomic and self.policy.drops_map
        return tables._replace(src=NO_POINTER, src_map=False) if gives_up else tables

    def map_target(self, tables: Tables) -> Tables:
        """M8: the target's slot is seen through an atomic map as well."""
        return tables._replace(dst_map=self.policy.atomic)

    def dropped(self, tables: Tables) -> bool:
        """Whether the entry has to be looked up again."""
        return self.policy.rereads and tables.src == NO_POINTER

    def gone(self, tables: Tables) -> bool:
        """The question of version 2: whether the second look-up finds what the policy takes for nothing."""
        return self.dropped(tables) and tables.old in self.policy.nothing

    def look_again(self, tables: Tables) -> Tables:
        """M9: a pointer again, or the null pointer that version 1 reads through at M10."""
        if not self.dropped(tables):
            return tables
        found = tables.old not in self.policy.nothing
        return tables._replace(src=POINTER if found else NULL, src_map=found)

    def move(self, tables: Tables) -> Tables:
        """M11: the value goes to the target; without a table for it, back to where it was."""
        value = tables.old if self.policy.rereads else tables.kept
        if not tables.table:
            return tables._replace(old=value)
        return tables._replace(new=value, old=NONE if self.policy.clears_old else tables.old)


def unmap(tables: Tables) -> Tables:
    """M gives up both maps."""
    return tables._replace(src=NO_POINTER, src_map=False, dst_map=False)


def _rows(scenario: Scenario, policy: Policy) -> Iterator[Step]:
    """Every row that a policy may use."""
    moving = Moving(policy)
    yield Step("M1", take=MMAP_SEM)
    yield Step("M2", take=PTL)
    yield Step("M3", "look the source up (none: leave)", do=moving.look, when=lambda t: t.old == NONE, goto="M12")
    yield Step("M4", "target's table there? (if not: drop the map)", do=moving.drop, when=lambda t: t.table, goto="M8")
    yield Step("M5", give=PTL)
    yield from _allocation(scenario, policy)
    yield Step("M8", "map the target slot", do=moving.map_target)
    again = Step("M9", "look the source up again", do=moving.look_again)
    leaves = again._replace(does=f"{again.does} (nothing: leave)", when=moving.gone, goto="M12")
    yield leaves if policy.skips_if_gone else again
    yield Step("M10", "read through the pointer (null: oops)", when=lambda t: t.src == NULL, goto=OOPS)
    yield Step("M11", "clear the source, write the target", do=moving.move)
    yield Step("M12", "drop the maps, unlock PTL", give=PTL, do=unmap)
    yield from _last_rows(scenario)


def _allocation(scenario: Scenario, policy: Policy) -> Iterator[Step]:
    """M6 and M7: a page for the table, for which M may have to reclaim, and the lock again."""
    yield Step("M6", "allocate a table page (may sleep)")
    if scenario.own_reclaim:
        own = Clearer.ANON if scenario.clearer is Clearer.ANON else Clearer.FILE
        yield Step("M6a", "own reclaim: lock PTL", take=PTL, rests=True)
        yield Step("M6b", "swap_out clears the entry", do=entry.clearing(own))
        yield Step("M6c", give=PTL)
    if scenario.starved:
        leave = "M12" if policy.table_first else "M9"
        yield Step("M7", "lock PTL: there is no table", take=PTL, goto=leave, rests=True)
    else:
        yield Step("M7", "lock PTL, install the table", take=PTL, do=lambda t: t._replace(table=True), rests=True)


def _last_rows(scenario: Scenario) -> Iterator[Step]:
    """The file's list of mappings, the return, and the end of a thread that crashed."""
    yield Step("M0", "lock the file's list", take=LIST)
    yield Step("L1", "lock the file's list", take=LIST)
    yield Step("L2", "the new place enters the list", do=lambda t: t._replace(listed=True))
    yield Step("L3", "unlock the file's list", give=LIST)
    says = f"unlock mmap_sem, return {'ENOMEM' if scenario.starved else 0}"
    yield Step("M13", says, give=MMAP_SEM, do=lambda t: t._replace(returned=not scenario.starved), goto=END)
    yield Step(OOPS, "the kernel kills the thread, locks and all", goto=END)


def program(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Program:
    """M and the clearers on the machine's CPUs.

    >>> [each.name for each in program(Scenario(clearers=2)).threads]
    ['M', 'C', 'D']
    """
    others = (entry.clearer_thread(name, scenario.clearer) for name in "CD"[: scenario.clearers])
    threads = (move_one_page(scenario, policy), *others)
    tables = Tables(scenario.entry, NONE, scenario.table_present, freed=False)
    return Program(threads, tables, min(scenario.machine.cpus, len(threads)))


def broken(scenario: Scenario, state: State) -> str:
    """The first invariant that does not hold in this state, such as "I1"; empty if all do.

    >>> broken(Scenario(), program().start)
    ''
    """
    alone = not scenario.clearers and not scenario.own_reclaim
    anonymous = scenario.clearer is Clearer.ANON and scenario.entry == PRESENT
    held = frozenset(lock for locks in state.held for lock in locks)
    at, ended = state.at[0], set(state.at) == {END}
    seen = entry.Judged(state.data, at, state.held[0], held, ended, scenario.entry, alone, anonymous)
    return next((name for name, breaks in entry.BREAKS.items() if breaks(seen)), "")


def explored(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Explored:
    """Every interleaving; a state that breaks an invariant is not left any more.

    >>> sorted(explored(policy=POLICIES[UNPATCHED]).first), sorted(explored().first)
    (['I1'], [])
    """
    return explore(program(scenario, policy), lambda state: broken(scenario, state))


class Found(NamedTuple):
    """What exploring found: the broken invariant that is nearest, and a shortest way to it."""

    states: int
    breaks: str
    shortest: Schedule


@lru_cache(maxsize=2048)
def found(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Found:
    """What exploring found; kept.

    >>> found(policy=POLICIES[UNPATCHED]).breaks, len(found(policy=POLICIES[UNPATCHED]).shortest)
    ('I1', 13)
    """
    seen = explored(scenario, policy)
    kind = min(seen.first, key=lambda name: (len(seen.first[name]), name), default="")
    return Found(seen.states, kind, seen.first.get(kind, ()))


def span(machine: Machine) -> int:
    """Bytes that one page table covers: 4 MiB, with PAE (32 bits, above 4 GB) 2 MiB, with 64 bits page x page / 8.

    >>> [span(PRESETS[name]) >> 20 for name in ("4 GB", "8 GB", "64-bit 64 GB")]
    [4, 2, 32]
    """
    long_entries = machine.word == 64 or machine.ram > 4 * GIB
    return machine.page * (machine.page // (8 if long_entries else 4))


def windows(addr: int, length: int, covers: int) -> int:
    """Page tables that the target of a move needs: as often the lock may be dropped.

    >>> windows(0x4000_1000, 4 << 20, 4 << 20)
    2
    """
    return (addr + length - 1) // covers - addr // covers + 1


@takes_inputs
def simulate(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Run:
    """The shortest schedule to a broken invariant, or else one run to the end.

    That run starts with the turns that crash version 1. The numbers are those of all interleavings.

    >>> simulate(policy=POLICIES[UNPATCHED]).numbers["what can happen"]
    'I1 null dereference'
    >>> simulate().numbers["what can happen"]
    'nothing bad'
    """
    here = found(scenario, policy)
    turns = [event.thread for event in found(scenario, POLICIES[UNPATCHED]).shortest]
    events = here.shortest or replay(program(scenario, policy), turns, onward=True)
    asked = request(scenario.machine, scenario.vm_cache_scan_ratio, scenario.mapped_mib)
    numbers = {
        "what can happen": f"{here.breaks} {INVARIANTS[here.breaks]}" if here.breaks else "nothing bad",
        "shortest way there (steps)": len(here.shortest) or "none",
        "states explored": here.states,
        "own reclaim reaches swap_out": "yes" if scenario.own_reclaim else "no",
        "pages visited by the request": asked.visits,
        "windows in the whole move": windows(scenario.addr, scenario.length, span(scenario.machine)),
    }
    return Run(scenario, policy, events, numbers)


def states_of(run: Run) -> list[State]:
    """The states along the run's schedule, the first one before any step.

    >>> [state.data.src for state in states_of(simulate(policy=POLICIES[UNPATCHED]))][-2:]
    ['null', 'null']
    """
    return list(walk(program(run.scenario, run.policy), run.events))


def over_machines(policy: Policy, scenario: Scenario = Scenario(clearers=0)) -> dict[tuple[str, int], Run]:
    """One run for each machine and each vm_cache_scan_ratio of the controls; without other threads by default."""
    return {
        (name, ratio): simulate(replace(scenario, machine=machine, vm_cache_scan_ratio=ratio), policy)
        for name, machine in PRESETS.items()
        for ratio in CONTROLS[1].stops
    }
