"""Exercises of blkdev_eof: two roundings, half of a repair, and an error that was better than none."""

from vmteach.exercises import Answer, Given, Numbers, Position, Verdict, misfit, not_yet, right, written
from vmteach.kernel.blkdev import SECTOR, Rounding
from vmteach.machine import PRESETS
from vmteach.patches.blkdev_eof import CONTROLS, PATCHED, POLICIES, UNPATCHED, Scenario, lost, simulate

LOST, ZEROS = "bytes lost (B)", "bytes read as zeros (B)"


def check_roundings(count: Answer, _: Given) -> Verdict:
    for up in (True, False):
        rounding = Rounding.UP if up else Rounding.DOWN
        way = "up" if up else "down"
        for kib, per in ((8, 4), (1001, 4), (1000, 4), (3, 4), (7, 2), (5, 1)):
            got, expected = count(kib, per, up), rounding.of(kib, per)
            if problem := misfit(got, int):
                return not_yet(problem)
            if got == expected:
                continue
            where = f"{kib} KiB in blocks of {per} KiB, rounded {way}: {got} blocks"
            if got == expected + 1 and kib % per == 0:
                return not_yet(f"{where}. Nothing straddles the end there.")
            if got == rounding.of(kib, per) - 1:
                return not_yet(f"{where}. Look at the last KiB.")
            return not_yet(f"{where}.")
    return right("Both ways, for every size.")


def check_half(mine: Answer, given: Given) -> Verdict:
    if mine.unit != 1024 or mine.shortens or mine.read_blocks is not Rounding.DOWN:
        return not_yet("Keep the rest as it is: the sizes in KiB, reads rounded down, and nothing shortened.")
    device = Scenario(sectors=given["sectors"], block=4096)
    numbers = simulate(device, mine).numbers
    if gone := numbers[LOST]:
        return not_yet(f"{gone} bytes still give EIO. Which layer says so now?")
    if old := numbers["bytes of old memory (B)"]:
        return not_yet(f"{old} bytes of old memory come back as data, with no error. That is worse than EIO.")
    if mine.write_blocks is not Rounding.DOWN:
        return not_yet("The page can be read. But what do the two counts say to a write of the last block?")
    return right("The page can be read, nothing old is shown, and the straddling block cannot be written.")


def check_silent(mine: Answer, _: Given) -> Verdict:
    if mine.sectors > 4096:
        return not_yet("Take a device of at most 4096 sectors.")
    numbers = simulate(mine, POLICIES[PATCHED]).numbers
    if not numbers[ZEROS]:
        missing = " Its odd last sector is missing, as with every kernel of 2.4." if mine.sectors % 2 else ""
        return not_yet(f"Every byte that was read is true: no block of this device straddles its end.{missing}", 0)
    return right(f"{numbers[ZEROS]:,} bytes of the backup are wrong, and nobody is told.", numbers[ZEROS])


def check_straddle(state: Position, numbers: Numbers) -> Verdict:
    if state["block"] != 2048:
        return not_yet("The blocks are to have 2,048 bytes.")
    if PRESETS[state["machine"]].page != 4096:
        return not_yet("The pages are to have 4 KiB.")
    odd = state["sectors"] % 2 * SECTOR
    if numbers[UNPATCHED][LOST] == odd:
        return not_yet("No block straddles the end: the blocks fill this device exactly.")
    return right(f"{numbers[UNPATCHED][LOST]:,} bytes are lost: the size is an odd number of KiB.")


def check_most(state: Position, numbers: Numbers) -> Verdict:
    here = numbers[UNPATCHED][LOST]
    stops = {control.field: control.stops for control in CONTROLS}
    pages = {machine.page for machine in PRESETS.values()}
    every = (lost(s, b, p) for s in stops["sectors"] for b in stops["block"] for p in pages)
    if here < max(every):
        return not_yet(f"{here:,} bytes are lost here. It can cost more.")
    return right(f"One block costs {here:,} bytes, most of them in good blocks.")


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "blkdev_eof",
    globals(),
    half=({"sectors": 2002}, {"sectors": 2004}, {"sectors": 2006}),
)
