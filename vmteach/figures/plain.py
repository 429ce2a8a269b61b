"""Scenes as a plain matplotlib figure: the same data on the same axes, for a cell, a file, marked work.

It is not a twin of the page's picture: no search for places, no phone, no dark. One axes a group, one below the other.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import starmap
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vmteach.figures.data import Group
from vmteach.figures.page import TOKENS
from vmteach.figures.scene import Cell, Column, Line, Scene
from vmteach.figures.titles import kernel, title
from vmteach.run import Record, Values

LIGHT, ON, TEXT = TOKENS["light"], TOKENS["on"]["light"], TOKENS["text"]["light"]
HATCHES = {"lines down": "||", "diagonal": "//", "crosses": "xx", "dots": "..", "lines across": "--"}
LOOKS = {"busy": ("blue", ""), "waits": ("shade", ""), "blocked": ("paper", "")}
HEIGHTS = {"chart": 1.9, "bands": 1.3, "strip": 0.5, "row": 0.9, "ring": 0.7, "belt": 0.7, "nodes": 1.3}
SCALES = {"B": (1 << 30, "GiB"), "s": (1, "s")}
# A matplotlibrc is for the reader's own figures: TeX, a sketch or another font would change ours, or end them.
# Used as a decorator: every place that draws is in a context of its own.
own_style = matplotlib.rc_context(
    {name: value for name, value in matplotlib.rcParamsDefault.items() if not name.startswith(("backend", "webagg"))}
)


@own_style
def figure(panels: Sequence[tuple[str, Scene]], prediction: Values | None = None) -> Figure:
    """One figure of some panels: their title, then a group an axes.

    >>> from vmteach.figures.scene import Cell, axis, row
    >>> cells = row("read", [Cell("T", 0, 8, "true data")], axis("sector", 0, 16))
    >>> picture = figure([("patched", Scene("reads it", [cells], "A row.", {"T": ("true data", "data")}))])
    >>> [text.get_text() for text in picture.axes[0].texts]
    ['true data']
    """
    told = [(label, scene.data) for label, scene in panels]
    groups = [(label, data, group) for label, data in told for group in _groups(data)]
    heights = [_height(group) for *_, group in groups]
    drawn = Figure(figsize=(8.8, sum(heights) + 0.75 * len(heights) + 0.6), dpi=96, layout="constrained")
    drawn.suptitle(title(told), x=0.01, ha="left", weight="bold", size=12)
    before = ""
    for axes, (label, data, group) in zip(_axes(drawn, heights), groups):
        head = f"{kernel(label).removeprefix('the ').capitalize()}: " if label and label != before else ""
        axes.set_title(f"{head}{group['label']}", loc="left", size=10)
        _limits(axes, group, told)
        FORMS[group["as"]](axes, group, data)
        _predict(axes, group, prediction)
        before = label
    return drawn


def _groups(data: Record) -> list[Group]:
    return [*data["groups"], *data.get("more", [])]


def _axes(drawn: Figure, heights: Sequence[float]) -> list[Axes]:
    grid = drawn.add_gridspec(len(heights), 1, height_ratios=heights)
    found = [drawn.add_subplot(grid[i, 0]) for i in range(len(heights))]
    for axes in found:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    return found


def _height(group: Group) -> float:
    """Inches."""
    lines = {"script": "lines", "lanes": "threads", "grid": "rows"}.get(group["as"])
    return 0.3 + 0.28 * len(group[lines]) if lines else HEIGHTS[group["as"]] * (0.6 if group.get("low") else 1)


def _limits(axes: Axes, group: Group, told: Sequence[tuple[str, Record]]) -> None:
    """The limits that all panels share, and the unit as the axis's label."""
    for name, limit, label in (("x", axes.set_xlim, axes.set_xlabel), ("y", axes.set_ylim, axes.set_ylabel)):
        if name in group:
            called, unit = group[name]["name"], group[name].get("unit", "")
            scale, unit = SCALES.get(unit, (1, unit))
            low, high = _extent(called, name, told)
            limit(low / scale, high / scale or 1)
            label(f"{called}, {unit}" if unit not in ("", called) else called, size=9)
    if "y" not in group:
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
    if "x" not in group:
        axes.axis("off")


def _extent(axis: str, name: str, told: Sequence[tuple[str, Record]]) -> tuple[float, float]:
    """From where to where an axis of this name goes in any group of any panel, as x or as y."""
    axes = (group.get(name, {}) for _, data in told for group in _groups(data))
    same = [each for each in axes if each.get("name") == axis]
    return min(each["from"] for each in same), max(each["to"] for each in same)


