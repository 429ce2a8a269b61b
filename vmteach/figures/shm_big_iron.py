"""List ribbons, the vmstat twin, the map and the lowmem budget.

The ribbon is the inactive list standing upright, tail at the bottom where the scan takes pages, once for
every second: a storm is a band. Below it, how far the copy has come and what was written to swap meanwhile.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.transforms import ScaledTranslation

from vmteach.figures import Drawing
from vmteach.figures.style import (
    AFTER_COLOUR,
    BEFORE_COLOUR,
    INK,
    NORMAL,
    OVER_LINES,
    PAGE_LOOKS,
    PAPER,
    PREDICTION_COLOUR,
    PREDICTION_LINE,
    QUIET,
    RULE,
    SMALL,
    Cells,
    EndLabels,
    Picture,
    number,
    seconds,
    strokes,
)
from vmteach.patches.shm_big_iron import PATCHED, UNPATCHED, StormRun

WINDOWS = (30, 120, 300, 600, 1800)  # s that a picture may span
COLUMNS, ROWS = 300, 160  # of a ribbon
MOST_SWAP = 4  # files: the top of the scale of what was written to swap
STATES = ("free", *(state for state in PAGE_LOOKS if state != "free"))
_INDEX = {state: index for index, state in enumerate(STATES)}
WORDS = {
    "clean": "clean file pages",
    "mapped": "mapped shm",
    "dirty": "dirty shm, unmapped",
    "swapcache dirty": "converted, not written",
    "writing": "being written",
    "swapcache clean": "written, clean",
}
_PALETTE = np.array([[round(255 * c) for c in to_rgb(PAGE_LOOKS[state].colour)] for state in STATES], np.uint8)


def layout(run: StormRun) -> Picture:
    """Two ribbons side by side, two sets of curves below them, on one clock: x is the part of its window of time."""
    picture = Picture(9.6, 5.0)
    thirds = {i / 3: "" for i in range(4)}
    picture.parts["clock"] = []
    for i, left in enumerate((0.075, 0.555)):
        axes = picture.panel(
            f"ribbon {i}",
            (left, 0.5, 0.36, 0.42),
            ylim=(0, 100),
            yticks=(0, 25, 50, 75, 100),
            xticks=thirds,
            ylabel="inactive list, % of both lists" if not i else "",
        )
        image = Cells(axes)
        picture.parts["clock"].append(_ticks(picture, axes))
        words = {
            state: picture.words(axes, 0, 0, text, ha="center", va="center", size=SMALL, zorder=4)
            for state, text in WORDS.items()
        }
        for state, text in words.items():
            text.set_color(PAGE_LOOKS[state].ink)
            text.set_bbox({"facecolor": PAGE_LOOKS[state].colour, "edgecolor": "none", "pad": 1.0})
        heading = picture.words(None, left, 0.0, size=NORMAL, weight="bold", va="bottom")
        heading.set_position((left, (0.935 * picture.height) / (picture.height + 0.42)))
        picture.parts[f"ribbon {i}"] = picture.moving(image), words, heading
    for name, left, top, label in (
        ("copied", 0.075, 100, "file copied, %"),
        ("swapped", 0.555, MOST_SWAP, "written to swap, files"),
    ):
        axes = picture.panel(
            name,
            (left, 0.1, 0.36, 0.26),
            ylim=(0, top),
            xlabel="seconds",
            ylabel=label,
            xticks=thirds,
            yticks=(0, top / 2, top),
        )
        picture.parts["clock"].append(_ticks(picture, axes))
        lines = [picture.moving(axes.plot([], [], lw=1.8, zorder=3)[0]) for _ in range(8)]
        picture.parts[name] = lines, EndLabels(picture, axes)
    mark = picture.axes["copied"].axvline(0, **PREDICTION_LINE)
    word = picture.words(picture.axes["copied"], 0, 6, color=PREDICTION_COLOUR, size=SMALL, bbox=OVER_LINES)
    picture.parts["prediction"] = picture.moving(mark), word
    return picture


def _ticks(picture: Picture, axes: Any) -> list[Any]:
    """Words below the ticks of a clock, for `fill` to write."""
    words = [picture.words(axes, i / 3, 0, ha="center", va="top", size=SMALL, color=QUIET) for i in range(4)]
    down = ScaledTranslation(0, -5 / 72, picture.figure.dpi_scale_trans)
    for word in words:
        word.set_transform(axes.transData + down)
    return words


def window(run: StormRun) -> int:
    """The seconds that the picture spans: the shortest window into which the run fits."""
    return next((window for window in WINDOWS if window >= len(run.events)), WINDOWS[-1])


def fill(picture: Picture, runs: Mapping[str, StormRun], prediction: Any = None) -> str:
    """The first and the last run as ribbons, all as curves; the prediction is in seconds until the file is copied."""
    shown = list(runs.items())
    span = max(window(run) for run in runs.values())
    for words in picture.parts["clock"]:
        for i, word in enumerate(words):
            word.set_text(number(span * i // 3))
    for i in range(2):
        ribbon = shown[-1] if i and len(shown) > 1 else shown[0] if not i else None
        _fill_ribbon(picture, i, ribbon, span)
    _fill_curves(picture, runs, span)
    _predict(picture, prediction, span)
    picture.finding = "; ".join(_verdict(label, run) for label, run in (shown[:1] + shown[1:][-1:])) + "."
    return " ".join(
        [picture.finding, f"Inactive list over {seconds(span)}."] + [_told(label, run) for label, run in shown]
    )


def codes(run: StormRun, span: float) -> "np.ndarray[Any, Any]":
    """The ribbon as rows (tail first) and columns (time) of indices into STATES."""
    image = np.zeros((ROWS, COLUMNS), np.uint8)
    ran = int(COLUMNS * min(span, len(run.events) + 1) / span)  # columns
    looks, column = np.unique((np.arange(ran) * span / COLUMNS).astype(int) // run.every, return_inverse=True)
    image[:, :ran] = _strips([run.lists[min(look, len(run.lists) - 1)] for look in looks], run.scenario.lists)[
        :, column
    ]
    return image


def _strips(lists: Sequence[Sequence[tuple[str, int]]], room: int) -> "np.ndarray[Any, Any]":
    """The indices into STATES of each list as a column: from its tail up, of the `room` that it might fill."""
    far = 2 * room  # all lists in one line, each with as much of what is free above it as there must be
    parts = [part for places in lists for part in (*places, ("free", far - sum(pages for _, pages in places)))]
    edges = np.cumsum([pages for _, pages in parts])
    kinds = np.array([_INDEX[state] for state, _ in parts], np.uint8)
    heights = (np.arange(ROWS) + 0.5) / ROWS * room
    return kinds[np.searchsorted(edges, heights[:, None] + far * np.arange(len(lists)), side="right")]


def _fill_ribbon(picture: Picture, i: int, shown: tuple[str, StormRun] | None, span: float) -> None:
    image, words, heading = picture.parts[f"ribbon {i}"]
    heading.set_text(shown[0] if shown else "")
    image.set_visible(shown is not None)
    kinds = codes(shown[1], span) if shown else np.zeros((ROWS, COLUMNS), np.uint8)
    image.show(_PALETTE[kinds])
    coarse = kinds[::2, ::3]  # close enough to place a word
    masks = np.array([coarse == _INDEX[state] for state in words])
    areas, (heights, tops) = masks.sum(axis=(1, 2)), _stretches(masks)
    names = list(words)
    placed: list[tuple[int, float]] = []
    for k in map(int, np.argsort(-areas)):  # the largest area has its word first
        tall = np.convolve(heights[k], np.ones(21) / 21, "same")
        tall[:18] = tall[-18:] = -1  # a word must have room on either side
        best = int(np.argmax(tall))
        row = float(tops[k, best] - heights[k, best] / 2)
        free = all(abs(best - column) > 28 or abs(row - other) > 6 for column, other in placed)
        word = words[names[k]]
        word.set_visible(bool(free and heights[k, best] and areas[k] > 0.02 * coarse.size))
        if word.get_visible():
            placed.append((best, row))
            word.set_position(((3 * best + 1.5) / COLUMNS, (2 * row + 1) * 100 / ROWS))


def _stretches(masks: "np.ndarray[Any, Any]") -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    """For each mask and column: the rows of its longest stretch, and the last of them."""
    run = np.zeros((len(masks), masks.shape[2]), int)
    longest, top = run.copy(), run.copy()
    for row in range(masks.shape[1]):
        run = (run + 1) * masks[:, row]
        longer = run > longest
        longest[longer], top[longer] = run[longer], row
    return longest, top


def _fill_curves(picture: Picture, runs: Mapping[str, StormRun], span: float) -> None:
    styles = strokes(list(runs), UNPATCHED, PATCHED)
    for name, what in (("copied", _copied), ("swapped", _swapped)):
        lines, labels = picture.parts[name]
        ends = []
        for line, (label, run) in zip(lines, runs.items(), strict=False):
            stroke = styles[label]
            y = np.minimum(what(run), picture.axes[name].get_ylim()[1])
            x = np.arange(len(y)) / span
            line.set(visible=True, color=stroke.colour, linestyle=stroke.dash)
            line.set_data(x, y)
            ends.append((min(float(x[-1]), 1.0), float(y[-1]), label, stroke.colour))
        for line in lines[len(runs) :]:
            line.set_visible(False)
        labels.show(ends)


def _copied(run: StormRun) -> "np.ndarray[Any, Any]":
    """The part of the file that has been read, %, at each second from 0."""
    whole = run.scenario.copy_pages
    return np.array([0, *(100 * s.copied / whole for s in run.counters)])


def _swapped(run: StormRun) -> "np.ndarray[Any, Any]":
    """Pages written to swap as a multiple of the file's, at each second from 0."""
    whole = run.scenario.copy_pages
    return np.array([0, *(s.writes / whole for s in run.counters)])


