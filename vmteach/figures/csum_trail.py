"""The footprint of every load at the end of a page: a row for each kernel, a box for each load.

Only the last bytes of the page and the first of the next one are drawn; longer buffers go on to the left.
"""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from vmteach.figures.style import INK, PREDICTION_COLOUR, PREDICTION_LINE, QUIET, SMALL, Look, Picture, Span, Strips
from vmteach.patches.csum_trail import DWORD, Caught, Scenario, schedule
from vmteach.run import Run

BACK, ON = 16, 4  # bytes shown before and after the page's end
ROWS = 4
LOOKS: dict[str, Look] = {
    "buffer": Look("#56B4E9"),
    "page": Look("#E4E4E4"),
    "mapped": Look("#E4E4E4"),
    "empty": Look("#FFFFFF", ".."),
    "kept": Look("#56B4E9"),
    "masked": Look("#F0E442", "//"),
    "outside": Look("#D55E00", "xx"),
}


def frame_key(run: Run) -> Hashable:
    """The page size: it sets the scale."""
    return int(run.scenario.machine.page)


def layout(run: Run) -> Picture:
    """A row for the memory, rows for the loads, and the page's end through all of them."""
    page = run.scenario.machine.page
    picture = Picture(9.2, 3.0)
    ticks = {page + at: f"{page + at:,}" for at in range(-BACK, ON + 1, DWORD)}
    box, limits = (0.17, 0.24, 0.67, 0.74), (page - BACK, page + ON)
    axes = picture.panel(
        "bytes", box, xlim=limits, ylim=(ROWS + 0.5, -0.6), xticks=ticks, spines="bottom", xlabel="byte of the page"
    )
    axes.axvline(page, color=INK, lw=1.6, zorder=3)
    picture.parts["strips"] = Strips(picture, axes, LOOKS, thickness=0.66, edge=INK, edge_width=0.9)
    names = [
        picture.words(axes, page - BACK - 0.2, row, ha="right", va="center", size=SMALL) for row in range(ROWS + 1)
    ]
    picture.parts["names"] = names
    picture.parts["ends"] = [
        picture.words(axes, page + ON + 0.2, row, va="center", size=SMALL) for row in range(ROWS + 1)
    ]
    key = "plain box: added to the sum; striped: loaded and masked off; crossed: loaded from the next page"
    picture.figure.text(0.17, 0.02, key, size=SMALL, color=QUIET)
    picture.parts["mark"] = picture.moving(axes.axvline(page, **PREDICTION_LINE))
    picture.parts["guess"] = picture.words(
        axes, page, ROWS + 0.42, size=SMALL, color=PREDICTION_COLOUR, ha="left", va="bottom"
    )
    return picture


def fill(picture: Picture, runs: Mapping[str, Run], prediction: Any = None) -> str:
    """Draw the loads of the first four runs; the prediction is a number of bytes of the next page."""
    shown = list(runs.items())[:ROWS]
    scenario = shown[0][1].scenario
    page = scenario.machine.page
    spans = [*_memory(scenario), *(span for row, (_, run) in enumerate(shown, 1) for span in _loads(row, run))]
    picture.parts["strips"].show(_clipped(spans, page))
    labels = ["memory", *(label for label, _ in shown)]
    ends = [
        "next page empty" if not scenario.next_is_there else "next page there",
        *(_verdict(run) for _, run in shown),
    ]
    for row in range(ROWS + 1):
        picture.parts["names"][row].set_text(labels[row] if row < len(labels) else "")
        picture.parts["ends"][row].set_text(ends[row] if row < len(ends) else "")
    given = isinstance(prediction, int | float) and not isinstance(prediction, bool)
    picture.parts["mark"].set_visible(given)
    if given:
        at = page + min(max(prediction, -BACK), ON)  # what is off the axis stands at its end, with its number
        picture.parts["mark"].set_xdata([at] * 2)
        picture.parts["guess"].set_x(at + 0.1)
    picture.parts["guess"].set_text(f"predicted {prediction:,}" if given else "")
    finding = "; ".join(f"{label}: {_verdict(run)}, {_touched(run)}" for label, run in shown)
    picture.finding = finding[0].upper() + finding[1:] + "."
    if len(runs) > ROWS:
        picture.finding += f" Drawn: {', '.join(label for label, _ in shown)}."
    where = f"A buffer of {scenario.length} bytes from byte {scenario.offset} of a page of {page} bytes."
    return " ".join([picture.finding, where, *(_told(label, run) for label, run in shown)])


def _memory(scenario: Scenario) -> Iterator[Span]:
    page, end = scenario.machine.page, scenario.machine.page - scenario.behind
    yield Span(0, 0, scenario.offset, "page")
    yield Span(0, scenario.offset, end, "buffer", "buffer")
    yield Span(0, end, page, "page")
    yield Span(0, page, page + ON, "mapped" if scenario.next_is_there else "empty")


def _loads(row: int, run: Run) -> Iterator[Span]:
    page = run.scenario.machine.page
    for load in schedule(run.scenario.offset, run.scenario.length, run.policy, page):
        kept, end = load.address + load.kept, load.address + load.width
        yield Span(row, load.address, kept, "kept", str(load.width))
        yield Span(row, kept, min(end, page), "masked")
        yield Span(row, page, end, "outside")


def _clipped(spans: list[Span], page: int) -> list[Span]:
    cut = [span._replace(start=max(span.start, page - BACK), end=min(span.end, page + ON)) for span in spans]
    return [span for span in cut if span.start < span.end]


def _touched(run: Run) -> str:
    return f"{run.numbers['bytes touched in the next page (B)']} B of the next page"


def _verdict(run: Run) -> str:
    caught = "caught, " if any(isinstance(event, Caught) for event in run.events) else ""
    return "oops" if run.numbers["oops"] == "yes" else f"{caught}sum {run.numbers['sum']}"


def _told(label: str, run: Run) -> str:
    last = list(schedule(run.scenario.offset, run.scenario.length, run.policy, run.scenario.machine.page))[-1]
    n = run.numbers
    return f"{label}: loads {n['loads']}, the last {last.width} B wide from byte {last.address}; {_verdict(run)}."
