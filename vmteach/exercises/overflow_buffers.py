"""Exercises of overflow_buffers: what a full word shows, what a limit should count, and a wrap that is reached."""

from vmteach.exercises import Answer, Faults, Given, Numbers, Position, check, misfit, not_yet, right, written
from vmteach.kernel.zones import DEVICE, Memory
from vmteach.machine import KIB, PRESETS
from vmteach.patches import overflow_buffers as patch
from vmteach.patches.overflow_buffers import PATCHED, POLICIES, UNPATCHED, Scenario, simulate

WORD = 1 << 32
PAGE = 4 * KIB
WAITS, UNSEEN = "told to wait from (GiB)", "not seen at the end (GiB)"


@check
def check_seen(seen: Answer, given: Given) -> Faults:
    full = WORD * given["unit"]  # bytes at which the counter wraps
    for pages in (0, 1, 7, 1000, 68813, full // PAGE - 1):
        got = seen(pages * PAGE)
        yield misfit(got, int, float)
        if got == pages * PAGE and pages:
            yield f"For {pages} pages you give {got}: those are bytes. How many pages are they?"
        if got != pages:
            yield f"{pages} pages are dirty, and your counter shows {got}; nothing has wrapped there yet."
    for wraps, beyond in ((1, 0), (1, 5), (7, 5)):
        true = wraps * full + beyond * PAGE
        got = seen(true)
        if got == true // PAGE:
            yield f"With {true} bytes your counter goes on growing. It is a word of 32 bits."
        if got == full // PAGE - 1:
            yield "Your counter stops at its largest value. A word that is full does something else."
        yield got != beyond, f"With {true} bytes your counter shows {got} pages."
    return right("As the machine does it, before the wrap and after it.")


MACHINE = PRESETS["16 GB"]
FREE = Memory(dma=2_000, normal=50_000, high=0, cache=30_000)
COUNTED = FREE.cache + FREE.normal - 765 + FREE.dma - 976  # each page once, above the marks


def counted(mine: patch.Guard, **change: int) -> int:
    return patch.nr_free_buffer_pages(FREE._replace(**change), mine, MACHINE)


@check
def check_guard(mine: Answer, _: Given) -> Faults:
    def more(**change: int) -> int:
        return counted(mine, **{zone: getattr(FREE, zone) + pages for zone, pages in change.items()}) - counted(mine)

    if any(misfit(times, int) or times < 0 for times in mine):
        yield "Every field of a guard is a whole number, 0 or more: how often a page counts."
    if mine.size:
        yield "Your guard counts low memory that can never be cache: page descriptors, the kernel itself."
    if high := more(high=1_000):
        yield f"With 1,000 free pages in HIGHMEM your guard counts {high:,} more. No block device can use them."
    for zone, field in (("cache", "cache in low memory"), ("normal", "NORMAL"), ("dma", "DMA")):
        low = more(**{zone: 1_000})
        yield low != 1_000, f"With 1,000 pages more in {field} your guard counts {low:,} more."
    if counted(mine, dma=0) != COUNTED - FREE.dma + 976:
        yield "A zone below its mark makes your sum smaller. With little free, it wraps below zero."
    return right("Each page of low memory counts once. With this guard the patch is a no-op on every machine.")


@check
def check_forget(mine: Answer, _: Given) -> Faults:
    yield mine.machine not in PRESETS.values(), "Take a machine of the panel."
    n = simulate(mine, POLICIES[UNPATCHED]).numbers
    lost, dirty = n[UNSEEN], n["dirty at the end (GiB)"]
    if lost:
        return right(f"{dirty} GiB are dirty at the end, and the counter does not show {lost:g} GiB of them.", lost)
    if mine.machine.word == 64:
        return not_yet("A word of 64 bits does not wrap here.", 0)
    if mine.writer == DEVICE:
        return not_yet("Pages of a block device lie in low memory, and there is less than 1 GiB of it.", 0)
    if n[WAITS] == "never":
        return not_yet(f"Buffer heads have used up low memory when {dirty} GiB are dirty: no wrap comes before.", 0)
    return not_yet(f"The writer is told to wait at {n[WAITS]} GiB, before the counter wraps.", 0)


@check
def check_least(state: Position, numbers: Numbers) -> Faults:
    unpatched, patched = numbers[UNPATCHED][WAITS], numbers[PATCHED][WAITS]
    wait = "never" if patched == "never" else f"from {patched} GiB on"
    yield unpatched == patched, f"Here both kernels say the same: wait {wait}."
    told = f"Unpatched: {unpatched}, patched: {patched} GiB."
    (stops,) = (control.stops for control in patch.CONTROLS if control.field == "free_high")
    for less in stops[: stops.index(state["free_high"])]:
        scenario = Scenario(PRESETS[state["machine"]], free_high=less, writer=state["writer"])
        if len({simulate(scenario, POLICIES[label]).numbers[WAITS] for label in (UNPATCHED, PATCHED)}) > 1:
            yield f"{told} They also differ with less HIGHMEM."
    return right(f"{told} With one stop less free they say the same.")


@check
def check_device(state: Position, numbers: Numbers) -> Faults:
    waits, names = numbers[PATCHED][WAITS], list(PRESETS)
    yield state["writer"] != DEVICE, "Let the writer write a block device."
    yield waits != "never", f"Here the writer is told to wait, at {waits} GiB."
    for name in names[: names.index(state["machine"])]:
        if simulate(Scenario(PRESETS[name], writer=DEVICE), POLICIES[PATCHED]).numbers[WAITS] == "never":
            yield "The writer is never told to wait. There is a smaller machine on which it is not."
    return right("The writer is never told to wait until low memory is full of dirty pages.")


NEEDS, EXERCISES, GOALS, RECALL, PREDICTIONS = written(
    "overflow_buffers",
    globals(),
    seen=tuple({"unit": unit, "size": size} for unit, size in ((1, "1 byte"), (512, "512 bytes"), (64, "64 bytes"))),
)
