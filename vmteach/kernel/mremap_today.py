"""mremap as Linux 6.17 and later does it: refuse first, then act.

source      mm/mremap.c of 6.16, the patches for 6.17 as posted, mremap(2) (read); compared with a live 6.18.44
left out    files, shared mappings, huge pages, page tables that cannot be had
"""

from vmteach.kernel.mm import DONTUNMAP, EFAULT, EINVAL, ENOMEM, FIXED, MAYMOVE, AddressSpace, Call
from vmteach.kernel.mmap import do_munmap, get_unmapped_area
from vmteach.kernel.moving import copy_vma, grow_in_place, move_vma

SPARE = 3  # mappings that must be left below the limit before anything is moved


def do_mremap_today(space: AddressSpace, call: Call, policy: object = None) -> int:
    """Shrink, grow or move as 6.17 does: refuse first, then act. The new address, or an errno below 0.

    >>> from vmteach.kernel.mm import Vma
    >>> space = AddressSpace(vmas=[Vma(0x10000, 0x14000, "rw-")], map_count=1)
    >>> do_mremap_today(space, Call(0x10000, 0x4000, 0, MAYMOVE | FIXED, 0x40000)) == EINVAL, len(space.vmas)
    (True, 1)
    """
    call = call._replace(old_len=space.align(call.old_len), new_len=space.align(call.new_len))
    if error := check_mremap_params(space, call):
        return error
    if call.fixed and call.old_len == call.new_len:
        return remap_move(space, call)
    if error := check_prep_vma(space, call):
        return error
    if call.flags & DONTUNMAP:
        return move_to_hint(space, call)
    return mremap_to(space, call) if call.fixed else mremap_at(space, call)


def check_mremap_params(space: AddressSpace, call: Call) -> int:
    """0, or why the arguments alone, or a list that is nearly full, forbid the call (6.17's function of this name)."""
    if call.flags & ~(MAYMOVE | FIXED | DONTUNMAP) or call.addr % space.page:
        return EINVAL
    if not 0 < call.new_len <= space.task_size:
        return EINVAL
    return check_new_place(space, call) if call.flags & (FIXED | DONTUNMAP) else 0


def check_new_place(space: AddressSpace, call: Call) -> int:
    """0, or why a call that names a place cannot have it: EINVAL; ENOMEM where the list is nearly full.

    >>> check_new_place(AddressSpace(), Call(0x10000, 0x2000, 0x2000, MAYMOVE | FIXED, 0x11000)) == EINVAL
    True
    """
    addr, old_len, new_len, flags, new_addr = call
    if flags & DONTUNMAP and old_len != new_len:
        return EINVAL
    if not flags & MAYMOVE or not space.has_room_at(new_addr, new_len):
        return EINVAL
    if addr + old_len > new_addr and new_addr + new_len > addr:
        return EINVAL
    # clearing the target may add a mapping, shrinking another: what move_vma asks for must still be there
    return ENOMEM if space.map_count + 2 >= space.limit - SPARE else 0


def check_prep_vma(space: AddressSpace, call: Call) -> int:
    """0, or why the source is not what the call says. What is to be cut off may be anything.

    >>> check_prep_vma(AddressSpace(), Call(0x10000, 0x1000, 0x2000)) == EFAULT
    True
    """
    vma = space.at(call.addr)
    if vma is None:
        return EFAULT
    if not call.flags & (FIXED | DONTUNMAP) and call.new_len <= call.old_len:
        return 0
    if not call.old_len:  # a second mapping of private memory: not since 4.14
        return EINVAL
    return EFAULT if min(call.old_len, call.new_len) > vma.end - call.addr else 0


def remap_move(space: AddressSpace, call: Call) -> int:
    """Move every mapping in the range, gaps and all (since 6.17); the new address of the first, or an errno below 0.

    >>> from vmteach.kernel.mm import Vma
    >>> space = AddressSpace(vmas=[Vma(0x1000, 0x2000, "rw-"), Vma(0x3000, 0x4000, "rw-")], map_count=2)
    >>> moved = remap_move(space, Call(0x1000, 0x3000, 0x3000, MAYMOVE | FIXED, 0x11000))
    >>> hex(moved), [hex(vma.start) for vma in space.vmas]
    ('0x11000', ['0x11000', '0x13000'])
    """
    end = call.addr + call.old_len
    if space.at(call.addr) is None:
        return EFAULT
    for vma in [vma for vma in space.vmas if vma.start < end and vma.end > call.addr]:
        start, length = max(vma.start, call.addr), min(vma.end, end) - max(vma.start, call.addr)
        target = call.new_addr + start - call.addr
        if (result := mremap_to(space, Call(start, length, length, call.flags, target))) < 0:
            return result
    return call.new_addr


def mremap_to(space: AddressSpace, call: Call) -> int:
    """Clear the target, shrink, and move what is left: then the old length is the new one."""
    if error := do_munmap(space, call.new_addr, call.new_len):
        return error
    if call.old_len > call.new_len:
        if error := shrink_vma(space, call):
            return error
        call = call._replace(old_len=call.new_len)
    return move_vma_today(space, call)


def mremap_at(space: AddressSpace, call: Call) -> int:
    """Resize without a place to go to: nothing, shrink, or grow (in place if possible)."""
    if call.new_len > call.old_len:
        return expand_vma(space, call)
    return (shrink_vma(space, call) if call.new_len < call.old_len else 0) or call.addr


def shrink_vma(space: AddressSpace, call: Call) -> int:
    """Unmap what is too much: 0, or the error of do_munmap."""
    return do_munmap(space, call.addr + call.new_len, call.old_len - call.new_len)


def expand_vma(space: AddressSpace, call: Call) -> int:
    """Grow in place and join a neighbour that is reached; else move, if that is allowed. The address, or an errno."""
    vma, more = space.at(call.addr), call.new_len - call.old_len
    if vma and vma.end - call.addr == call.old_len and grow_in_place(space, vma, more):
        grown, behind = vma._replace(end=vma.end + more), space.at(vma.end + more)
        if behind and grown.joins(behind):
            space.swallow(grown, behind)
        return call.addr
    if not call.flags & MAYMOVE:
        return ENOMEM
    target = get_unmapped_area(space, call.new_len)
    return target if target < 0 else move_vma_today(space, call._replace(new_addr=target))


def move_to_hint(space: AddressSpace, call: Call) -> int:
    """Move without a fixed place: to new_addr if that is free, else to wherever there is room.

    Only DONTUNMAP comes here: the old range stays mapped, and is empty.
    """
    behind = next((vma.start for vma in space.vmas if vma.end > call.new_addr), space.task_size)
    free = call.new_addr and call.new_addr + call.new_len <= behind
    target = call.new_addr if free else get_unmapped_area(space, call.new_len)
    return target if target < 0 else move_vma_today(space, call._replace(new_addr=target))


def move_vma_today(space: AddressSpace, call: Call) -> int:
    """As move_vma, but not with a list so full that the last unmapping could fail."""
    vma = space.at(call.addr)
    if vma is None:
        return EFAULT
    if space.map_count >= space.limit - SPARE:
        return ENOMEM
    if call.flags & DONTUNMAP:
        return call.new_addr if copy_vma(space, vma, call) else ENOMEM
    return move_vma(space, vma, call)
