"""Learner's code, called within bounds: an exception or an endless loop comes back as just that, with its line.

source      sys.settrace, which works in the main thread of a notebook as in a script, on every platform; an alarm
            for what waits and runs no line, such as time.sleep(60), where the system has one and in the main thread
left out    on Windows, and in another thread, a wait: only the reader's interrupt ends that; and everywhere one call
            of a C function that computes for ever
"""

import contextlib
import inspect
import io
import linecache
import operator
import signal
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

STEPS = 500_000  # bytecodes and lines of the learner's code in one check: a fraction of a second
SECONDS = 5.0  # and a limit for lines that are slow
AGAIN = 0.5  # s until a wait that goes on is ended again
DEPTH = 700  # calls within calls of the learner's code
PRINTED = 600  # characters that are shown of what it prints

_PATHS = sysconfig.get_paths()
_LIBRARY = (
    str(Path(__file__).parent.parent),
    *(_PATHS[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
)


class Raised(Exception):
    """The learner's code raised `error`, at `line` of its file or cell (0: before its first line)."""

    def __init__(self, error: BaseException, line: int = 0, source: str = "") -> None:
        super().__init__(str(error))
        self.error, self.line, self.source = error, line, source

    def __str__(self) -> str:
        where = f"Line {self.line}" if self.line else "Calling it"
        where += f" (`{self.source}`)" if self.source else ""
        if isinstance(self.error, Endless):
            return f"{where}: {self.error}"
        return f"{where}: {type(self.error).__name__}: {self.error}".rstrip(": ")


class Unfinished(Exception):
    """The learner's function gave back the `...` of the stub."""


class Endless(BaseException):
    """Raised in the learner's code when its steps are used up; no `except Exception` catches it."""


class _Few(io.StringIO):
    """The beginning of what is printed."""

    def write(self, text: str) -> int:
        super().write(text[: max(0, PRINTED - self.tell())])
        return len(text)


class Bounds:
    """The steps that one check may take, shared by all calls of the learner's functions.

    >>> Bounds().call(lambda x: x + 1, 2)
    3
    """

    def __init__(self, steps: int = STEPS, seconds: float = SECONDS) -> None:
        self._allowed, self._left, self._seconds = steps, steps, seconds
        self._out = _Few()
        self._until = 0.0
        self._depth = 0  # calls within calls

    @property
    def printed(self) -> str:
        """The beginning of what the code has printed."""
        return self._out.getvalue()

    def call(self, function: Callable[..., Any], *args: object, **named: object) -> Any:
        """What the function gives; Raised if it raises or does not end, Unfinished if it gives `...`."""
        outer, depth = sys.gettrace(), self._depth
        self._until = self._until or time.monotonic() + self._seconds
        try:
            with contextlib.redirect_stdout(self._out):
                try:
                    with self._alarm():
                        sys.settrace(self._trace)
                        result = function(*args, **named)
                        if inspect.isgenerator(result):
                            result = list(result)  # its lines run here, not in the check
                finally:
                    sys.settrace(outer)
                    self._depth = depth
        except (KeyboardInterrupt, Raised, Unfinished):
            raise
        except BaseException as error:
            raise Raised(error, *_place(error.__traceback__)) from None
        if result is ...:
            raise Unfinished
        return result

    @contextlib.contextmanager
    def _alarm(self) -> Iterator[None]:
        """Within it a wait is ended when the time is up, and again and again if the code goes on waiting."""
        if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
            yield
            return

        def ring(signum: int, frame: FrameType | None) -> None:
            if inside:
                self._end()

        old, left = signal.signal(signal.SIGALRM, ring), max(self._until - time.monotonic(), 0.01)
        inside = True
        running = signal.setitimer(signal.ITIMER_REAL, left, AGAIN)
        try:
            yield
        finally:
            inside = False
            signal.setitimer(signal.ITIMER_REAL, *running)
            signal.signal(signal.SIGALRM, old)

    def _end(self) -> None:
        raise Endless(f"it was still running after {self._seconds:g} s. Does it come to an end?")

    def _trace(self, frame: FrameType, event: str, arg: object) -> Any:
        if not learners(frame.f_code.co_filename):
            return None
        self._depth += 1
        if self._depth > DEPTH:  # well before Python's own limit, which is less safe while somebody traces
            self._depth -= 1  # of this call no return will be told
            raise RecursionError("maximum recursion depth exceeded")
        frame.f_trace_opcodes = True  # `while True: pass` on one line is one line for ever
        self._spend()
        return self._line

    def _line(self, frame: FrameType, event: str, arg: object) -> Any:
        if event in ("line", "opcode"):
            self._spend()
        elif event == "return":
            self._depth -= 1
        return self._line

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Endless(f"it was still running after {self._allowed:,} steps. Does the loop come to an end?")
        if self._left % 256 == 0 and time.monotonic() > self._until:
            self._end()


@dataclass(frozen=True)
class Guarded:
    """A function of the learner's that is always called within the bounds of a check."""

    function: Callable[..., Any]
    bounds: Bounds

    def __call__(self, *args: object, **named: object) -> Any:
        return self.bounds.call(self.function, *args, **named)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Guarded) and self.function == other.function

    def __hash__(self) -> int:
        return hash(self.function)


def guard(answer: Any, bounds: Bounds) -> Any:
    """The answer, with every function in it within the bounds: itself, in fields, in lists and in tables.

    >>> guard({"step": len, "size": 3}, Bounds())["step"]([7, 8])
    2
    """
    if type(answer) is dict:
        return {key: guard(value, bounds) for key, value in answer.items()}
    if type(answer) in (list, tuple):
        guarded = [guard(value, bounds) for value in answer]
        return answer if all(map(operator.is_, guarded, answer)) else type(answer)(guarded)
    if is_dataclass(answer) and not isinstance(answer, type):
        return _guard_fields(answer, bounds)
    is_function = callable(answer) and not isinstance(answer, type | Enum | Mapping)
    return Guarded(answer, bounds) if is_function else answer


def _guard_fields(answer: Any, bounds: Bounds) -> Any:
    old = {f.name: getattr(answer, f.name) for f in fields(answer) if f.init}
    swapped = {name: new for name, value in old.items() if (new := guard(value, bounds)) is not value}
    return replace(answer, **swapped) if swapped else answer


def learners(filename: str) -> bool:
    """Whether code from this file is the learner's: not this package's, not of an installed one."""
    return not filename.startswith((*_LIBRARY, "<frozen", "<string>"))  # <string>: the __init__ of a dataclass


def _place(trace: TracebackType | None) -> tuple[int, str]:
    """The innermost line of the learner's own code, and its text where that is known."""
    found = (0, "")
    while trace:
        name = trace.tb_frame.f_code.co_filename
        if learners(name):
            found = (trace.tb_lineno, linecache.getline(name, trace.tb_lineno).strip())
        trace = trace.tb_next
    return found


def same_code(one: object, other: object) -> bool:
    """Whether two functions do the same by the letter; comments and blank lines do not count.

    >>> same_code(lambda x: x + 1, lambda x: x + 1), same_code(lambda x: x + 1, lambda x: x + 2)
    (True, False)
    """
    one, other = (getattr(f, "__code__", f) for f in (one, other))
    if not (inspect.iscode(one) and inspect.iscode(other)):
        return False
    alike = all(getattr(one, name) == getattr(other, name) for name in ("co_code", "co_names", "co_varnames"))
    return (
        alike and len(one.co_consts) == len(other.co_consts) and all(map(_same_const, one.co_consts, other.co_consts))
    )


def _same_const(one: object, other: object) -> bool:
    return same_code(one, other) if inspect.iscode(one) else type(one) is type(other) and one == other
