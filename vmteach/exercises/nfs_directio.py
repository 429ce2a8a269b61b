"""Exercises of nfs_directio: what a word keeps, what a limit leaves, and the most harm."""

from vmteach.exercises import Answer, Given, Numbers, Position, Verdict, misfit, not_yet, right, written
from vmteach.machine import GIB
from vmteach.patches import nfs_directio as patch
from vmteach.patches.nfs_directio import PATCHED, POLICIES, UNPATCHED, Scenario, simulate

DESTROYED, KEPT = "destroyed elsewhere (KiB)", "written where it belongs (KiB)"


def check_wire(wire: Answer, given: Given) -> Verdict:
    bits = given["bits"]
    places = [0, 3 << bits, 4 * GIB - (1 << bits), 4 * GIB, 4 * GIB + (2 << bits), 11 * GIB + (5 << bits)]
    for offset in places:
        got, expected = wire(offset), patch.wire_offset(offset, bits, 32, POLICIES[UNPATCHED])
        if problem := misfit(got, int):
            return not_yet(problem)
        if got == expected:
            continue
        if got == offset >> bits:
            return not_yet(f"For offset {offset} you give {got}: that is the block number. The wire carries bytes.")
        if got == offset:
            return not_yet(f"You send offset {offset} as it is. The unpatched kernel cannot: its result has 32 bits.")
        if got == 2**32 - 1 or got == 2**32 - (1 << bits):
            return not_yet("Your word stops at its largest value. One that overflows starts again from zero.")
        return not_yet(f"Offset {offset} comes out as {got}.")
    return right("As the unpatched kernel does it, below 4 GiB and beyond.")


def check_rule(mine: Answer, _: Given) -> Verdict:
    if not mine.by_block:
        return not_yet("Keep the block number: the file layer of that kernel has no other way down.")
    for offset_mib in (0, 4095, 4096, 8193):
        harm = simulate(Scenario(offset_mib=offset_mib), mine).numbers
        if harm[DESTROYED]:
            return not_yet(f"At {offset_mib} MiB {harm[DESTROYED]} KiB of other data are destroyed.")
        if harm[KEPT] < 2048:
            return not_yet(f"At {offset_mib} MiB {2048 - harm[KEPT]} KiB are not written, and there is room for them.")
    for bits in (9, 12, 15):
        below = (1 << 32 + bits - 20) - 2  # MiB: the last request that a block number can say
        kept = simulate(Scenario(offset_mib=below, block_bits=bits), mine).numbers[KEPT]
        if kept < 2048:
            return not_yet(
                f"At {below} MiB, in blocks of {1 << bits} bytes, {2048 - kept} KiB are not written, "
                "and a block number can say the place."
            )
    beyond = simulate(Scenario(offset_mib=2 << 20, block_bits=9), mine).numbers
    if beyond[DESTROYED]:
        return not_yet(f"At 2 TiB, in blocks of 512 bytes, {beyond[DESTROYED]} KiB of other data are destroyed.")
    return right("Right wherever a block number can say it, and an error where it cannot.")


def check_harm(mine: Answer, _: Given) -> Verdict:
    if mine.machine.word != 32:
        return not_yet("The machine must have words of 32 bits.")
    harm = simulate(mine, POLICIES[PATCHED]).numbers
    if not harm[DESTROYED]:
        limit = patch.right_below(mine.block_bits, 32, POLICIES[PATCHED])
        return not_yet(
            f"The patched kernel writes {harm[KEPT]} KiB where they belong; its limit is {limit // GIB:,} GiB here.", 0
        )
    score = 100 * harm[DESTROYED] / mine.length_kib
    if harm[KEPT]:
        return right("It goes astray from the middle of the request on.", round(score))
    return right("All of the request goes to a place where other data stood.", round(score))


def check_immune(state: Position, numbers: Numbers) -> Verdict:
    if state["offset_mib"] != 5120:
        return not_yet("The request is to begin at 5120 MiB.")
    if gone := numbers[UNPATCHED][DESTROYED]:
        return not_yet(f"The unpatched kernel destroys {gone} KiB of other data here.")
    return right("Words of 64 bits: nothing of the offset is lost, with no patch at all.")


def check_second(state: Position, numbers: Numbers) -> Verdict:
    if gone := numbers[PATCHED][DESTROYED]:
        return right(f"The patched kernel destroys {gone} KiB: the second limit.")
    limit = numbers[PATCHED]["right below (GiB)"] // 1024
    return not_yet(f"The patched kernel is right here{f'; its limit is {limit:,} TiB' if limit < 1 << 20 else ''}.")


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "nfs_directio",
    globals(),
    wire=({"bits": 12}, {"bits": 9}, {"bits": 15}),
)