def _predict(picture: Picture, prediction: Any, span: float) -> None:
    mark, word = picture.parts["prediction"]
    given = isinstance(prediction, int | float) and not isinstance(prediction, bool)
    mark.set_visible(given)
    word.set_visible(given)
    if given:
        x = min(max(float(prediction) / span, 0.0), 1.0)
        mark.set_xdata([x, x])
        word.set_text(f"your prediction: {seconds(float(prediction))}")
        word.set_position((x, 6))
        word.set_ha("left" if x < 0.5 else "right")


def _verdict(label: str, run: StormRun) -> str:
    n = run.numbers
    return (
        f"{label}: longest request {seconds(n['longest request (s)'])}, "
        f"{number(n['swapped out meanwhile (GiB)'])} GiB to swap"
    )


def _told(label: str, run: StormRun) -> str:
    n = run.numbers
    return (
        f"{label}: the first request converted {number(n['converted by the first request (GiB)'])} GiB and took "
        f"{seconds(n['first request (s)'])}; the copy ran at {number(n['copy speed (MiB/s)'])} MiB/s."
    )


# ---- the twin


def twin(trace: Any, run: StormRun, first: int = 11, calibrated: tuple[int, int] = (11, 20)) -> Drawing:
    """`swpd` of the trace and of the model, row for row from row `first`, and the residual below.

    `trace` is the table of data/vmstat_storm.csv; the model's second k stands at row `first` + k.
    """
    swpd = [int(v) for v in trace["swpd"]]
    model = [swpd[first - 1], *(row.swpd for row in run.events)][: 31 - first + 1]
    rows = np.arange(first, first + len(model))
    real = np.array(swpd[first - 1 : first - 1 + len(model)])
    residual = (np.array(model) - real) / 1024
    picture = Picture(9.6, 4.2)
    gib = 1 << 20
    axes = picture.panel(
        "swpd",
        (0.08, 0.45, 0.74, 0.47),
        xlim=(0.5, 32.5),
        ylim=(0, 5.5),
        yticks=(0, 1, 2, 3, 4, 5),
        ylabel="swpd, GiB",
        xticks=(1, 10, 20, 31),
    )
    axes.axvspan(*calibrated, color="#EEEEEE", zorder=0)
    axes.text(sum(calibrated) / 2, 5.1, "calibrated here", ha="center", size=SMALL, color=QUIET)
    axes.plot(range(1, 33), np.array(swpd) / gib, "o", color=BEFORE_COLOUR, ms=4, zorder=3)
    axes.plot(rows, np.array(model) / gib, "-", color=AFTER_COLOUR, lw=2, zorder=4)
    labels = EndLabels(picture, axes)
    labels.show(
        [
            (32.5, swpd[30] / gib, "the trace", BEFORE_COLOUR),
            (32.5, model[-1] / gib, "the model", AFTER_COLOUR),
        ]
    )
    top = float(np.ceil(np.abs(residual).max() / 100) * 100)
    below = picture.panel(
        "residual",
        (0.08, 0.12, 0.74, 0.22),
        xlim=(0.5, 32.5),
        ylim=(-top, top),
        yticks=(-top, 0, top),
        xticks=(1, 10, 20, 31),
        xlabel="row of the trace",
        ylabel="model less trace, MiB",
    )
    below.axhline(0, color=RULE, lw=1)
    below.bar(rows, residual, color=AFTER_COLOUR, width=0.7)
    worst = int(np.argmax(np.abs(residual)))
    span = (max(swpd) - min(swpd)) / 1024
    share = 100 * abs(residual[worst]) / span
    picture.finding = (
        f"The model is at most {abs(residual[worst]):.0f} MiB away from the trace (row {rows[worst]}), "
        f"{share:.1f} % of what swpd did"
    )
    ends = f"from {swpd[first - 1] / gib:.2f} to {swpd[30] / gib:.2f} GiB in the trace"
    alt = f"{picture.finding}. swpd rises {ends} and to {model[-1] / gib:.2f} GiB in the model, rows {first} to 31."
    columns = {"trace": real / gib, "model": np.array(model) / gib}
    numbers = {
        name: {f"row {row} (GiB)": round(float(v), 3) for row, v in zip(rows, of)} for name, of in columns.items()
    }
    return Drawing(picture, alt, numbers)


