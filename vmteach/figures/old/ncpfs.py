"""The stack area of one task: its descriptor at the low end, the calls at the high end, the names between them."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from vmteach.figures import Drawing
from vmteach.figures.style import (
    INK,
    PREDICTION_COLOUR,
    PREDICTION_LINE,
    QUIET,
    RULE,
    SMALL,
    EndLabels,
    Look,
    Picture,
    Span,
    Strips,
    number,
    size,
)
from vmteach.machine import PRESETS
from vmteach.patches.ncpfs import (
    NAME_MAX,
    PATH_MAX,
    POLICIES,
    SAVED,
    TASK,
    UNPATCHED,
    LookedUp,
    Scenario,
    TookArray,
    longest_safe,
)
from vmteach.run import Run

KERNELS = 3  # that are drawn
BELOW = 0.4  # of the area: how far beneath it the picture goes
LOOKS = {
    "task descriptor": Look("#F0E442"),
    "free": Look("#F4F4F4"),
    "calls so far": Look("#C9C9C9"),
    "name": Look("#56B4E9"),
    "other name": Look("#009E73", "--"),
    "overrun": Look("#D55E00", "xx"),
    "not this task's": Look("#FFFFFF", ".."),
}


def frame_key(run: Run) -> Hashable:
    """The picture's axis is the stack area, and what lies beneath it."""
    return int(run.scenario.machine.stack)


