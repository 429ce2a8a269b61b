"""What becomes of one page: what 2.4's reclaim decides about it, in the kernel's order, one `if` a line.

Pure functions: a page goes in; the rule that holds and the page as it is afterwards come out. There is no list and no
clock here. page.py says what a page is, and its words (slot, pinned, outside, buffers). rules.py walks the lists, asks
these functions and moves the pages. docs/reclaim-rules.md says where each rule was read.
"""

from typing import NamedTuple

from vmteach.kernel.reclaim.page import Absent, Buffers, Kind, Page, PageState, Pte, Where, become
from vmteach.kernel.reclaim.setup import Rules


class Fate(NamedTuple):
    """The rule that holds (a key of RULES), and the page after it."""

    rule: str
    page: Page | Absent


# Each rule: the kernel's function that it is part of, and what it says.
RULES: dict[str, tuple[str, str]] = {
    "quota": (
        "refill_inactive",
        "Of the active list, need x active / (inactive x vm_lru_balance_ratio + 1) pages move.",
    ),
    "second chance": ("refill_inactive", "A referenced page loses the flag and goes back to the active head."),
    "deactivated": ("refill_inactive", "A page without the flag goes to the inactive head, with the flag set."),
    "outside": ("shrink_cache", "A page of a zone that is not wanted is passed over, free of charge."),
    "in use": ("shrink_cache", "A page in use is passed over; after vm_mapped_ratio x need of them comes swap_out."),
    "under I/O": ("shrink_cache", "A page that is being written is waited for, and passed over."),
    "locked": ("shrink_cache", "A locked page is passed over."),
    "writepage": ("shrink_cache", "A dirty page that nobody uses goes to the writepage of its mapping."),
    "busy buffers": ("shrink_cache", "A page whose buffers are busy is passed over."),
    "buffers freed": ("shrink_cache", "An anonymous page goes with its buffers, unless it is pinned."),
    "dirty": ("shrink_cache", "A dirty page that must not be written now is passed over."),
    "freed": ("shrink_cache", "A clean page that nobody uses is freed."),
    "no slot": ("shmem_writepage", "No slot is free: the shared page stays dirty and goes to the active head."),
    "converted": ("shmem_writepage", "The shared page gets a slot, is swapcache now, stays dirty: nothing is written."),
    "converted, written": ("shmem_writepage", "The shared page gets a slot, and its write begins at once."),
    "swap write": ("swap_writepage", "The write of a dirty swapcache page begins."),
    "file write": ("writepage", "The write of a dirty file page begins."),
    "found clean": ("clean_pass", "The search frees a clean page that nobody uses."),
    "not clean": ("clean_pass", "The search passes over everything else, and writes nothing."),
    "aged": ("try_to_swap_out", "A young entry becomes old: the page was in use."),
    "left": ("try_to_swap_out", "The entry of an active, locked or outside page, or of one being written, stays."),
    "one unmapped": ("try_to_swap_out", "An old entry goes; other processes still map the page."),
    "last unmapped": ("try_to_swap_out", "The last entry goes: nobody maps the page any more."),
    "all unmapped": ("try_to_unmap", "With the first old entry go those of all other processes."),
    "read": ("add_to_page_cache", "A page of the file is read, and joins the inactive head."),
    "taken": ("alloc_pages", "A page is taken for anonymous memory, and joins no list."),
    "swapped in": ("shmem_nopage", "A page that a process waits for is read back from swap."),
    "waited": ("alloc_pages", "A request found nothing: sleep until the oldest write is done."),
}


def refilled(page: Page) -> Fate:
    """What refill_inactive does with a page at the active tail.

    >>> from vmteach.kernel.reclaim.page import PageState
    >>> refilled(Page(PageState(Kind.FILE, referenced=True), Where.ACTIVE)).rule
    'second chance'
    """
    if page.state.referenced:
        return Fate("second chance", become(page, referenced=False))
    return Fate("deactivated", become(page, Where.INACTIVE, referenced=True))


