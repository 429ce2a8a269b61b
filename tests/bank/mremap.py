"""Right and wrong answers to the exercises of mremap."""

from bank import Case


def refuse(condition: str) -> str:
    return f"def refuse(call):\n    return {condition}\n"


def careful(condition: str, error: str = "mremap.ENOMEM") -> str:
    return f"""\
def careful(space, call, policy):
    if {condition}:
        return {error}
    return mremap.do_mremap(space, call, policy)
"""


LATE = """\
def careful(space, call, policy):
    room = space.limit - space.map_count
    result = mremap.do_mremap(space, call, policy)
    return mremap.ENOMEM if call.elsewhere and room < 2 else result
"""
WITH_IFS = """\
def careful(space, call, policy):
    if call.flags & mremap.FIXED and call.new_addr != call.addr:
        after = space.map_count + 2
        if after > space.limit:
            return mremap.ENOMEM
    return mremap.do_mremap(space, call, policy)
"""
RAISES_THE_LIMIT = """\
def careful(space, call, policy):
    space.limit += 2
    return mremap.do_mremap(space, call, policy)
"""
FORGETS_THE_CALL = """\
def careful(space, call, policy):
    mremap.do_mremap(space, call, policy)
"""


def lost(addr: int, old_len: int, new_len: int, new_addr: int, flags: int = 3) -> str:
    return f"mine = Call({addr:#x}, {old_len:#x}, {new_len:#x}, {flags}, {new_addr:#x})\n"


BANK = {
    "refuse": Case(
        right=(
            (refuse("call.fixed and not call.new_len and call.addr != call.new_addr"), None),
            (refuse("bool(call.flags & 2) and call.new_len == 0 and call.new_addr != call.addr"), None),
            (refuse("call.new_len < 1 and call.elsewhere"), None),
        ),
        wrong=(
            (refuse("False"), "That refuses nothing"),  # the kernel before
            (refuse("True"), "refuses an ordinary move"),
            (refuse("call.new_len == 0"), "emptying 4 pages in place"),
            (refuse("call.new_len == 0 and call.flags"), "with `MAYMOVE` alone"),
            (refuse("call.fixed and call.new_len == 0"), "onto their own place"),
            (refuse("call.new_len == 0 and call.new_addr != call.addr"), "emptying 4 pages in place"),
            (refuse("call.fixed and call.old_len == 0"), "that is to become 4 pages"),
            (refuse("call.fixed and call.new_len < call.old_len"), "cuts them down to 1"),
            (refuse("call.fixed and call.new_len == call.old_len == 0"), "pages as none through. What is left"),
            (refuse("call.fixed and call.old_len and not call.new_len and call.elsewhere"), "How long is the mapping"),
            (refuse("call.elsewhere and call.new_len < 4096"), "down to 100 bytes"),
            (refuse("'EINVAL'"), "a str, not"),
            (refuse("None"), "is there a `return`?"),
        ),
        raises=((refuse("call.length == 0"), 2, "AttributeError"),),
        secret=(r"new_addr != call\.addr", r"new_len == 0"),
    ),
    "careful": Case(
        right=(
            (careful("call.elsewhere and space.limit - space.map_count < 2"), None),
            (careful("space.map_count > space.limit - 2 and call.fixed and call.addr != call.new_addr"), None),
            (WITH_IFS, None),
        ),
        wrong=(
            (careful("False"), "With room for 0 more I4 is still broken"),  # both fixes, and no more
            (careful("space.map_count >= space.limit"), "With room for 1 more I4 is still broken"),
            (careful("call.elsewhere and space.limit - space.map_count < 6"), "nothing would break"),  # today's
            (careful("space.limit - space.map_count < 2"), "moves nothing. With room for 0 more yours gives ENOMEM"),
            (careful("call.fixed and space.limit - space.map_count < 2"), "moves nothing"),
            (careful("call.elsewhere"), "With room for 2 more nothing would break"),
            (LATE, "something has been done by then"),
            (RAISES_THE_LIMIT, "changed the limit itself"),
            (FORGETS_THE_CALL, "is there a `return`?"),
            (careful("call.elsewhere and space.limit - space.map_count < 2", "-1000"), "no error that the kernel has"),
            (careful("call.elsewhere and space.limit - space.map_count < 2", "12"), "12 is no address of a page"),
        ),
        raises=((careful("space.room < 2"), 2, "AttributeError"),),
        secret=(r"map_count < 2", r"room for both"),
    ),
    "lost": Case(
        right=(
            (lost(0x8000, 0x38000, 0x8000, 0x40000), 12),
            (lost(0x20000, 0x1000, 0x8000, 0x40000), 8),
            ("mine = Call(addr=15 << 12, old_len=5 << 12, new_len=1 << 12, flags=3, new_addr=64 << 12)\n", 5),
        ),
        wrong=(
            (lost(0x10000, 0x4000, 0x3000, 0x80000, flags=1), "The call succeeds"),
            (lost(0x10001, 0x4000, 0x3000, 0x40000), "refused in time"),
            (lost(0x10000, 0x4000, 0, 0x40000), "refused in time"),  # what the first fix refuses
            (lost(0x20000, 0x1000, 0x1000, 0x80000), "refused in time"),
            ("mine = Call(0x20000, -4096, 0x1000, 3, 0x40000)\n", "between 0 and 0x100000"),
            (lost(0x20000, 0x1000, 0x8000_0000, 0x40000), "between 0 and 0x100000"),
            ("mine = (0x8000, 0x38000, 0x8000, 3, 0x40000)\n", "not a Call"),
            ("mine = Call('0x8000', 1, 1)\n", "of whole numbers"),
        ),
        secret=(r"0x38000", r"\b12\b"),
    ),
}

GOALS = {
    "sound": (
        ({}, "not yet", "broken I2, I5"),
        ({"below_limit": 1}, "right", "second half of `d`"),
        ({"below_limit": 4}, "not yet", "with less room it is so too"),
        ({"below_limit": 1, "call": "move"}, "not yet", "The call is to be"),
        ({"below_limit": 1, "policies": ["patched"]}, "not yet", "Show the kernel 'unpatched' too"),
    ),
    "today": (
        ({}, "not yet", "Show the kernel 'today' too"),
        ({"policies": ["unpatched", "today"]}, "not yet", "returned ENOMEM"),
        ({"policies": ["unpatched", "today"], "below_limit": 6}, "right", "the whole call might add"),
        ({"policies": ["unpatched", "today"], "below_limit": 8}, "not yet", "with less room it is so too"),
        ({"policies": ["unpatched", "today"], "below_limit": 6, "call": "shrink and move"}, "not yet", "is to be"),
    ),
}
