"""The changes that 2.4 makes to an address space: mappings that come, go and join, and the place for a new one.

source      mm/mmap.c of 2.4.22 and 2.4.27 (read); compared with the same files, compiled and run: docs/cases.md
left out    files, shared and locked mappings, growing stacks, limits on memory, threads
"""

from vmteach.kernel.mm import EINVAL, ENOMEM, AddressSpace, Mapped, Unmapped, Vma


def do_munmap(space: AddressSpace, addr: int, length: int) -> int:
    """Unmap [addr, addr + length): 0, or EINVAL or ENOMEM below 0. Nothing there is no error, a length of zero is one.

    >>> space = AddressSpace(vmas=[Vma(0x10000, 0x13000, "rw-")], map_count=1)
    >>> do_munmap(space, 0x11000, 4096), [(hex(vma.start), hex(vma.end)) for vma in space.vmas]
    (0, [('0x10000', '0x11000'), ('0x12000', '0x13000')])
    >>> do_munmap(space, 0x11000, 0) == EINVAL
    True
    """
    result = check_munmap(space, addr, length)
    end = addr + space.align(length)
    if result == 0:
        unmap_region(space, addr, end)
    space.log.append(Unmapped(addr, end, result))
    return result


def check_munmap(space: AddressSpace, addr: int, length: int) -> int:
    """0, or why the range cannot be unmapped. Only a hole inside one mapping needs room in the list.

    >>> full = AddressSpace(vmas=[Vma(0x10000, 0x13000, "rw-")], map_count=1, limit=1)
    >>> check_munmap(full, 0x11000, 4096) == ENOMEM, check_munmap(full, 0x12000, 4096)
    (True, 0)
    """
    if not space.has_room_at(addr, length):
        return EINVAL
    end, first = addr + space.align(length), space.find_vma(addr)
    if first is None or first.start >= end:
        return 0
    if first.start < addr and first.end > end and space.map_count >= space.limit:
        return ENOMEM
    return 0 if space.descriptors else ENOMEM  # one is taken in advance, needed or not


def unmap_region(space: AddressSpace, addr: int, end: int) -> None:
    """Take all mappings of the range out of the list, then handle them from the top down, then drop page tables."""
    prev, vma = space.find_vma_prev(addr)
    free = []
    while vma and vma.start < end:
        free.append(vma)
        space.vmas.remove(vma)
        vma = space.behind(prev)
    for vma in reversed(free):
        unmap_fixup(space, vma, max(addr, vma.start), min(end, vma.end))
    if free:
        free_pgtables(space, addr, end)


def unmap_fixup(space: AddressSpace, vma: Vma, start: int, end: int) -> None:
    """Free the pages of [start, end) of one mapping, and keep what is left of it on either side."""
    space.map_count -= 1
    if start == end:
        space.assertion("zap_page_range: an empty range")
    zap_page_range(space, start, end)
    rest = [Vma(vma.start, start, vma.prot), Vma(end, vma.end, vma.prot)]
    kept = [piece for piece in rest if piece.start < piece.end]
    for piece in kept:
        space.insert(piece)
    space.descriptors -= len(kept) - 1


def zap_page_range(space: AddressSpace, start: int, end: int) -> None:
    """Free every present page of the range."""
    for addr in range(start, end, space.page):
        space.pages.pop(addr, None)


def free_pgtables(space: AddressSpace, start: int, end: int) -> None:
    """Give back the page tables of the range in which no mapping lies; an entry that stands in one is lost with it."""
    first, last = space.table_of(start), space.table_of(end - 1)
    prev, behind = space.find_vma_prev(start)
    if prev:
        first = max(first, space.table_of(prev.end - 1) + 1)
    if behind:
        last = min(last, space.table_of(behind.start) - 1)
    for table in [table for table in space.tables if first <= table <= last]:
        space.tables.remove(table)
        for addr in [addr for addr in space.pages if space.table_of(addr) == table]:
            space.leaked.append(space.pages.pop(addr))


def do_mmap(space: AddressSpace, addr: int, length: int, prot: str, fill: str = "") -> int:
    """Map [addr, addr + length) anew, over whatever was there; the address, or an errno below 0.

    `fill` writes a content into every page: fill "s" gives "s0", "s1", ...

    >>> space = AddressSpace()
    >>> [do_mmap(space, addr, 4096, "rw-") for addr in (0x1000, 0x2000)], space.vmas
    ([4096, 8192], [Vma(start=4096, end=12288, prot='rw-')])
    """
    length = space.align(length)
    if not space.has_room_at(addr, length):
        return EINVAL
    covered = space.find_vma(addr)
    if covered and covered.start < addr + length and do_munmap(space, addr, length):
        return ENOMEM
    if space.map_count > space.limit:  # the limit is soft: one more than it says
        return ENOMEM
    new = Vma(addr, addr + length, prot)
    if not vma_merge(space, new):
        if not space.descriptors:
            return ENOMEM
        insert_vm_struct(space, new)
    if fill:
        pages = {addr + i * space.page: f"{fill}{i}" for i in range(length // space.page)}
        space.pages |= pages
        space.tables |= set(map(space.table_of, pages))
    return addr


def vma_merge(space: AddressSpace, new: Vma) -> bool:
    """Let a direct neighbour of the same rights take the new range in, and its other neighbour too; whether one did.

    >>> space = AddressSpace(vmas=[Vma(0x1000, 0x2000, "rw-"), Vma(0x3000, 0x4000, "rw-")], map_count=2)
    >>> vma_merge(space, Vma(0x2000, 0x3000, "rw-")), space.vmas, space.map_count
    (True, [Vma(start=4096, end=16384, prot='rw-')], 1)
    """
    prev, behind = space.find_vma_prev(new.start)
    if behind is None:  # at the end of the list the kernel looks up the byte below
        prev = space.find_vma(new.start - 1)
    if prev and prev.joins(new):
        prev = space.change(prev, prev._replace(end=new.end))
        if behind and prev.joins(behind):
            space.swallow(prev, behind)
    elif behind and new.joins(behind):
        space.change(behind, behind._replace(start=new.start))
    else:
        return False
    space.log.append(Mapped(new.start, new.end, joined=True))
    return True


def insert_vm_struct(space: AddressSpace, new: Vma) -> None:
    """Put a new mapping into the list; 2.4 asserts here that nothing is in its way.

    The search for the place ends early where a mapping contains the first byte. If the new one is empty and that
    mapping begins there, the assertion does not see it, and three pointers that the search never set are followed.
    """
    behind = space.find_vma(new.start)
    if behind and behind.start < new.end:
        space.assertion("insert_vm_struct: the place is taken")
    elif behind and behind.start == new.start:
        space.wild("insert_vm_struct: a mapping begins where the empty one is to go")
    space.insert(new)
    space.descriptors -= 1
    space.log.append(Mapped(new.start, new.end, joined=False))


def get_unmapped_area(space: AddressSpace, length: int) -> int:
    """The lowest free place of `length` bytes from a third of the address space upwards, or ENOMEM.

    >>> hex(get_unmapped_area(AddressSpace(), 4096)), get_unmapped_area(AddressSpace(), 0xC000_0000) == ENOMEM
    ('0x40000000', True)
    """
    addr = -(-(space.task_size // 3) // space.page) * space.page
    for vma in space.vmas:
        if vma.end > addr:
            if addr + length <= vma.start:
                break
            addr = vma.end
    return addr if addr + length <= space.task_size else ENOMEM
