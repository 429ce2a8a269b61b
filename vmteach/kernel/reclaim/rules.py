"""How 2.4.23 to 2.4.27 find free memory: the functions of mm/vmscan.c, under their own names.

fates.py decides what becomes of one page. Here are the loops around it: how many pages are looked at, in which order,
and when to stop. docs/reclaim-rules.md says where each rule was read.

A step may be about many pages that are alike: a `tail` is the page at the end of a list, and how many like it follow.
`memory.step(tail, n, fate, cost)` moves up to `n` of them and returns how many; `cost` is ns a page, and a name such
as `visits=1` is a counter that goes up with each. `memory.decide` and `memory.irregular` do nothing to a page: they
write the log from which leap.py learns whether the next requests will be alike. A reader may pass over them.
"""

from vmteach.kernel.reclaim.fates import Fate, refilled, searched, try_to_swap_out, visit, written
from vmteach.kernel.reclaim.lists import ACTIVE, Tail
from vmteach.kernel.reclaim.memory import Budget, Decision, Memory
from vmteach.kernel.reclaim.page import Kind
from vmteach.kernel.reclaim.walks import Walk


def try_to_free_pages(memory: Memory) -> int:
    """One request for a batch of pages, in up to vm_passes passes; how many became free."""
    need, began, frees = memory.setup.batch, memory.now, memory.count["frees"]
    memory.swap_failed = False
    for _ in range(memory.setup.sysctls.vm_passes):
        memory.count["passes"] += 1
        refill_inactive(memory, need)
        need = shrink_cache(memory, need)
        if not need:
            break
        swap_out_unless_failed(memory)
    memory.count["requests"] += 1
    memory.waited_since(began)
    return memory.count["frees"] - frees


def swap_out_unless_failed(memory: Memory) -> None:
    """After its first failure swap_out is not called again in the same request."""
    if not memory.swap_failed:
        memory.swap_failed = not swap_out(memory)


def refill_inactive(memory: Memory, need: int) -> None:
    """Move pages from the active tail to the inactive head: the more, the longer the active list beside the other."""
    lists, queue = memory.lists, memory.lists.queues[ACTIVE]
    quota = refill_quota(memory, need)
    memory.decide(Decision("quota", need, quota, lists.active, lists.inactive))
    while quota and queue:
        tail, alone = lists.tail(ACTIVE), len(queue) == 1
        fate = refilled(tail.page)
        if fate.rule == "deactivated":
            quota -= memory.step(tail, quota, fate, memory.setup.costs.visit, refilled=1)
            continue
        memory.step(tail, tail.n, fate, memory.setup.costs.visit)
        if alone:  # the kernel notes the next page before it moves this one, and that is the list's end
            memory.irregular()
            break


def refill_quota(memory: Memory, need: int) -> int:
    """How many pages refill_inactive moves."""
    lists = memory.lists
    return need * lists.active // (lists.inactive * memory.setup.sysctls.vm_lru_balance_ratio + 1)


