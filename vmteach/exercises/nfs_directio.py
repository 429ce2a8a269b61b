"""Exercises of nfs_directio: what a word keeps, what a limit leaves, and the most harm."""

from vmteach.exercises import Answer, Faults, Given, Numbers, Position, check, misfit, not_yet, right, written
from vmteach.machine import GIB
from vmteach.patches import nfs_directio as patch
from vmteach.patches.nfs_directio import PATCHED, POLICIES, UNPATCHED, Scenario, simulate

DESTROYED, KEPT = "destroyed elsewhere (KiB)", "written where it belongs (KiB)"


@check
def check_wire(wire: Answer, given: Given) -> Faults:
    bits = given["bits"]
    places = [0, 3 << bits, 4 * GIB - (1 << bits), 4 * GIB, 4 * GIB + (2 << bits), 11 * GIB + (5 << bits)]
    for offset in places:
        got = wire(offset)
        yield misfit(got, int)
        if got == patch.wire_offset(offset, bits, 32, POLICIES[UNPATCHED]):
            continue
        if got == offset >> bits:
            yield f"For offset {offset} you give {got}: that is the block number. The wire carries bytes."
        if got == offset:
            yield f"You send offset {offset} as it is. The unpatched kernel cannot: its result has 32 bits."
        if got == 2**32 - 1 or got == 2**32 - (1 << bits):
            yield "Your word stops at its largest value. One that overflows starts again from zero."
        yield f"Offset {offset} comes out as {got}."
    return right("As the unpatched kernel does it, below 4 GiB and beyond.")


@check
def check_rule(mine: Answer, _: Given) -> Faults:
    def harm(mib: int, bits: int = 12) -> tuple[int, int]:
        numbers = simulate(Scenario(offset_mib=mib, block_bits=bits), mine).numbers
        return numbers[DESTROYED], 2048 - numbers[KEPT]

    yield not mine.by_block, "Keep the block number: the file layer of that kernel has no other way down."
    for mib in (0, 4095, 4096, 8193):
        destroyed, missing = harm(mib)
        yield destroyed, f"At {mib} MiB {destroyed} KiB of other data are destroyed."
        yield missing > 0, f"At {mib} MiB {missing} KiB are not written, and there is room for them."
    for bits in (9, 12, 15):
        below = (1 << 32 + bits - 20) - 2  # MiB: the last request that a block number can say
        missing = harm(below, bits)[1]
        where = f"At {below} MiB, in blocks of {1 << bits} bytes,"
        yield missing > 0, f"{where} {missing} KiB are not written, and a block number can say the place."
    destroyed = harm(2 << 20, 9)[0]
    yield destroyed, f"At 2 TiB, in blocks of 512 bytes, {destroyed} KiB of other data are destroyed."
    return right("Right wherever a block number can say it, and an error where it cannot.")


@check
def check_harm(mine: Answer, _: Given) -> Faults:
    yield mine.machine.word != 32, "The machine must have words of 32 bits."
    numbers = simulate(mine, POLICIES[PATCHED]).numbers
    destroyed, kept = numbers[DESTROYED], numbers[KEPT]
    if not destroyed:
        limit = f"its limit is {patch.right_below(mine.block_bits, 32, POLICIES[PATCHED]) // GIB:,} GiB here."
        return not_yet(f"The patched kernel writes {kept} KiB where they belong; {limit}", 0)
    all_of_it = "All of the request goes to a place where other data stood."
    praise = "It goes astray from the middle of the request on." if kept else all_of_it
    return right(praise, round(100 * destroyed / mine.length_kib))


@check
def check_immune(state: Position, numbers: Numbers) -> Faults:
    gone = numbers[UNPATCHED][DESTROYED]
    yield state["offset_mib"] != 5120, "The request is to begin at 5120 MiB."
    yield gone, f"The unpatched kernel destroys {gone} KiB of other data here."
    return right("Words of 64 bits: nothing of the offset is lost, with no patch at all.")


@check
def check_second(_: Position, numbers: Numbers) -> Faults:
    gone, limit = numbers[PATCHED][DESTROYED], numbers[PATCHED]["right below (GiB)"] // 1024
    if not gone:
        yield f"The patched kernel is right here{f'; its limit is {limit:,} TiB' if limit < 1 << 20 else ''}."
    return right(f"The patched kernel destroys {gone} KiB: the second limit.")


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "nfs_directio",
    globals(),
    wire=({"bits": 12}, {"bits": 9}, {"bits": 15}),
)
