"""Arguments that no visible check uses: a function that knows the visible ones by heart is found out.

source      the exercises' own texts say what arguments may be; the solution says what each call gives
left out    exercises whose answer is a value, or where several functions are right; those have numbers by seed
"""

from collections.abc import Callable, Mapping
from random import Random

from vmteach.kernel.mm import Call
from vmteach.patches.rawio import pages_wanted
from vmteach.run import Values

Draw = Callable[[Random, Values], tuple[object, ...]]


def _hunk(r: Random, _: Values) -> tuple[object, ...]:
    text = r.choices("abc", k=r.randint(0, 6))
    return text, [(r.choice(" -+"), line) for line in (text + r.choices("abc", k=2))[: r.randint(1, 6)]]


def _buffer(r: Random, _: Values) -> tuple[object, ...]:
    va, length, page = r.randrange(1 << 20), r.randint(1, 1 << 19), r.choice((4096, 8192, 16384))
    return va, length, page, r.randint(1, pages_wanted(va, length, page))


def _call(r: Random, _: Values) -> tuple[object, ...]:
    addr, other = (r.randint(16, 64) << 12 for _ in range(2))
    lengths = (r.choice((0, 1, 4, 9)) << 12 for _ in range(2))
    return (Call(addr, next(lengths), next(lengths), r.choice((0, 1, 3)), r.choice((addr, other))),)


DRAWN: Mapping[tuple[str, str], Draw] = {
    ("blkdev_eof", "roundings"): lambda r, _: (r.randint(1, 10**6), r.choice((1, 2, 4, 8, 16)), r.random() < 0.5),
    ("elf_interp", "field"): lambda r, _: (r.randbytes(52), r.choice(("big", "little"))),
    ("extraversion", "fits"): _hunk,
    ("mremap", "refuse"): _call,
    ("ncpfs", "longest"): lambda r, _: (8192, 4 * r.randint(0, 400), 4 * r.randint(0, 300), r.randint(1, 4)),
    ("nfs_directio", "wire"): lambda r, given: (r.randrange(1 << 30) << given["bits"],),
    ("overflow_buffers", "seen"): lambda r, given: (
        (r.randint(0, 5) * given["unit"] << 32) + (r.randrange(1 << 18) << 12),
    ),
    ("rawio", "keep"): _buffer,
    ("shm_big_iron", "quota"): lambda r, _: (r.randint(1, 64), r.randrange(10**6), r.randrange(10**5), r.randint(1, 9)),
    ("shm_big_iron", "clean_pass"): lambda r, _: (
        r.choices(("clean", "dirty"), k=r.randint(0, 24)),
        r.randint(1, 9),
        r.randint(1, 8),
    ),
}