def shrink_cache(memory: Memory, need: int) -> int:
    """Scan the inactive list from its tail; what cannot be freed goes to its head, as a rule. Pages still wanted."""
    lists, sysctls, fs = memory.lists, memory.setup.sysctls, memory.setup.fs
    if memory.rules.clean_pass:
        need = clean_pass(memory, need)
        if not need:
            return 0
    max_scan = Budget("scan", (lists.inactive + lists.active) // sysctls.vm_cache_scan_ratio, lists)
    max_mapped = sysctls.vm_mapped_ratio * need
    while max_scan.left and lists.inactive and need:
        tail = lists.inactive_tail()
        fate = visit(tail.page, tail.mapcount > 0, fs)
        if fate.rule == "outside":  # free of charge
            memory.step(tail, tail.n, fate, memory.setup.costs.visit, visits=1)
        elif fate.rule == "in use":
            n = keep(memory, tail, min(max_scan.left, until_swap_out(memory, need, max_mapped)), fate)
            max_scan.left -= n
            max_mapped -= n
            if max_mapped < 0:
                swap_out_unless_failed(memory)
                max_mapped = renewed(sysctls.vm_mapped_ratio * need, too_many=-max_mapped)
                refill_inactive(memory, need)
        elif fate.rule == "under I/O":
            max_scan.left -= wait_on_page(memory, tail)
        elif fate.rule == "writepage":
            max_scan.left -= writepage(memory, tail, max_scan.left)
        elif fate.rule in ("freed", "buffers freed"):
            n = free(memory, tail, min(max_scan.left, need), fate, visits=1)
            max_scan.left -= n
            need -= n
        else:
            max_scan.left -= keep(memory, tail, max_scan.left, fate)
    memory.decide(max_scan.line())
    return need


def until_swap_out(memory: Memory, need: int, max_mapped: int) -> int:
    """How many pages in use may be passed over before something is done about it: as many as are allowed, and one more.

    All of them, where swap_out has failed in this request and refill_inactive has nothing to move: nothing is done.
    """
    if memory.swap_failed and not refill_quota(memory, need):
        return memory.lists.inactive
    return max_mapped + 1


def renewed(allowed: int, too_many: int) -> int:
    """The next allowance of pages in use. Of many at once, one in each `allowed` + 1 is too many, and starts a new one.

    >>> renewed(allowed=3, too_many=1), renewed(allowed=3, too_many=2), renewed(allowed=3, too_many=5)
    (3, 2, 3)
    """
    return allowed - (too_many - 1) % (allowed + 1)


def clean_pass(memory: Memory, need: int) -> int:
    """Fix 3 (its wiring is inferred): search for clean pages before anything is written. Pages still wanted."""
    lists = memory.lists
    budget = Budget("clean", lists.inactive // memory.setup.sysctls.vm_cache_scan_ratio, lists)
    while budget.left and lists.inactive and need:
        tail = memory.search_tail()  # the inactive tail, or in a what-if where the last search ended
        fate = searched(tail.page, tail.mapcount > 0)
        most = tail.n if tail.page.state.outside else budget.left
        if fate.rule == "found clean":
            n = free(memory, tail, min(most, need), fate, clean_visits=1)
            need -= n
        else:
            n = memory.step(tail, most, fate, memory.setup.costs.visit, clean_visits=1)
        if not tail.page.state.outside:
            budget.left -= n
    memory.decide(budget.line())
    return need


def keep(memory: Memory, tail: Tail, most: int, fate: Fate) -> int:
    """Pass over up to `most` pages; how many."""
    return memory.step(tail, most, fate, memory.setup.costs.visit, visits=1)


def free(memory: Memory, tail: Tail, most: int, fate: Fate, **visits: int) -> int:
    """Free up to `most` pages; how many. The memory of a pinned one stays with who pinned it."""
    counted = 0 if tail.page.state.pinned else 1
    return memory.step(tail, most, fate, memory.setup.costs.visit, free=counted, frees=counted, **visits)


def wait_on_page(memory: Memory, tail: Tail) -> int:
    """Sleep until the write of the page at the tail is done, then pass over it; one page."""
    memory.sleep_until(memory.completion_time(tail.first))
    page = memory.lists.page(tail.first)
    return keep(memory, tail._replace(page=page), 1, Fate("under I/O", page))


def writepage(memory: Memory, tail: Tail, most: int) -> int:
    """Call the mapping's writepage for up to `most` pages; how many."""
    costs, slots = memory.setup.costs, memory.setup.slots - memory.count["slots_used"]
    fate = written(tail.page, slots > 0, memory.rules)
    if fate.rule == "no slot":
        return keep(memory, tail, most, fate)
    if tail.page.state.kind is not Kind.SHM:
        return memory.submit(tail, most, fate, costs.visit + costs.submit)
    if fate.rule == "converted":
        cost = costs.visit + costs.convert
        return memory.step(tail, min(most, slots), fate, cost, visits=1, slots_used=1, conversions=1)
    return memory.submit(tail, min(most, slots), fate, costs.visit + costs.convert + costs.submit)


def swap_out(memory: Memory) -> bool:
    """Walk page tables until a batch of pages became freeable; False: all were walked twice, and it did not.

    Turns go round the processes, two for each, and begin where the last call ended.
    """
    memory.count["swap_outs"] += 1
    memory.irregular()
    want, walk = memory.setup.batch, Walk(memory)
    for _ in walk.turn():
        want = swap_out_mm(memory, walk, want)
        if not want:
            if not memory.setup.area_behind:  # the kernel throws its place away in the last area of a process
                memory.lists.processes.next_process()
            return True
    return False


def swap_out_mm(memory: Memory, walk: Walk, want: int) -> int:
    """Walk one process from where the last call ended; pages still wanted."""
    while want and (ptes := walk.ptes()):
        rule = try_to_swap_out(ptes.pte, ptes.page, ptes.mapcount, memory.rules)
        if rule in ("last unmapped", "all unmapped") and not ptes.page.state.pinned:
            want -= walk.step(ptes, want, rule)
        else:
            walk.step(ptes, ptes.n, rule)
    return want


def alloc_pages(memory: Memory) -> bool:
    """Make room for an allocation that found no page above the watermark; False: out of memory."""
    if not free_some(memory):
        return False
    kswapd(memory)
    return True


def free_some(memory: Memory) -> bool:
    """Ask until something was freed, as long as there are writes to wait for; False: out of memory."""
    while not try_to_free_pages(memory):
        if not memory.disk.n:
            return False
        memory.wait_for_the_disk()
    return True


def kswapd(memory: Memory) -> None:
    """Make requests until free memory is `band` pages above the watermark, or one of them frees nothing."""
    setup = memory.setup
    while setup.band and memory.count["free"] <= setup.min + setup.band and try_to_free_pages(memory):
        pass
