"""Orders of steps, replayed on the model: how each ends, what the entries hold, which locks are kept."""

from dataclasses import replace

from vmteach.cases import Outside
from vmteach.kernel.entry import LIST, OOPS, PRESENT, PTL, SWAP, Clearer
from vmteach.kernel.threads import END, Program, State, Step
from vmteach.machine import PRESETS
from vmteach.patches.mremap_race import MAINLINE, MMAP_SEM, PATCHED, POLICIES, UNPATCHED, Scenario, broken, program
from vmteach.tables import Case

CODES = {"2.4.22": MAINLINE, "2.4.27": PATCHED, "highpte before": UNPATCHED, "highpte after": PATCHED}
CLEARERS = {
    "truncate": Clearer.TRUNCATE,
    "swap_out file": Clearer.FILE,
    "swap_out anonymous": Clearer.ANON,
    "zap_page_range of the old address": Clearer.LISTED,
}
# Steps that one code has and another has not; all but the list's are taken with the page-table lock held.
FINER = {"M7c", "M9", "M10", "M11", "C0", "C2", "C4", "D0", "D2", "D4", "L1", "L2", "L3", OOPS}
CALM, TIGHT = (replace(PRESETS[name], cpus=4) for name in ("8 GB", "32 MB"))  # own reclaim: no, yes


def one_order(row: Case) -> str:
    """An order of steps, each of the model's finer steps taken where the next named one needs it."""
    scenario, order = _scenario(row), row["order_of_steps"].split()
    if scenario.clearer is Clearer.LISTED and "M13" in order[:-1]:
        return Outside("the move ends within or before a zap: there was no list of mappings, and no lock of one")
    walked = program(scenario, POLICIES[CODES[row["code"]]])
    state = walked.start
    for at in (at for at in order if at not in FINER):
        if (reached := _up_to(walked, state, at)) is None:
            return f"{row['code']}, {row['clearer']}: the model cannot take {at}"
        state = reached
    ours = _outcome(scenario, _finished(walked, state))
    entries = [SWAP if row[column] == "swap" else row[column] for column in ("old_entry", "new_entry")]
    theirs = row["outcome"], *entries, row["ptl_held"], row["mmap_sem_held"], row["cleared_for_good"]
    return "" if ours == theirs else f"{row['code']}, {row['clearer']}: {ours}"


def _outcome(scenario: Scenario, state: State) -> tuple[str | int, ...]:
    """A state in the columns of the table: what is broken, both entries, two locks, whether the page is gone."""
    held = {lock for locks in state.held for lock in locks}
    kind = {"": "ok", "I1": "I1", "I9": "stale"}.get(broken(scenario, state), "another")
    return kind, *state.data[:2], int(PTL in held), int(MMAP_SEM in held), int(state.data.freed or state.data.cut)


def _scenario(row: Case) -> Scenario:
    return Scenario(
        machine=TIGHT if row["own_reclaim"] else CALM,
        clearers=row["clearers"],
        clearer=CLEARERS[row["clearer"]],
        table_present=row["target_table"] != "missing",
        allocation_fails=row["allocation"] == "fails",
        entry=row["entry"],
    )


def _up_to(walked: Program, state: State, at: str) -> State | None:
    """The state after the thread of a step has taken it, finer steps before it included; None if it cannot."""
    index = [thread.name for thread in walked.threads].index(at[0])
    while state.at[index] != at:
        if state.at[index] not in FINER or (after := dict(walked.moves(state)).get(index)) is None:
            return None
        state = after
    after = dict(walked.moves(state)).get(index)
    if after and after.at[index] in ("C4", "D4"):  # nothing waits between the two unlocks
        after = dict(walked.moves(after)).get(index)
    return after


def _finished(walked: Program, state: State) -> State:
    """The state after the finer steps that are left at the end, such as the end of a crashed thread."""
    while True:
        open_steps = (after for index, after in walked.moves(state) if state.at[index] in FINER - {OOPS})
        if (after := next(open_steps, None)) is None:
            return state
        state = after


def whole_call(row: Case) -> str:
    """Whole calls in turns; a turn runs to the next lock or allocation."""
    scenario = Scenario(machine=CALM, clearer=Clearer.LISTED, table_present=row["target_table"] == "there")
    policy = POLICIES[MAINLINE if row["kernel"] == "2.4.22" else PATCHED]
    walked = program(scenario, policy)
    state = _up_to(walked, walked.start, "M1")
    for name in row["order_of_turns"]:
        state = _turn(walked, state, "MC".index(name)) if state else None
    if state is None:
        return f"{row['kernel']}: no such order"
    ours = "still mapped" if state.data.new == PRESENT else "gone"
    return "" if ours == row["page_after_truncate"] else f"{row['kernel']}, table {row['target_table']}: {ours}"


def _turn(walked: Program, state: State, index: int) -> State | None:
    """One thread up to its next lock or allocation; at its end it stays. None if it has to wait."""
    steps = {step.at: step for step in walked.threads[index].steps}
    first = True
    while state.at[index] != END and (first or not _stops(steps[state.at[index]])):
        if (after := dict(walked.moves(state)).get(index)) is None:
            return None
        state, first = after, False
    return state


def _stops(step: Step) -> bool:
    return step.take in (PTL, LIST) or step.at == "M6"


TABLES = {"orders": one_order, "whole": whole_call}
