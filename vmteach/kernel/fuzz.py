"""Searching instead of thinking: random address spaces and calls, until an invariant breaks."""

import random
from collections.abc import Callable, Iterable
from typing import NamedTuple

from vmteach.kernel.mm import FIXED, MAYMOVE, PLENTY, AddressSpace, Call
from vmteach.kernel.mmap import do_mmap
from vmteach.kernel.sound import Broke


class Hit(NamedTuple):
    """The first of many random calls that broke an invariant."""

    tries: int
    call: Call
    what: str


def random_case(rng: random.Random) -> tuple[AddressSpace, Call]:
    """A small address space, often short of room or of descriptors, and a call that may or may not fit it.

    >>> space, call = random_case(random.Random(2004))
    >>> 1 <= len(space.vmas) <= 3, call.addr % space.page
    (True, 0)
    """
    space = AddressSpace()
    for _ in range(rng.randint(1, 3)):
        do_mmap(space, rng.randrange(24) << 12, rng.randint(1, 8) << 12, rng.choice(("rw-", "r--")), fill="p")
    space.limit = space.map_count + rng.choice((0, 0, 1, 2, 6, 9))
    space.descriptors = rng.choice((0, 1, PLENTY, PLENTY, PLENTY))
    flags = rng.choice((0, MAYMOVE, MAYMOVE | FIXED, MAYMOVE | FIXED, FIXED))
    old, new = rng.randrange(7) << 12, rng.randrange(7) << 12
    return space, Call(rng.randrange(32) << 12, old, new, flags, rng.randrange(40) << 12)


Breaks = Callable[[AddressSpace, Call], Iterable[Broke]]


def search(breaks: Breaks, tries: int = 5000, seed: int = 2004) -> dict[str, Hit]:
    """The first hit on each invariant among `tries` random calls; `breaks` makes one and names what it broke.

    >>> from vmteach.patches.mremap import PATCHED, POLICIES, broken_by
    >>> sorted(search(broken_by(POLICIES[PATCHED]), tries=200))
    ['I3', 'I4']
    """
    rng, hits = random.Random(seed), dict[str, Hit]()
    for number in range(1, tries + 1):
        space, call = random_case(rng)
        for broke in breaks(space, call):
            hits.setdefault(broke.invariant, Hit(number, call, broke.what))
    return hits