def layout(run: Run) -> Picture:
    """A strip for each of three kernels over one axis of addresses."""
    stack = run.scenario.machine.stack
    picture = Picture(9.6, 3.1)
    axes = picture.panel(
        "stack",
        (0.02, 0.2, 0.96, 0.78),
        xlim=(-BELOW * stack, stack),
        ylim=(KERNELS * 1.75 + 0.15, -0.2),
        xticks={0: "0", stack // 4: size(stack // 4), stack // 2: size(stack // 2), stack: size(stack)},
        xlabel="address in the stack area; the stack grows to the left",
        spines="bottom",
    )
    axes.axvline(0, color=RULE, lw=1, zorder=1)
    picture.parts["strips"] = Strips(picture, axes, LOOKS, thickness=0.8, edge=QUIET, edge_width=0.5)
    how: dict[str, Any] = {"size": SMALL + 1, "va": "center"}
    left = -BELOW * stack
    picture.parts["words"] = [picture.words(axes, left, kernel * 1.75 + 0.2, **how) for kernel in range(KERNELS)]
    picture.parts["guess"] = picture.moving(axes.axvline(0, **PREDICTION_LINE))
    picture.parts["guess word"] = picture.words(
        axes, 0, KERNELS * 1.75 + 0.02, color=PREDICTION_COLOUR, size=SMALL, va="center"
    )
    return picture


def fill(picture: Picture, runs: Mapping[str, Run], prediction: Any = None) -> str:
    """Draw the first three kernels' stacks; a prediction is a number of bytes overrun.

    The alt text says every number.
    """
    shown = list(runs.items())[:KERNELS]
    spans: list[Span] = []
    for kernel, words in enumerate(picture.parts["words"]):
        words.set_visible(kernel < len(shown))
        if kernel < len(shown):
            label, run = shown[kernel]
            words.set_text(f"{label}:  {run.numbers['answer']}")
            spans += _spans(run, kernel * 1.75 + 0.95)
    picture.parts["strips"].show(spans)
    _predict(picture, shown[0][1], prediction)
    finding = "; ".join(_verdict(label, run) for label, run in shown) + "."
    picture.finding = finding[0].upper() + finding[1:]
    if len(runs) > len(shown):
        picture.finding += f" Drawn: {', '.join(label for label, _ in shown)}."
    s = shown[0][1].scenario
    names = " and ".join(f"{number(n)} B" for n in s.lengths)
    place = f"{s.operation} with a name of {names}, a stack area of {size(s.machine.stack)}."
    return " ".join([place[0].upper() + place[1:], *(f"{label}: {_told(run)}." for label, run in shown)])


def _spans(run: Run, row: float) -> Iterator[Span]:
    """The area from its low end, then the names, lowest last; what lies below the room is overrun."""
    s, stack = run.scenario, run.scenario.machine.stack
    arrays, top = _deepest(run)
    yield Span(row, top, stack, "calls so far", "calls so far")
    low = arrays[-1].low if arrays else top
    yield Span(row, -BELOW * stack, min(low, 0), "not this task's", "not this task's")
    yield Span(row, 0, min(max(low, 0), s.task), "task descriptor", "task descriptor")
    yield Span(row, s.task, max(low, s.task), "free", "free")
    for array, look in zip(arrays, ("name", "other name"), strict=False):
        end = array.low + array.size
        if end > s.task:
            yield Span(row, max(array.low, s.task), end, look, f"{look}, {number(array.size)} B")
    if low < s.task:
        yield Span(row, max(low, -BELOW * stack), s.task, "overrun", f"overrun, {number(s.task - low)} B")


def _deepest(run: Run) -> tuple[list[TookArray], int]:
    """The arrays that lay on the stack at once when it was deepest, and where they begin."""
    s, taken = run.scenario, [event for event in run.events if isinstance(event, TookArray)]
    looked = sum(isinstance(event, LookedUp) for event in run.events)
    acting = taken[looked:] if len(taken) > looked else []
    arrays = acting or taken[-1:]
    top = s.machine.stack - SAVED - s.extra_depth - (s.frames.acting if acting else s.frames.looking)
    return arrays, top


def _verdict(label: str, run: Run) -> str:
    over = run.numbers["overrun (B)"]
    if over:
        return f"{label}, {number(over)} B too deep"
    refused = run.numbers["answer"].startswith("ENAMETOOLONG")
    return f"{label}, refused" if refused else f"{label}, {number(run.numbers['stack used (B)'])} B of stack"


def _told(run: Run) -> str:
    n = run.numbers
    return (
        f"{n['sent (B)']} sent (B), {number(n['stack used (B)'])} B of {number(n['room (B)'])} B used, "
        f"{number(n['overrun (B)'])} B overrun, {number(n['of it in the task descriptor (B)'])} B of it in the task "
        f"descriptor; {n['answer']}"
    )


def _predict(picture: Picture, run: Run, prediction: Any) -> None:
    given = isinstance(prediction, int | float) and not isinstance(prediction, bool)
    line, words = picture.parts["guess"], picture.parts["guess word"]
    line.set_visible(given)
    words.set_visible(given)
    if given:
        low, high = picture.axes["stack"].get_xlim()
        x = min(max(run.scenario.task - prediction, low), high)
        line.set_xdata([x, x])
        words.set(text=f" your prediction: {number(prediction)} B overrun ", ha="left" if x < high / 2 else "right")
        words.set_position((x, words.get_position()[1]))


def safe_names(operation: str = "rename", task: int = TASK) -> Drawing:
    """The longest name without an overrun, over what other calls have used: stacks of 4 to 16 KiB, unpatched."""
    picture = Picture(9.6, 3.0)
    deepest = 4000
    axes = picture.panel(
        "safe",
        (0.09, 0.17, 0.74, 0.76),
        xlim=(0, deepest),
        ylim=(0, PATH_MAX + 200),
        xticks=(0, 1000, 2000, 3000, 4000),
        yticks=(NAME_MAX, 1000, 2000, 3000, PATH_MAX - 1),
        xlabel="bytes of other calls above, B",
        ylabel="longest name without an overrun, B",
    )
    axes.axhline(NAME_MAX, color=INK, lw=1, ls=":")
    ends: list[tuple[float, float, str, str]] = []
    numbers: dict[str, dict[str, int]] = {}
    for stack, colour, dash in ((4096, "#D55E00", "--"), (8192, "#0060A0", "-"), (16384, "#00664B", "-.")):
        depths = range(0, min(deepest, stack - task - SAVED - 720) + 1, 50)
        safe = [_safe(operation, stack, task, depth) for depth in depths]
        axes.plot(list(depths), safe, color=colour, ls=dash, lw=2)
        ends.append((depths[-1], safe[-1], f"{size(stack)} stack", colour))
        some = ((depth, name) for depth, name in zip(depths, safe) if depth % 500 == 0)
        numbers[f"{size(stack)} stack"] = {f"{depth} B deep: longest name (B)": name for depth, name in some}
    EndLabels(picture, axes).show(ends)
    example = _safe(operation, 8192, task, 0)
    picture.finding = f"{operation}, 8 KiB of stack: safe up to names of {number(example)} B, and 4,095 are allowed"
    return Drawing(picture, picture.finding + ". Dotted: 255 B.", numbers)


def _safe(operation: str, stack: int, task: int, depth: int) -> int:
    machine = replace(PRESETS["256 MB"], stack=stack)
    return longest_safe(Scenario(machine, operation=operation, task=task, extra_depth=depth), POLICIES[UNPATCHED])