# ---- the map


def map_of(figures: Mapping[str, Mapping[tuple[str, int], float]], unit: str, what: str) -> Drawing:
    """A number over machine size (across) and vm_cache_scan_ratio (up): one panel a policy.

    `figures` maps a policy to {(machine, ratio): number}.
    """
    machines = list(dict.fromkeys(m for cells in figures.values() for m, _ in cells))
    ratios = sorted({r for cells in figures.values() for _, r in cells})
    most = max(max(cells.values()) for cells in figures.values()) or 1
    picture = Picture(9.6, 3.4)
    width = 0.86 / len(figures)
    for i, (label, cells) in enumerate(figures.items()):
        axes = picture.panel(
            label,
            (0.09 + i * (width + 0.02), 0.2, width - 0.02, 0.66),
            xlim=(-0.5, len(machines) - 0.5),
            ylim=(-0.5, len(ratios) - 0.5),
            xticks={x: name.replace(" ", "\n") for x, name in enumerate(machines)},
            yticks={y: str(r) for y, r in enumerate(ratios)} if not i else {},
            ylabel="vm_cache_scan_ratio" if not i else "",
            heading=label,
            spines="",
        )
        grid = np.array([[cells[m, r] for m in machines] for r in ratios])
        axes.imshow(grid, cmap="cividis", vmin=0, vmax=most, aspect="auto", origin="lower", zorder=0)
        for y, row in enumerate(grid):
            for x, value in enumerate(row):
                ink = INK if value > 0.55 * most else PAPER
                axes.text(x, y, f"{value:.0f}", ha="center", va="center", size=SMALL - 0.5, color=ink)
    best = {label: max(cells.values()) for label, cells in figures.items()}
    least = {label: min(cells.values()) for label, cells in figures.items()}
    picture.finding = f"{what}: " + ", ".join(
        f"{label} {number(round(least[label], 1))} to {number(round(best[label], 1))} {unit}" for label in figures
    )
    corners = [
        f"{label}: {machines[0]} {number(round(cells[machines[0], ratios[0]], 1))}, "
        f"{machines[-1]} {number(round(cells[machines[-1], ratios[-1]], 1))} {unit}"
        for label, cells in figures.items()
    ]
    numbers = {
        label: {
            f"{machine}, ratio {ratio} ({unit})": round(cells[machine, ratio], 1)
            for machine in machines
            for ratio in ratios
        }
        for label, cells in figures.items()
    }
    return Drawing(picture, f"{picture.finding}. First and last cell: {'; '.join(corners)}.", numbers)


