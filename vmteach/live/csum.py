"""Every load of every buffer that ends near its page's end, against a page that is really forbidden.

The child takes two pages' room and forbids itself the second half. It then makes the loads of the model, as wide and
where the routine makes them; a process that meets the forbidden page ends there, and the next one goes on after it.
"""

import mmap
import os
import signal
from typing import Literal, NamedTuple

from vmteach.live import Answer, answered, in_child, needs_linux
from vmteach.patches.csum_trail import PATCHED, POLICIES, UNPATCHED, overruns, parts
from vmteach.run import Record, Values

SECONDS = 60.0  # what the child may take; some 10 s on a slow machine
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
    """For each routine the number of buffers, of loads, and the buffers at which a process ended."""
    import ctypes
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc, area = ctypes.CDLL(None, use_errno=True), mmap.mmap(-1, 2 * mmap.PAGESIZE)
    edge = ctypes.addressof(ctypes.c_char.from_buffer(area)) + mmap.PAGESIZE
    if libc.mprotect(ctypes.c_void_p(edge), ctypes.c_size_t(mmap.PAGESIZE), 0):
        return {"why": f"no page can be forbidden here: {os.strerror(ctypes.get_errno())}"}
    libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    libc.signal(signal.SIGSEGV, ctypes.cast(libc._exit, ctypes.c_void_p))  # quietly: the kernel's log stays empty
    return {"tried": [_try(memoryview(area), mmap.PAGESIZE, routine) for routine in request["routines"]]}


def _try(area: memoryview, border: int, routine: str) -> tuple[int, int, list[tuple[int, int]]]:
    """How many buffers and loads, and the buffers that end a process, which goes on with the next."""
    buffers = [(start, end - start) for end in range(PAGE - 2, PAGE + 1) for start in range(end)]
    at = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")  # the buffer that is tried, and the loads so far
    faults = []
    while at[0] < len(buffers):
        process = os.fork()
        if not process:
            _touch(buffers, at, area[border - PAGE :], routine)
        if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) != signal.SIGSEGV:
            break
        faults.append(buffers[at[0]])
        at[0] += 1
    return len(buffers), at[1], faults


def _touch(buffers: list[tuple[int, int]], at: memoryview, page: memoryview, routine: str) -> None:
    """Make the loads of each buffer from `at` on, until all are done or one is met with the signal."""
    for number in range(at[0], len(buffers)):
        at[0] = number
        first, loop, last = parts(*buffers[number], POLICIES[routine])
        for load in first:
            _load(page, load.address, load.width)
        page[loop.start : loop.stop].cast("I").tolist()  # four bytes at a time
        at[1] += len(first) + len(loop) + len(last)
        for load in last:
            _load(page, load.address, load.width)
    at[0] = len(buffers)
    os._exit(0)


def _load(page: memoryview, address: int, width: int) -> int:
    one: memoryview[int] = page[address : address + width].cast(_FORMATS[width])
    return one[0]
