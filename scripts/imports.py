"""Draw docs/imports.svg: which part of vmteach imports which, read from the code. `python scripts/imports.py`

A part is a file or a folder of vmteach. Files of one family (live_elf, learn_kept) count as one, and so do the
notebooks. A part stands just below the lowest of those that import it. An arrow that follows from two others is left
out, so that the rest can be seen: if a imports b and b imports c, no arrow goes from a to c, whether a imports c itself
or not.
"""

import ast
import json
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "vmteach"
PICTURE = ROOT / "docs" / "imports.svg"
FAMILIES = ("live", "learn")

WIDTH, ROW, BOX, GAP = 960, 84, 34, 14  # of the picture, from row to row, of a box's height, between boxes
LETTER = 8.2  # wide, in the box

Edges = dict[str, set[str]]


def part(module: str) -> str:
    """The part that a module of vmteach belongs to.

    >>> part("vmteach.patches.mremap"), part("vmteach.live_elf"), part("vmteach")
    ('patches', 'live', '')
    """
    name = [*module.split("."), ""][1]
    return next((family for family in FAMILIES if name.startswith(f"{family}_")), name)


def imported(source: str) -> Iterator[str]:
    """The modules of vmteach that a text imports, in functions too; not what only a type checker imports.

    >>> list(imported("from vmteach import live"))
    ['vmteach.live']
    """
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "vmteach":
            names = [f"vmteach.{alias.name}" for alias in node.names]
        else:
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from (name for name in names if name.startswith("vmteach."))


def read_edges(package: Path = PACKAGE, notebooks: Path = ROOT / "notebooks") -> Edges:
    """Each part, with the parts that it imports."""
    edges: Edges = {"notebooks": set()}
    for path in sorted(package.rglob("*.py")):
        owner = part(".".join(("vmteach", *path.relative_to(package).with_suffix("").parts)).removesuffix(".__init__"))
        if owner and owner != "__init__":
            edges.setdefault(owner, set()).update(map(part, imported(path.read_text(encoding="utf-8"))))
    for path in sorted(notebooks.glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                edges["notebooks"].update(map(part, imported("".join(cell["source"]))))
    return {owner: (found & edges.keys()) - {owner} for owner, found in edges.items()}


def reach(edges: Mapping[str, set[str]], start: str) -> set[str]:
    """All that a part imports, itself or through others."""
    seen: set[str] = set()
    waiting = list(edges[start])
    while waiting:
        if (name := waiting.pop()) not in seen:
            seen.add(name)
            waiting += edges[name]
    return seen


def reduced(edges: Mapping[str, set[str]]) -> Edges:
    """The edges that do not follow from others.

    >>> reduced({"a": {"b", "c"}, "b": {"c"}, "c": set()})
    {'a': {'b'}, 'b': {'c'}, 'c': set()}
    """
    for name in edges:
        if name in reach(edges, name):
            raise ValueError(f"imports must go one way, got a circle through {name}: break it")
    return {a: {b for b in found if not any(b in reach(edges, c) for c in found)} for a, found in edges.items()}


def rows(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """The parts, row by row from the top: each stands just below the lowest of those that import it.

    >>> rows({"a": {"b", "c"}, "b": {"c"}, "c": set(), "d": set()})
    [['a', 'd'], ['b'], ['c']]
    """

    def depth(name: str) -> int:
        return 1 + max((depth(other) for other in edges if name in edges[other]), default=-1)

    depths = {name: depth(name) for name in edges}
    return [sorted(n for n in edges if depths[n] == d) for d in range(max(depths.values()) + 1)]


def drawn(edges: Mapping[str, set[str]]) -> str:
    """The picture as the text of an SVG file. The same edges give the same text.

    An arrow over several rows takes a place of its own in each row between, so that it passes behind no box.
    """
    shown, levels = reduced(edges), rows(edges)
    row = {name: i for i, level in enumerate(levels) for name in level}
    wide = {name: len(name) * LETTER + 22 for name in edges}
    paths = []
    for a, b in sorted((a, b) for a, found in shown.items() for b in found):
        between = {f"{a} to {b} in {i}": i for i in range(row[a] + 1, row[b])}
        for name, i in between.items():
            levels[i].append(name)
        row, wide = row | between, wide | dict.fromkeys(between, 4.0)
        paths.append([a, *between, b])
    tied: dict[str, list[str]] = {name: [] for name in row}
    for one, other in (pair for path in paths for pair in zip(path, path[1:])):
        tied[one].append(other)
        tied[other].append(one)
    middle: dict[str, float] = {}
    for _ in range(6):  # let each row follow those that it is tied to, so that arrows cross less
        for level in levels:
            level.sort(key=lambda name: (_mean([middle[n] for n in tied[name] if n in middle], 0), name))
            spare = max(GAP, (WIDTH - sum(wide[name] for name in level)) / (len(level) + 1))
            left = spare
            for name in level:
                middle[name] = left + wide[name] / 2
                left += wide[name] + spare
    top = {name: ROW * i + 20 for name, i in row.items()}
    high = ROW * len(levels) + 10
    lines = []
    for path in paths:
        points = [(middle[path[0]], top[path[0]] + BOX)]
        points += [(middle[name], y) for name in path[1:-1] for y in (top[name], top[name] + BOX)]
        points += [(middle[path[-1]], top[path[-1]] - 2)]
        lines.append(f'<polyline points="{" ".join(f"{x:.0f},{y}" for x, y in points)}" marker-end="url(#tip)"/>')
    boxes = [
        f'<rect x="{middle[name] - wide[name] / 2:.0f}" y="{top[name]}" '
        f'width="{wide[name]:.0f}" height="{BOX}" rx="5"/>'
        f'<text x="{middle[name]:.0f}" y="{top[name] + 22}">{escape(name)}</text>'
        for name in sorted(edges)
    ]
    alt = "What imports what. " + " ".join(
        f"{name} imports {', '.join(sorted(shown[name]))}." for name in sorted(edges) if shown[name]
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {high}" '
            f'role="img" aria-label="{escape(alt)}">',
            f'<rect width="{WIDTH}" height="{high}" fill="#FFFFFF"/>',
            '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">',
            '<path d="M0 0 L8 4 L0 8 z" fill="#6B6B6B"/></marker>',
            '<g stroke="#6B6B6B" stroke-width="1.2" fill="none">',
            *lines,
            '</g>\n<g fill="#E8F1F8" stroke="#0072B2" font-family="DejaVu Sans, Verdana, sans-serif" font-size="13" '
            'text-anchor="middle">',
            *(box.replace("<text ", '<text stroke="none" fill="#1A1A1A" ') for box in boxes),
            "</g>",
            "</svg>\n",
        ]
    )


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


if __name__ == "__main__":
    PICTURE.write_text(drawn(read_edges()), encoding="utf-8")
    print(f"written: {PICTURE.relative_to(ROOT)}")
