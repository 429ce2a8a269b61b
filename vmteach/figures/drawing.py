"""What a notebook cell shows of some runs: the finding, the picture with its alt text, the numbers."""

import base64
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

from vmteach.figures.plain import figure, own_style
from vmteach.figures.scene import Scene
from vmteach.figures.titles import alt, title
from vmteach.figures.words import read_out
from vmteach.run import Run, Values

Panels = Sequence[tuple[str, Scene]]
WIDTH = 845  # px, of a figure 8.8 inches wide

_FIGURE = "margin:0.5em 0 1em;max-width:{width}px;"
_CAPTION = "margin:0 0 0.4em;font-weight:600;line-height:1.35;text-align:left;"
_PAPER = "background:#ffffff;padding:4px;box-sizing:border-box;"
_CELL = "padding:0.15em 0.8em 0.15em 0;"


class Drawing:
    """Scenes of runs as a notebook cell shows them: the finding, a plain figure, the numbers.

    `alt`, `finding` and `numbers` (label -> name -> value) are there to be read by programs; `figure` is matplotlib's
    own, to be changed or saved.
    """

    def __init__(self, panels: Panels, prediction: Values | None = None, runs: Mapping[str, Run] | None = None) -> None:
        told = [(label, scene.data) for label, scene in panels]
        self.finding, self.alt = title(told), alt(told)
        self.numbers = {label: dict(run.numbers) for label, run in (runs or {}).items()}
        self.figure = figure(panels, prediction)

    def png(self) -> bytes:
        """The picture with its title as PNG bytes, for a page of one's own."""
        return self._saved("png", self.finding, dpi=144)

    def svg(self) -> str:
        """The picture with its title as an SVG document."""
        return self._saved("svg", self.finding).decode()

    @own_style
    def _saved(self, kind: str, title: str, **how: Any) -> bytes:
        self.figure.suptitle(title, x=0.01, ha="left", weight="bold", size=12)
        file = io.BytesIO()
        self.figure.savefig(file, format=kind, **how)
        return file.getvalue()

    def _repr_html_(self) -> str:
        return (
            f'<figure class="vmteach-drawing" style="{_FIGURE.format(width=WIDTH)}">'
            f'<figcaption style="{_CAPTION}">{html.escape(self.finding)}</figcaption>'
            f'<div style="{_PAPER}">{self._image()}</div>{self._table()}</figure>'
        )

    def _image(self) -> str:
        data = base64.b64encode(self._saved("png", "", dpi=144)).decode()
        return (
            f'<img src="data:image/png;base64,{data}" alt="{html.escape(self.alt)}" '
            f'style="display:block;width:100%;height:auto;max-width:{WIDTH}px">'
        )

    def _table(self) -> str:
        if not self.numbers:
            return ""
        head = "".join(f'<th scope="col" style="{_CELL}text-align:right">{html.escape(x)}</th>' for x in self.numbers)
        rows = "".join(map(self._row, read_out(self.numbers)))
        return (
            '<details style="margin-top:0.4em"><summary>The numbers</summary>'
            f'<table style="border-collapse:collapse"><thead><tr><td></td>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></details>"
        )

    def _row(self, row: Sequence[str]) -> str:
        name, *values = map(html.escape, row)
        cells = "".join(f'<td style="{_CELL}text-align:right">{value}</td>' for value in values)
        style = f"{_CELL}text-align:left;font-weight:400"
        return f'<tr><th scope="row" style="{style}">{name}</th>{cells}</tr>'


def draw(figure: ModuleType, runs: Mapping[str, Run] | Iterable[Run], prediction: object = None) -> Drawing:
    """What a notebook cell shows: these runs, drawn by a figure module, your prediction with them.

    `runs` maps the label of a policy to its run, in the order to be shown. A plain list of runs is
    labelled "run 1", "run 2" and so on.

    >>> from vmteach.figures import csum_trail as figure
    >>> from vmteach.patches.csum_trail import simulate
    >>> list(draw(figure, [simulate()]).numbers)
    ['run 1']
    """
    named = runs if isinstance(runs, Mapping) else {f"run {i}": run for i, run in enumerate(runs, 1)}
    if not named:
        raise ValueError("draw needs at least one run, got none")
    said = figure.predicted(prediction) if prediction is not None and hasattr(figure, "predicted") else None
    return Drawing([(label, figure.scene(run)) for label, run in named.items()], said, named)


__all__ = ["Drawing", "draw"]
