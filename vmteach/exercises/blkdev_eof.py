"""Exercises of blkdev_eof: two roundings, half of a repair, and an error that was better than none."""

from itertools import product

from vmteach.exercises import Answer, Faults, Given, Numbers, Position, check, misfit, not_yet, right, written
from vmteach.kernel.blkdev import SECTOR, Rounding
from vmteach.machine import PRESETS
from vmteach.patches.blkdev_eof import CONTROLS, PATCHED, POLICIES, UNPATCHED, Scenario, lost, simulate

LOST, ZEROS = "bytes lost (B)", "bytes read as zeros (B)"
SIZES = (8, 4), (1001, 4), (1000, 4), (3, 4), (7, 2), (5, 1)  # KiB of a device and of a block


@check
def check_roundings(count: Answer, _: Given) -> Faults:
    for way, (kib, per) in product(Rounding, SIZES):
        got, expected = count(kib, per, way is Rounding.UP), way.of(kib, per)
        yield misfit(got, int)
        if got == expected:
            continue
        where = f"{kib} KiB in blocks of {per} KiB, rounded {way.name.lower()}: {got} blocks."
        yield got == expected + 1 and kib % per == 0, f"{where} Nothing straddles the end there."
        yield got == expected - 1, f"{where} Look at the last KiB."
        yield where
    return right("Both ways, for every size.")


@check
def check_half(mine: Answer, given: Given) -> Faults:
    if mine.unit != 1024 or mine.shortens or mine.read_blocks is not Rounding.DOWN:
        yield "Keep the rest as it is: the sizes in KiB, reads rounded down, and nothing shortened."
    numbers = simulate(Scenario(sectors=given["sectors"], block=4096), mine).numbers
    gone, old = numbers[LOST], numbers["bytes of old memory (B)"]
    yield gone, f"{gone} bytes still give EIO. Which layer says so now?"
    yield old, f"{old} bytes of old memory come back as data, with no error. That is worse than EIO."
    if mine.write_blocks is not Rounding.DOWN:
        yield "The page can be read. But what do the two counts say to a write of the last block?"
    return right("The page can be read, nothing old is shown, and the straddling block cannot be written.")


@check
def check_silent(mine: Answer, _: Given) -> Faults:
    yield mine.sectors > 4096, "Take a device of at most 4096 sectors."
    zeros = simulate(mine, POLICIES[PATCHED]).numbers[ZEROS]
    if not zeros:
        missing = " Its odd last sector is missing, as with every kernel of 2.4." if mine.sectors % 2 else ""
        return not_yet(f"Every byte that was read is true: no block of this device straddles its end.{missing}", 0)
    return right(f"{zeros:,} bytes of the backup are wrong, and nobody is told.", zeros)


@check
def check_straddle(state: Position, numbers: Numbers) -> Faults:
    here = numbers[UNPATCHED][LOST]
    yield state["block"] != 2048, "The blocks are to have 2,048 bytes."
    yield PRESETS[state["machine"]].page != 4096, "The pages are to have 4 KiB."
    if here == state["sectors"] % 2 * SECTOR:
        yield "No block straddles the end: the blocks fill this device exactly."
    return right(f"{here:,} bytes are lost: the size is an odd number of KiB.")


@check
def check_most(_: Position, numbers: Numbers) -> Faults:
    here = numbers[UNPATCHED][LOST]
    stops = {control.field: control.stops for control in CONTROLS}
    pages = {machine.page for machine in PRESETS.values()}
    every = product(stops["sectors"], stops["block"], pages)
    yield any(lost(*each) > here for each in every), f"{here:,} bytes are lost here. It can cost more."
    return right(f"One block costs {here:,} bytes, most of them in good blocks.")


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "blkdev_eof",
    globals(),
    half=({"sectors": 2002}, {"sectors": 2004}, {"sectors": 2006}),
)
