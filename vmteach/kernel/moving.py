"""Moving a mapping: the half of mm/mremap.c that 2.4 and today's kernel have in common.

source      grow_in_place ... move_back: mm/mremap.c of 2.4.22, 2.4.27 and 6.16 (read); compared with the first two,
            compiled and run (docs/cases.md), and with a live 6.18.44
left out    files, huge pages, locks: vmteach/patches/mremap_race.py has those of one entry
"""

from collections.abc import Iterable

from vmteach.kernel.mm import ENOMEM, AddressSpace, Call, Ignored, Mapped, Moved, MovedBack, Vma
from vmteach.kernel.mmap import do_munmap, insert_vm_struct, vma_merge, zap_page_range


def grow_in_place(space: AddressSpace, vma: Vma, more: int) -> bool:
    """Move the end of a mapping up by `more` bytes, if nothing is in the way; whether that was done.

    >>> space = AddressSpace(vmas=[Vma(0x1000, 0x2000, "rw-"), Vma(0x3000, 0x4000, "r--")], map_count=2)
    >>> [grow_in_place(space, space.vmas[0], 4096) for _ in range(2)]
    [True, False]
    """
    behind = space.behind(vma)
    if vma.end + more > (behind.start if behind else space.task_size):
        return False
    space.change(vma, vma._replace(end=vma.end + more))
    space.log.append(Mapped(vma.end, vma.end + more, joined=True))
    return True


def move_vma(space: AddressSpace, vma: Vma, call: Call) -> int:
    """Put the mapping into its new place and unmap the old range; the new address, or ENOMEM.

    The result of that unmapping is ignored: in 2.4.22, in 2.4.32, and in 6.16.

    >>> space = AddressSpace(vmas=[Vma(0x1000, 0x4000, "rw-")], map_count=1, limit=1)
    >>> moved = move_vma(space, space.vmas[0], Call(0x2000, 0x1000, 0x1000, 3, 0x8000))
    >>> hex(moved), space.log[-1]  # doctest: +ELLIPSIS
    ('0x8000', Ignored(step='unmapping the old place', result=-12))
    """
    if not copy_vma(space, vma, call):
        return ENOMEM
    if call.old_len and (result := do_munmap(space, call.addr, call.old_len)):
        space.log.append(Ignored("unmapping the old place", result))
    return call.new_addr


def copy_vma(space: AddressSpace, vma: Vma, call: Call) -> bool:
    """Join a neighbour or take a descriptor, carry the entries over; whether memory sufficed.

    A neighbour that was extended stays extended where it did not.
    """
    new = Vma(call.new_addr, call.new_addr + call.new_len, vma.prot)
    joined = vma_merge(space, new)
    if not joined and not space.descriptors:
        return False
    if not move_page_tables(space, call.new_addr, call.addr, call.old_len):
        return False
    if not joined:
        insert_vm_struct(space, new)
    return True


def move_page_tables(space: AddressSpace, new_addr: int, old_addr: int, length: int) -> bool:
    """Carry each present entry over, top down; whether there was a page table for each.

    An entry that one falls on is lost, and its page never freed.

    >>> space = AddressSpace(pages={0x1000: "a", 0x5000: "b"})
    >>> move_page_tables(space, 0x5000, 0x1000, 4096), space.pages, space.leaked
    (True, {20480: 'a'}, ['b'])
    """
    leaked, moved = len(space.leaked), 0
    for offset in range(length - space.page, -1, -space.page):
        if old_addr + offset in space.pages:
            if not move_one_page(space, old_addr + offset, new_addr + offset):
                move_back(space, new_addr, old_addr, range(offset + space.page, length, space.page), length)
                return False
            moved += 1
    space.log.append(Moved(old_addr, new_addr, moved, len(space.leaked) - leaked))
    return True


def move_one_page(space: AddressSpace, old: int, new: int) -> bool:
    """Move one present entry; False, and nothing moved, if there is no page table for it."""
    table = space.table_of(new)
    if table not in space.tables:
        if not space.page_tables:
            return False
        space.page_tables -= 1
        space.tables.add(table)
    if new in space.pages:
        space.leaked.append(space.pages[new])
    space.pages[new] = space.pages.pop(old)
    return True


def move_back(space: AddressSpace, new_addr: int, old_addr: int, offsets: Iterable[int], length: int) -> None:
    """Undo a move halfway: whatever stands at the new place goes to the old one, and the new place is cleared.

    >>> space = AddressSpace(pages={0x5000: "a"})
    >>> move_back(space, 0x5000, 0x1000, [0], 4096)
    >>> space.pages
    {4096: 'a'}
    """
    for offset in offsets:
        if new_addr + offset in space.pages:
            move_one_page(space, new_addr + offset, old_addr + offset)
    zap_page_range(space, new_addr, new_addr + length)
    space.log.append(MovedBack(new_addr, new_addr, new_addr + length))
