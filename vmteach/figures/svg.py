"""A drawing of a few lines and words for a cell: a finding, the same in words, and an SVG in the page's own ink."""

from collections.abc import Iterable
from html import escape
from typing import NamedTuple

SMALL, NORMAL = 12, 13.5  # px


class Svg(NamedTuple):
    """`finding` is its title, `alt` the drawing in words, `body` what is inside the SVG of `width` x `height` px."""

    finding: str
    alt: str
    width: int
    height: int
    body: Iterable[str]

    def _repr_html_(self) -> str:
        return (
            f'<figure style="margin:0.5em 0 1em;max-width:{self.width}px">'
            f'<figcaption style="margin:0 0 0.4em;font-weight:600;text-align:left">{escape(self.finding)}</figcaption>'
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" role="img" '
            f'aria-label="{escape(self.alt)}" style="display:block;width:100%;height:auto">{"".join(self.body)}</svg>'
            "</figure>"
        )


def words(x: float, y: float, text: str, size: float = NORMAL, anchor: str = "start") -> str:
    """A line of words, its middle at y.

    >>> words(1, 2, "a < b")
    '<text x="1" y="6.7" style="fill:currentColor;font-size:13.5px;text-anchor:start">a &lt; b</text>'
    """
    look = f"fill:currentColor;font-size:{size:g}px;text-anchor:{anchor}"
    return f'<text x="{x:g}" y="{y + 0.35 * size:.1f}" style="{look}">{escape(text)}</text>'


def line(path: str, colour: str = "#8A9097", width: float = 1.2) -> str:
    """A line along an SVG path."""
    return f'<path d="{path}" style="fill:none;stroke:{colour};stroke-width:{width:g}"/>'