def _scaled(group: Group, name: str, value: float) -> float:
    return value / SCALES.get(group[name].get("unit", ""), (1, ""))[0]


def _places(group: Group, points: Iterable[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """The x and the y of some points, in the units of the axes."""
    xs, ys = zip(*((_scaled(group, "x", x), _scaled(group, "y", y)) for x, y in points))
    return list(xs), list(ys)


def _box(axes: Axes, at: Sequence[float], look: str, words: object = "") -> None:
    """A filled box (x, y, width, height) with its words in the middle."""
    colour, hatch = LOOKS.get(look, (look, HATCHES.get(TOKENS["pattern"].get(look, ""), "")))
    x, y, w, h = at
    edge = ON.get(look, LIGHT["ink"]) if hatch else LIGHT["quiet"]
    axes.add_patch(Rectangle((x, y), w, h, facecolor=LIGHT[colour], edgecolor=edge, hatch=hatch, linewidth=0.5))
    if words:
        plate = {"facecolor": LIGHT["paper"], "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
        middle = x + w / 2, y + h / 2
        axes.text(
            *middle, _short(words), ha="center", va="center", size=8, color=LIGHT["ink"], bbox=plate, clip_on=True
        )


def _short(words: Any) -> str:
    return words if isinstance(words, str) else str(words[-1])


def _colour(tone: str) -> str:
    return str(TEXT.get(tone, LIGHT.get(tone, LIGHT["ink"])))


def _row(axes: Axes, group: Group, data: Values) -> None:
    axes.set_ylim(0, 2)
    for cell in group["cells"]:
        state, at, length, words, _, level = Cell(*cell)
        x, end = _scaled(group, "x", at), _scaled(group, "x", at + length)
        _box(axes, (x, 0.1 - 0.05 * level, end - x, 0.8 - 0.3 * level), data["states"][state][1], words)
    for at, *rest in group.get("edges", []):
        axes.axvline(_scaled(group, "x", at), color=LIGHT["ink"], linewidth=2)
        axes.text(_scaled(group, "x", at), 1.7, _short([" ", *rest][-1] if rest else ""), size=8)
    for start, end, *rest in group.get("brackets", []):
        x0, x1 = _scaled(group, "x", start), _scaled(group, "x", end)
        axes.plot([x0, x0, x1, x1], [1, 1.15, 1.15, 1], color=LIGHT["ink"], linewidth=1)
        axes.text((x0 + x1) / 2, 1.2, _short(rest[0] if rest else ""), ha="center", size=8)


def _list(axes: Axes, group: Group, data: Values) -> None:
    cells = group["cells"].split()
    axes.set_xlim(0, max(group.get("slots", 0), len(cells), 1))
    axes.set_ylim(0, 1)
    for i, cell in enumerate(cells):
        _box(axes, (i, 0, 1, 1), data["states"][cell[0]][1], cell[1:])


def _strip(axes: Axes, group: Group, data: Values) -> None:
    axes.set_ylim(0, 1)
    for state, start, end, *words in group["spans"]:
        x, w = _scaled(group, "x", start), _scaled(group, "x", end - start)
        _box(axes, (x, 0, w, 1), data["states"][state][1], words[0] if words else "")


def _lanes(axes: Axes, group: Group, data: Values) -> None:
    names = [name for name, _ in group["threads"]][::-1]
    rails = 1 + max((stay[1] for stay in group["stays"]), default=0)
    axes.set_ylim(0, len(names))
    axes.set_yticks([i + 0.5 for i in range(len(names))], names)
    for thread, rail, state, start, end, *words in group["stays"]:
        w = (group["x"]["to"] if end is None else end) - start
        y = names.index(thread) + 0.95 - 0.9 * (rail + 1) / rails
        _box(axes, (start, y, w, 0.85 / rails), data["states"][state][1], words[0] if words else "")
    for mark in group.get("marks", []):
        axes.axvline(mark[0], color=LIGHT["alert"], linestyle=":")


def _grid(axes: Axes, group: Group, data: Values) -> None:
    rows, columns = group["rows"], len(group["heads"])
    axes.set_xlim(-1.5, columns)
    axes.set_ylim(len(rows), -1)
    for i, head in enumerate(group["heads"]):
        axes.text(i + 0.5, -0.3, _short(head), ha="center", size=8)
    for r, (head, boxes) in enumerate(rows):
        axes.text(-0.1, r + 0.6, _short(head), ha="right", size=8)
        for i, box in enumerate(boxes):
            look, words = (*box, "", "")[:2]
            state = data["states"].get(look, ["", "nothing"])[1] if isinstance(look, str) else "nothing"
            _box(axes, (i + 0.03, r + 0.05, 0.94, 0.9), state, words)


def _script(axes: Axes, group: Group, data: Values) -> None:
    axes.set_ylim(len(group["lines"]), 0)
    for i, (name, words) in enumerate(group["lines"]):
        axes.text(0.02, i + 0.7, f"{name}  {_short(words)}", size=8, weight="bold" if i == group["at"] else "normal")


def _nodes(axes: Axes, group: Group, data: Values) -> None:
    places = {name: (i, 1) for i, name in enumerate(group["threads"])}
    places |= {name: (i, 0) for i, name in enumerate(group["locks"])}
    axes.set_xlim(-1, max(len(group["threads"]), len(group["locks"])))
    axes.set_ylim(-0.5, 1.5)
    for start, kind, end, *_ in data.get("links", []):
        if start in places and end in places:
            style = {"holds": "-", "waits": "--"}.get(kind, ":")
            axes.plot(*zip(places[start], places[end]), style, color=LIGHT["alert" if kind == "waits" else "ink"])
    for name, (x, y) in places.items():
        axes.text(x, y, name, ha="center", va="center", size=9, bbox={"facecolor": "white", "boxstyle": "round"})


def _chart(axes: Axes, group: Group, data: Values) -> None:
    for start, end in group.get("shade", []):
        axes.axvspan(_scaled(group, "x", start), _scaled(group, "x", end), color=LIGHT["shade"], linewidth=0)
    for meaning, upper, lower, *_ in group.get("areas", []):
        outline = [*upper, *lower[::-1]]
        style = {"facecolor": LIGHT["debt"], "edgecolor": _colour(meaning), "hatch": "//", "linewidth": 0}
        axes.fill(*_places(group, outline), **style)
    for line in starmap(Line, group["lines"]):
        label = _short(line.words) or None
        axes.plot(*_places(group, line.points), color=_colour(line.tone), linewidth=2, label=label)
    for bar in starmap(Column, group.get("columns", [])):
        axes.bar(_scaled(group, "x", bar.x), _scaled(group, "y", bar.y), color=_colour(bar.tone), width=0.8)
    for x, y, words, *_ in group.get("notes", []):
        axes.annotate(_short(words), (_scaled(group, "x", x), _scaled(group, "y", y)), size=8)
    if "end" in group:
        axes.axvline(_scaled(group, "x", group["end"][0]), color=LIGHT["ink"], linewidth=1)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="upper left", fontsize=8, frameon=False)


def _bands(axes: Axes, group: Group, data: Values) -> None:
    full, before = _scaled(group, "y", group["y"]["to"]) / 1000, ""
    for i, column in enumerate(group["columns"]):
        before, y = (before if column == "=" else column), 0.0
        x, w = _scaled(group, "x", group["x"]["from"] + i * group["every"]), _scaled(group, "x", group["every"])
        for letter, other, eighths, share in re.findall(r"([A-Z])(?:([A-Z])(\d):)?(\d+)", before):
            height, part = int(share) * full, int(eighths or 0) / 8
            for one, tall in ((letter, height * (1 - part)), (other, height * part)):
                if tall:
                    state = data["states"][one][1]
                    axes.bar(x, tall, w, bottom=y, align="edge", color=LIGHT[LOOKS.get(state, (state, ""))[0]])
                y += tall


def _predict(axes: Axes, group: Group, prediction: Values | None) -> None:
    for name, line in (("x", axes.axvline), ("y", axes.axhline)):
        if prediction and group.get(name, {}).get("name") == prediction["axis"]:
            line(_scaled(group, name, prediction["at"]), color=LIGHT["guess"], linestyle="--")
            words = _short(prediction["words"])
            axes.annotate(words, (0.99, 0.9), xycoords="axes fraction", ha="right", size=8, color=LIGHT["guess"])


FORMS = {
    "ring": _list, "belt": _list, "row": _row, "strip": _strip, "lanes": _lanes, "grid": _grid, "script": _script,
    "nodes": _nodes, "chart": _chart, "bands": _bands,
}  # fmt: skip
