"""The rules of one page (vmteach/kernel/reclaim/fates.py) against the page-at-a-time model, in every state."""

from collections.abc import Iterator
from itertools import product

import pytest
from naive import Naive

from vmteach.kernel.reclaim import (
    RULES,
    Buffers,
    Costs,
    Kind,
    Page,
    PageRun,
    PageState,
    Pte,
    PteRun,
    Rules,
    Setup,
    Where,
)
from vmteach.kernel.reclaim.fates import Fate, accessed, faulted, refilled, searched, try_to_swap_out, visit, written
from vmteach.machine import Sysctls

NO = (False, True)


def states() -> Iterator[tuple[PageState, bool, bool]]:
    """Every state that a page can be in, with whether it is being written and whether a process maps it."""
    for kind, dirty, referenced, pinned, locked, buffers, outside in product(Kind, NO, NO, NO, NO, Buffers, NO):
        state = PageState(kind, dirty, referenced, pinned, locked, buffers, outside)
        for writing, mapped in product(NO, NO):
            if not (writing and (dirty or locked or kind is Kind.ANON)):  # a write cleans its page and holds its lock
                yield state, writing, mapped


def one_page(state: PageState, rules: Rules, where: str = "inactive", **fields) -> Naive:
    """A machine with this one page on a list; the costs are nothing."""
    run = {where: (PageRun(0, 1, state),)}
    fields = {"slots": 9, "sysctls": Sysctls(vm_cache_scan_ratio=1), "costs": Costs(0, 0, 0, 0, 0), **fields}
    return Naive(Setup(shm=1, **run, **fields), rules)


def mapped_by(processes: int, pte: Pte = Pte.OLD) -> dict:
    return {"processes": max(1, processes), "ptes": (PteRun(0, 1, pte),) if processes else ()}


def after(model: Naive) -> tuple[PageState, str] | None:
    """The state of the one page and its list, or None if it is not in memory any more."""
    return (model.memory[0].state, model.memory[0].where) if 0 in model.memory else None


def seen(fate: Fate) -> tuple[PageState, str] | None:
    """The same of a fate."""
    where = {Where.INACTIVE: "inactive", Where.ACTIVE: "active", Where.NOWHERE: ""}
    return (fate.page.state, where[fate.page.where]) if isinstance(fate.page, Page) else None


VERDICTS = {"in use": "mapped", "freed": "freed", "buffers freed": "freed"}


@pytest.mark.parametrize("rules", [Rules(), Rules(starts_io=True), Rules(rotate_written=True)])
@pytest.mark.parametrize(("fs", "slots"), [(True, 9), (True, 0), (False, 9)])
def test_a_visit_of_every_page_ends_as_one_page_at_a_time(rules, fs, slots):
    tried = 0
    for state, writing, mapped in states():
        model = one_page(state, rules, fs=fs, slots=slots, **mapped_by(mapped))
        page = model.memory[0]
        if writing:
            page.writing, page.done = True, 5
            model.disk.append(page)
        fate = visit(Page(state, Where.INACTIVE, writing), mapped, fs)
        if state.outside:
            assert fate == ("outside", Page(state, Where.INACTIVE, writing))
            continue
        verdict = model.visit(page)
        if fate.rule == "writepage":
            fate = written(fate.page, slots > 0, rules)
        assert VERDICTS.get(fate.rule, "kept") == verdict, (state, writing, mapped)
        assert seen(fate) == after(model), (state, writing, mapped)
        assert model.sleeps == (fate.rule == "under I/O")
        tried += 1
    assert tried == 456


def test_the_search_for_clean_pages_agrees_in_every_state():
    for state, writing, mapped in states():
        model = one_page(state, Rules(clean_pass=True), **mapped_by(mapped))
        model.memory[0].writing = writing
        fate = searched(Page(state, Where.INACTIVE, writing), mapped)
        assert model.is_clean_and_unused(model.memory[0]) == (fate.rule == "found clean")


def test_refill_access_and_fault_agree_in_every_state():
    for state, writing, _ in states():
        model = one_page(state, Rules(), "active")
        model.nr_active = 1  # as if there were one of the class: a page outside moves like any other
        model.refill_inactive(5)
        assert after(model) == seen(refilled(Page(state, Where.ACTIVE, writing)))
        for where, times in product((Where.INACTIVE, Where.ACTIVE), (1, 2, 3, 7)):
            model = one_page(state, Rules(), where.value)
            for _ in range(times):
                model.mark_page_accessed(model.memory[0])
            assert after(model) == seen(Fate("", accessed(Page(state, where), times)))
            if state.kind in (Kind.SHM, Kind.SWAPCACHE) and not state.locked:
                model = one_page(state, Rules(), where.value, hot=1, processes=times, slots_used=1)
                model.touch()
                assert after(model) == seen(Fate("", faulted(Page(state, where), times)))


@pytest.mark.parametrize("objrmap", NO)
def test_an_entry_of_every_page_agrees(objrmap):
    rules = Rules(objrmap=objrmap)
    for (state, writing, _), where, pte, processes in product(states(), Where, (Pte.OLD, Pte.YOUNG), (1, 3)):
        if where is Where.NOWHERE:
            continue
        model = one_page(state, rules, where.value, **mapped_by(processes, pte))
        model.memory[0].writing = writing
        found = model.try_to_swap_out(0)
        rule = try_to_swap_out(pte, Page(state, where, writing), processes, rules)
        left = {"aged": processes, "left": processes, "one unmapped": processes - 1}.get(rule, 0)
        assert model.mapcount(0) == left
        assert found == (left == 0 and not state.pinned)


def test_every_rule_that_is_told_apart_has_its_sentence():
    rules = {
        visit(Page(state, Where.INACTIVE, writing), mapped, fs).rule for state, writing, mapped in states() for fs in NO
    }
    assert rules == {key for key, (function, _) in RULES.items() if function == "shrink_cache"}
    assert all(sentence.endswith(".") and len(sentence.split()) <= 25 for _, sentence in RULES.values())
