"""What a notebook cell shows of some runs: the finding, the picture with its alt text, the numbers."""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vmteach.figures.plain import Plain, own_style
from vmteach.figures.scene import Scene, alt
from vmteach.figures.style import CSS_DPI, Picture
from vmteach.figures.words import number
from vmteach.run import Run

HEAVY = 200_000  # characters of SVG from which an image is the lighter way

_FIGURE = "margin:0.5em 0 1em;max-width:{width}px;"
_CAPTION = "margin:0 0 0.4em;font-weight:600;line-height:1.35;text-align:left;"
_PAPER = "background:#ffffff;padding:4px;box-sizing:border-box;"
_CELL = "padding:0.15em 0.8em 0.15em 0;"


class Drawing:
    """A picture as a notebook cell shows it: the finding, the picture with its alt text, the numbers.

    `alt`, `finding` and `numbers` (label -> name -> value) are there to be read by programs.
    """

    def __init__(
        self, picture: Picture | Plain, alt: str, numbers: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        self.alt, self.finding = alt, picture.finding
        self.numbers = {label: dict(values) for label, values in (numbers or {}).items()}
        self.width = round(picture.width * CSS_DPI)
        self._picture = picture
        self._svg = picture.svg(alt, title=False) if isinstance(picture, Picture) else ""
        self._png = picture.png(title=False) if not self._svg or len(self._svg) > HEAVY else b""

    def png(self) -> bytes:
        """The picture with its title as PNG bytes, for a page of one's own."""
        return self._picture.png()

    def svg(self) -> str:
        """The picture with its title as an SVG element."""
        return self._picture.svg(self.alt) if isinstance(self._picture, Picture) else self._picture.svg()

    @property
    def figure(self) -> Any:
        """The matplotlib figure, to be changed or saved."""
        return self._picture.figure

    def _repr_html_(self) -> str:
        return (
            f'<figure class="vmteach-drawing" style="{_FIGURE.format(width=self.width)}">'
            f'<figcaption style="{_CAPTION}">{html.escape(self.finding)}</figcaption>'
            f'<div style="{_PAPER}">{self._image()}</div>{self._table()}</figure>'
        )

    def _image(self) -> str:
        if not self._png:
            return self._svg
        data = base64.b64encode(self._png).decode()
        return (
            f'<img src="data:image/png;base64,{data}" alt="{html.escape(self.alt)}" '
            f'style="display:block;width:100%;height:auto;max-width:{self.width}px">'
        )

    def _table(self) -> str:
        if not self.numbers:
            return ""
        head = "".join(f'<th scope="col" style="{_CELL}text-align:right">{html.escape(x)}</th>' for x in self.numbers)
        names = list(dict.fromkeys(name for values in self.numbers.values() for name in values))
        rows = "".join(self._row(name) for name in names)
        return (
            '<details style="margin-top:0.4em"><summary>The numbers</summary>'
            f'<table style="border-collapse:collapse"><thead><tr><td></td>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></details>"
        )

    def _row(self, name: str) -> str:
        cells = "".join(
            f'<td style="{_CELL}text-align:right">{html.escape(number(values.get(name, "")))}</td>'
            for values in self.numbers.values()
        )
        style = f"{_CELL}text-align:left;font-weight:400"
        return f'<tr><th scope="row" style="{style}">{html.escape(name)}</th>{cells}</tr>'


@own_style
def draw(figure: Any, runs: Mapping[str, Run] | Iterable[Run], prediction: Any = None) -> Drawing:
    """What a notebook cell shows: these runs, drawn by a figure module, your prediction with them.

    `runs` maps the label of a policy to its run, in the order to be shown. A plain list of runs is
    labelled "run 1", "run 2" and so on.
    """
    named = runs if isinstance(runs, Mapping) else {f"run {i}": run for i, run in enumerate(runs, 1)}
    if not named:
        raise ValueError("draw needs at least one run, got none")
    if hasattr(figure, "scene"):
        said = figure.predicted(prediction) if prediction is not None and hasattr(figure, "predicted") else None
        return shown([(label, figure.scene(run)) for label, run in named.items()], said, named)
    picture = figure.layout(next(iter(named.values())))
    told = figure.fill(picture, named, prediction)
    return Drawing(picture, told, {label: run.numbers for label, run in named.items()})


def shown(
    panels: Sequence[tuple[str, Scene]], prediction: Any = None, runs: Mapping[str, Run] | None = None
) -> Drawing:
    """Scenes as a notebook cell shows them: a plain figure, their title, their alt text."""
    numbers = {label: run.numbers for label, run in (runs or {}).items()}
    return Drawing(Plain(panels, prediction), alt([(label, scene.data) for label, scene in panels]), numbers)


__all__ = ["Drawing", "draw", "shown"]