# ---- lowmem


def lowmem(budgets: Sequence[Any], lowmem_mib: float) -> Drawing:
    """What the processes' page tables and chains cost in lowmem, a bar a design, with the line it must not cross.

    `budgets` are vmteach.kernel.lowmem.Budget rows.
    """
    picture = Picture(9.6, 0.55 * len(budgets) + 1.0)
    top = max(2 * lowmem_mib, min(4 * lowmem_mib, max(b.total for b in budgets)))
    axes = picture.panel(
        "bars",
        (0.24, 0.2, 0.62, 0.72),
        xlim=(0, top),
        ylim=(len(budgets) - 0.5, -0.5),
        xlabel="lowmem, MiB",
        xticks=[0, round(lowmem_mib), round(top)],
        yticks={i: b.design for i, b in enumerate(budgets)},
    )
    looks = {"ptes": ("#0072B2", ""), "chains": ("#D55E00", "//"), "tasks": ("#999999", "..")}
    for i, budget in enumerate(budgets):
        left = 0.0
        for part, (colour, hatch) in looks.items():
            value = getattr(budget, part)
            axes.barh(
                i,
                min(value, max(0, top - left)),
                left=left,
                color=colour,
                hatch=hatch,
                edgecolor=PAPER,
                height=0.6,
            )
            if value > 0.09 * top and left < top * 0.9:
                middle = left + min(value, top - left) / 2
                box = {"facecolor": colour, "edgecolor": "none", "pad": 1}
                axes.text(
                    middle,
                    i,
                    f"{part} {value:,.0f}",
                    ha="center",
                    va="center",
                    size=SMALL,
                    color=PAPER,
                    bbox=box,
                )
            left += value
        verdict = "fits" if budget.total <= lowmem_mib else "does not fit"
        axes.text(
            min(left, top) + top * 0.01,
            i,
            f"{budget.total:,.0f}: {verdict}",
            va="center",
            size=SMALL,
            color=INK,
        )
    axes.axvline(lowmem_mib, color=INK, lw=1.5)
    axes.text(lowmem_mib, -0.62, f"what there is: {lowmem_mib:,.0f}", ha="center", va="bottom", size=SMALL)
    dead = [b.design for b in budgets if b.total > lowmem_mib]
    picture.finding = f"{len(dead)} of {len(budgets)} designs do not fit into {lowmem_mib:,.0f} MiB of lowmem"
    told = "; ".join(f"{b.design} needs {b.total:,.0f} MiB" for b in budgets)
    parts = (*looks, "total")
    numbers = {b.design: {f"{part} (MiB)": round(getattr(b, part), 1) for part in parts} for b in budgets}
    return Drawing(picture, f"{picture.finding}: {told}.", numbers)