def visit(page: Page, mapped: bool, fs: bool) -> Fate:
    """What shrink_cache does with the page at the inactive tail, which it has just moved to the head.

    `mapped`: some process maps the page; `fs`: the request may enter the file system, and so write and wait. What
    "writepage" does to the page is said by `written`.

    >>> from vmteach.kernel.reclaim.page import PageState
    >>> visit(Page(PageState(Kind.FILE), Where.INACTIVE), mapped=False, fs=True)
    Fate(rule='freed', page=<Absent.FREED: 'freed'>)
    """
    state, in_use = page.state, mapped or page.state.pinned
    if state.outside:
        return Fate("outside", page)
    if nothing_to_drop(state, in_use):
        return Fate("in use", page)
    if page.writing and fs:
        return Fate("under I/O", page)
    if page.writing or state.locked:
        return Fate("locked", page)
    if fs and may_be_written(state, in_use):
        return Fate("writepage", page)
    if state.buffers is Buffers.BUSY:
        return Fate("busy buffers", page)
    if state.kind is Kind.ANON:  # its buffers can be dropped, and then it has nothing left
        return Fate("buffers freed", Absent.FREED)
    # Buffers that are not busy are dropped on the way; with them the page may have nothing that keeps it.
    bare = become(page, buffers=Buffers.NONE) if state.buffers is Buffers.DROPPABLE else page
    if in_use:
        return Fate("in use", bare)
    if state.dirty:
        return Fate("dirty", bare)
    return Fate("freed", freed(page))


def nothing_to_drop(state: PageState, in_use: bool) -> bool:
    """Whether the page has no buffers, and must stay itself: it is used, or no mapping could give it back."""
    return state.buffers is Buffers.NONE and (in_use or state.kind is Kind.ANON)


def may_be_written(state: PageState, in_use: bool) -> bool:
    """Whether the page differs from what its mapping has on disk, and nobody uses it."""
    return state.dirty and not in_use and state.kind is not Kind.ANON


def freed(page: Page) -> Absent:
    """What is left of a page that is freed: of swapcache the slot, which the shared memory refers to."""
    return Absent.SWAPPED if page.state.kind is Kind.SWAPCACHE else Absent.FREED


def written(page: Page, slot: bool, policy: Rules) -> Fate:
    """What the mapping's writepage does; `slot`: a slot of the swap disk is free."""
    on_its_way = Where.NOWHERE if policy.rotate_written else Where.INACTIVE
    if page.state.kind is Kind.FILE:
        return Fate("file write", become(page, on_its_way, writing=True, dirty=False))
    if page.state.kind is Kind.SWAPCACHE:
        return Fate("swap write", become(page, on_its_way, writing=True, dirty=False))
    if not slot:
        return Fate("no slot", become(page, Where.ACTIVE, referenced=True))
    page = become(page, kind=Kind.SWAPCACHE, referenced=False)
    if policy.starts_io:
        return Fate("converted, written", become(page, on_its_way, writing=True, dirty=False))
    return Fate("converted", page)


def searched(page: Page, mapped: bool) -> Fate:
    """What the search for clean pages does (fix 3; its wiring is inferred)."""
    state = page.state
    used = mapped or state.pinned or state.locked or page.writing
    if used or state.dirty or state.outside or state.buffers is Buffers.BUSY:
        return Fate("not clean", page)
    if state.kind is Kind.ANON and state.buffers is Buffers.NONE:
        return Fate("not clean", page)
    return Fate("found clean", freed(page))


def accessed(page: Page, times: int = 1) -> Page:
    """mark_page_accessed: the first access sets the flag, the next one activates an inactive page.

    >>> from vmteach.kernel.reclaim.page import PageState
    >>> accessed(Page(PageState(Kind.FILE), Where.INACTIVE), times=2).where
    <Where.ACTIVE: 'active'>
    """
    for _ in range(min(times, 3)):  # the third leaves it active and referenced, and so does every further one
        if page.where is Where.INACTIVE and page.state.referenced:
            page = become(page, Where.ACTIVE, referenced=False)
        else:
            page = become(page, referenced=True)
    return page


def try_to_swap_out(pte: Pte, page: Page, mapcount: int, policy: Rules) -> str:
    """What the walk does with one page table entry of a page that `mapcount` processes map: a key of RULES.

    An entry goes only where its page is on the inactive list already: refill_inactive comes before swap_out.
    """
    if pte is Pte.YOUNG:
        return "aged"
    if page.where is not Where.INACTIVE or page.state.outside or page.state.locked or page.writing:
        return "left"
    if mapcount == 1:
        return "last unmapped"
    return "all unmapped" if policy.objrmap else "one unmapped"


def faulted(page: Page, faults: int) -> Page:
    """A page in memory after `faults` minor faults: swapcache gives back its slot, and is shared memory again."""
    if page.state.kind is Kind.SWAPCACHE:
        page = become(page, kind=Kind.SHM, dirty=True, referenced=False)
    return accessed(page, faults)
