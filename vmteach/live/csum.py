"""Every load of every buffer that ends near its page's end, against a page that is really forbidden.

The child takes two pages' room and forbids itself the second half. It then makes the loads of the model, as wide and
where the routine makes them. The processor stops a load that meets the forbidden page: the child notes the buffer,
allows itself the page for the rest of that buffer, and forbids it again.
"""

import mmap
import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple

from vmteach.live import Answer, answered, in_child, needs_linux
from vmteach.patches.csum_trail import PATCHED, POLICIES, UNPATCHED, Loaded, overruns, parts
from vmteach.run import Record, Values

SECONDS = 60.0  # what the child may take; some 2 s on a slow machine
_FORMATS: dict[int, Literal["B", "H", "I"]] = {1: "B", 2: "H", 4: "I"}
PAGE = 4096  # bytes of the page that the buffers lie in, whatever the reader's pages are


class Touched(NamedTuple):
    """One routine: how many buffers were tried, how many loads were made, and how many buffers met a fault.

    `as_model`: whether those are exactly the buffers of which the model says so.
    """

    routine: str
    buffers: int
    loads: int
    faults: int
    as_model: bool


def touch_every_buffer(seconds: float = SECONDS) -> Answer:
    """All buffers that end in the last three bytes of a page, with the unpatched and the patched routine."""
    labels = (UNPATCHED, PATCHED)
    given = needs_linux() or in_child(__name__, {"routines": labels}, seconds)
    rows = [
        (label, buffers, loads, len(faults), faults == [list(buffer) for buffer in overruns(POLICIES[label])])
        for label, (buffers, loads, faults) in zip(labels, given.get("tried", ()))
    ]
    return answered({"rows": rows, **given}, Touched, "every load of {count} routines made on this processor")


# The child's side


def child(request: Values) -> Record:
    """For each routine the number of buffers, of loads, and the buffers with a load that was stopped."""
    import ctypes

    libc, area = ctypes.PyDLL(None, use_errno=True), mmap.mmap(-1, 2 * mmap.PAGESIZE)
    edge = ctypes.addressof(ctypes.c_char.from_buffer(area)) + mmap.PAGESIZE
    met: list[int] = []

    def allow(rights: int) -> int:
        return int(libc.mprotect(ctypes.c_void_p(edge), ctypes.c_size_t(mmap.PAGESIZE), rights))

    def fault(signal_: int) -> None:  # the load that was stopped is made again when this is done
        met.append(signal_)
        if len(met) > 1 or allow(mmap.PROT_READ):
            os._exit(1)  # another fault than ours: it would come again for ever

    if allow(0):
        return {"why": f"no page can be forbidden here: {os.strerror(ctypes.get_errno())}"}
    libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(fault)
    libc.signal(signal.SIGSEGV, ctypes.cast(handler, ctypes.c_void_p))
    page = memoryview(area)[mmap.PAGESIZE - PAGE :]
    return {"tried": [_try(page, routine, met, partial(allow, 0)) for routine in request["routines"]]}


def _try(
    page: memoryview, routine: str, met: list[int], forbid: Callable[[], int]
) -> tuple[int, int, list[tuple[int, int]]]:
    """How many buffers and loads, and the buffers with a load that was stopped."""
    buffers = [(start, end - start) for end in range(PAGE - 2, PAGE + 1) for start in range(end)]
    loads, faults = 0, []
    for buffer in buffers:
        loads += _touch(page, *parts(*buffer, POLICIES[routine]))
        if met:
            faults.append(buffer)
            met.clear()
            forbid()
    return len(buffers), loads, faults


def _touch(page: memoryview, first: Sequence[Loaded], loop: range, last: Sequence[Loaded]) -> int:
    """Make the loads of a buffer; how many those are."""
    for load in first:
        _load(page, load)
    page[loop.start : loop.stop].cast("I").tolist()  # four bytes at a time
    for load in last:
        _load(page, load)
    return len(first) + len(loop) + len(last)


def _load(page: memoryview, load: Loaded) -> None:
    page[load.address : load.address + load.width].cast(_FORMATS[load.width]).tolist()
