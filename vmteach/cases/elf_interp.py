"""elf_interp beside the kernel's own loader of i386: what became of each exec, in 2.4.22 and in 2.4.27."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from itertools import groupby

from vmteach.cases import differing
from vmteach.kernel.binfmt import ARCHS, interpreter_path
from vmteach.patches import elf_interp as patch
from vmteach.patches.elf_interp import PATCHED, POLICIES, UNPATCHED, Event, Files, load_elf_binary
from vmteach.tables import Case, read_cases

I386 = ARCHS["i386"]
STEPS = {patch.Opened: "open:{}", patch.Mapped: "map:{}", patch.Closed: "close:{}", patch.Crossed: "point_of_no_return"}
KERNELS = {"2_4_22": POLICIES[UNPATCHED], "2_4_27": replace(POLICIES[PATCHED], lets_go_of_nothing=False)}


def headers(row: Case) -> str:
    """Empty where the model repeats outcome and point of no return of both kernels, and the steps of 2.4.22."""
    told, exec_of = dict[str, str | int](), files(row)
    made = {name: list(load_elf_binary(exec_of, I386, KERNELS[name], bool(row["old_space_stays"]))) for name in KERNELS}
    for kernel, events in made.items():
        told[f"outcome_{kernel}"] = outcome(events[-1])
        told[f"crossed_{kernel}"] = int(patch.Crossed() in events)
    steps = "" if steps_of(row) == _steps(made["2_4_22"]) else "steps_2_4_22"
    return ", ".join(filter(None, (differing(row, told), steps)))


TABLES = {"headers": headers}


def steps_of(row: Case) -> list[str]:
    """The row's steps without the reads, which the model has not as events, and each run of mappings as one."""
    told = (row["steps_2_4_22"] or "").split()
    steps = (step.removesuffix(":fails") for step in told if not step.startswith(("read:", "flush")))
    return [step for step, _ in groupby(steps) if step != "open"]


def _steps(events: Iterable[Event]) -> list[str]:
    return [STEPS[type(e)].format(getattr(e, "file", "?")[0].upper()) for e in events if type(e) in STEPS]


def outcome(last: Event) -> str:
    """What the last event of an exec says, in the table's words."""
    match last:
        case patch.Returned(error):
            return error
        case patch.Killed(signal):
            return signal
        case patch.Oops():
            return "oops"
    return "runs"


def files(row: Case) -> Files:
    """The two files of a row, and what became of the opening of the second."""
    program = _changed(row["program"], row["program_changes"], row["program_cut"])
    interpreter = _changed(row["interpreter"], row["interpreter_changes"], row["interpreter_cut"])
    error = row["open_error"] or _path_error(program, row["path_that_exists"] or "")
    return Files(program, error or interpreter)


def _path_error(program: bytes, exists: str) -> str:
    """ENOENT for any path but the one that exists, EACCES for an empty one."""
    path = interpreter_path(program, I386.bits, I386.order)
    return "" if path == exists else "ENOENT" if path else "EACCES"


def _changed(name: str, changes: str | None, cut: int | None) -> bytes:
    """A base file with bytes written over it, cut."""
    data = bytearray(_bases()[name])
    for change in (changes or "").split():
        at, _, values = change.partition(":")
        new = bytes.fromhex(values)
        data = data.ljust(int(at) + len(new), b"\0")
        data[int(at) : int(at) + len(new)] = new
    return bytes(data[:cut])


@cache
def _bases() -> dict[str, bytes]:
    return {row["name"]: bytes.fromhex(row["bytes_hex"] or "") for row in read_cases("elf_interp-bases")}
