"""Chapter 11: limits, decisions and writers, as 2.4.22, 2.4.27 and 2.4.32 gave them."""

from collections.abc import Iterable
from itertools import pairwise

from vmteach.cases import first_difference
from vmteach.kernel.zones import Memory, Start
from vmteach.machine import MIB, Machine
from vmteach.patches import overflow_buffers as patch
from vmteach.patches.overflow_buffers import Policy, Writer
from vmteach.run import of_kind
from vmteach.tables import Case

OLD, PRE4, HIGH, TWICE = patch.GUARDS.values()
TOT = {"tot_2.4.22": OLD, "tot_2.4.23-pre4": PRE4, "tot_2.4.23-29": HIGH, "tot_2.4.30-37": TWICE}
KERNELS = {
    "2.4.22 bytes": Policy(OLD, reserve=False),
    "2.4.23-29 bytes": Policy(HIGH),
    "2.4.23-29 guard + sectors": Policy(HIGH, 9),
    "2.4.30-31 bytes": Policy(TWICE),
    "2.4.32 sectors": Policy(TWICE, 9),
}
DECIDED = dict(zip(("2.4.22", "2.4.23-29", "aa_sectors", "2.4.30-31", "2.4.32"), KERNELS.values()))


def _machine(row: Case) -> Machine:
    return Machine("a row", row["ram_MiB"] * MIB)


def _memory(row: Case) -> Memory:
    return Memory(row["free_dma"], row["free_normal"], row["free_high"], row["cache_dma"] + row["cache_normal"])


def decisions(row: Case) -> str:
    """The counters, what four texts of nr_free_buffer_pages count, and the answers of six kernels."""
    machine, memory = _machine(row), _memory(row)
    count = row["dirty_pages"] * machine.page // row["block_B"]
    for unit, policy in (("bytes", Policy()), ("sectors", Policy(shift=9))):
        if patch.insert_into_lru_list(0, row["block_B"], count, policy) != row[f"counter_{unit}"]:
            return f"the counter in {unit}"
    for name, guard in TOT.items():
        if patch.nr_free_buffer_pages(memory, guard, machine) != row[name]:
            return name
    return next((name for name, policy in DECIDED.items() if not _decided(row, name, policy)), "")


def _decided(row: Case, name: str, policy: Policy) -> bool:
    shares = patch.Shares(row["nfract"], row["nfract_sync"], row["nfract_stop"])
    seen = patch.pages_of(row["counter_sectors" if policy.shift else "counter_bytes"], policy)
    tot = patch.nr_free_buffer_pages(_memory(row), policy.guard, _machine(row))
    answer = patch.balance_dirty_state(seen, tot, may_wait=not row["noio"], shares=shares)
    return (answer, patch.bdflush_stop(seen, tot, shares=shares)) == (row[f"d_{name}"], row[f"stop_{name}"])


def writer(row: Case) -> str:
    """Where a writer is first told something, where the counter wraps, and what ends it."""
    start = Start(_machine(row), _memory(row), row["writer"], row["block_B"], row["heads_a_page"])
    got = _outcome(Writer(start, KERNELS[row["kernel"]]))
    return first_difference({name: (value, row[name]) for name, value in got.items()})


def _outcome(writer: Writer) -> dict[str, int | str]:
    """A run in the columns of the table; -1 where the model has nothing of the kind."""
    happened = tuple(patch.events(writer))
    asked = of_kind(happened, patch.Asked)
    back = (e for was, e in pairwise(asked) if was.answer > e.answer == patch.NOTHING)
    first = {answer: _first(e for e in asked if e.answer == answer) for answer in (patch.WRITE, patch.WAIT)}
    last, end = asked[-1], happened[-1]
    memory, ended_by = (end.memory, end.lacks) if isinstance(end, patch.Ended) else (last.memory, "wait")
    return {
        "tot_at_start": asked[0].limit,
        "first_background": first[patch.WRITE],
        "first_wait": first[patch.WAIT],
        "counter_wraps_at": _first(of_kind(happened, patch.Wrapped)),
        "back_to_nothing_at": _first(back),
        "ended_by": ended_by,
        "dirty_at_end": last.pages,
        "tot_at_end": patch.nr_free_buffer_pages(memory, writer.policy.guard, writer.start.machine),
        "free_high_end": memory.high,
        "free_normal_end": memory.normal,
        "free_dma_end": memory.dma,
    }


def _first(found: Iterable[patch.Asked | patch.Wrapped]) -> int:
    return next((event.pages for event in found), -1)


TICK = 0.15  # s: the table has tenths


def rates(row: Case) -> str:
    """A writer and a disk: each answer is first given, and the counter first wraps, where the model says so.

    What was written by then has left free memory, whether it is clean again or not; the counter knows what is dirty.
    """
    start = Start(_machine(row), Memory(row["free_dma"], row["free_normal"], row["free_high"]))
    it = Writer(start, KERNELS[row["kernel"]])
    if row["counter_wraps"] and row["first_wrap_dirty"] != it.wrap:
        return "where the counter wraps"
    pairs = ("background", patch.WRITE), ("wait", patch.WAIT)
    return next((f"first {name}" for name, answer in pairs if not _first_at(row, it, name, answer)), "")


def _first_at(row: Case, it: Writer, name: str, answer: int) -> bool:
    """Whether this answer is given at the moment of the row and not before; or never, at the end neither."""
    at, dirty, tick = row[f"first_{name}_s"], row[f"first_{name}_dirty"], TICK * row["writer_MiB_s"] * MIB / 4096
    if at < 0:
        return _answer(it, row["dirty_at_end"], it.most) < answer
    written = at * tick / TICK
    return _answer(it, dirty - tick, written - tick) < answer <= _answer(it, dirty, written + tick)


def _answer(it: Writer, dirty: float, written: float) -> int:
    """What balance_dirty_state gives when so many pages are dirty and so many were written in all."""
    tot = it.limit(round(min(max(written, 0), it.most)))
    return patch.balance_dirty_state(it.seen(max(0, round(dirty))), tot, it.start.machine.word)


TABLES = {"decisions": decisions, "writer": writer, "rates": rates}
