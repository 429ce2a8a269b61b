"""Colour, type and the picture itself: the one place that says what a figure of this course looks like.

A picture is laid out once (axes, limits, labels) and filled many times. Only the artists that
change are drawn again, over a kept background, which takes milliseconds where a whole redraw
takes a tenth of a second. Nothing here knows a patch.
"""

import html
import io
import itertools
import math
import re
import struct
import textwrap
import zlib
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox, IdentityTransform, ScaledTranslation, blended_transform_factory

from vmteach.figures.words import number as number  # for the figure modules of today, until their scenes are here
from vmteach.figures.words import seconds as seconds
from vmteach.figures.words import size as size

# --- colour ---------------------------------------------------------------------------------------

INK, QUIET, RULE, PAPER = "#222222", "#595959", "#B0B0B0", "#FFFFFF"


class Look(NamedTuple):
    """How an area is filled: colour and hatch together, so that it is never colour alone.

    `ink` is a colour for words on top of it.
    """

    colour: str
    hatch: str = ""
    ink: str = INK


# The colours are those of Okabe and Ito, which people with any kind of colour vision can tell apart.
PAGE_LOOKS: dict[str, Look] = {
    "free": Look("#F4F4F4"),
    "clean": Look("#56B4E9"),
    "mapped": Look("#0072B2", "", PAPER),
    "dirty": Look("#E69F00", "//"),  # unmapped shm whose only copy is in memory
    "swapcache dirty": Look("#D55E00", "xx", INK),
    "writing": Look("#CC79A7", ".."),
    "swapcache clean": Look("#009E73", "--"),
    "active": Look("#F0E442"),
    "other": Look("#999999"),
}
PAGE_COLOURS: dict[str, str] = {state: look.colour for state, look in PAGE_LOOKS.items()}

# What a reader gets for a byte of a device, a file or a mapping.
DATA_LOOKS: dict[str, Look] = {
    "true data": Look("#56B4E9"),
    "zeros": Look("#FFFFFF", ".."),
    "lost": Look("#D55E00", "xx"),
    "refused": Look("#F0E442", "\\\\"),
    "outside": Look("#E4E4E4"),
}

BEFORE_COLOUR = "#595959"
AFTER_COLOUR = "#0060A0"
PREDICTION_COLOUR = "#A0006D"
# Between what is drawn and the words on it.
PREDICTION_LINE: dict[str, Any] = {
    "color": PREDICTION_COLOUR,
    "linestyle": (0, (4, 3)),
    "linewidth": 1.6,
    "zorder": 2.5,
}
# For words that lie on lines: the paper shines through them a little.
OVER_LINES: dict[str, Any] = {"facecolor": PAPER + "D8", "edgecolor": "none", "pad": 0.6}
WHAT_IF_COLOURS = ("#8C4B00", "#00664B", "#6A3D9A", "#B3261E")


class Stroke(NamedTuple):
    """How the line of one policy is drawn: colour, dash and marker together."""

    colour: str
    dash: str
    marker: str


def strokes(labels: Iterable[str], before: str, after: str) -> dict[str, Stroke]:
    """A stroke for each policy: grey dashes before, a blue line after, others for what-ifs.

    >>> strokes(["unpatched", "patched"], "unpatched", "patched")["patched"].dash
    '-'
    """
    others = zip(itertools.cycle(WHAT_IF_COLOURS), itertools.cycle((":", "-.")), itertools.cycle("^vDs"))
    known = {before: Stroke(BEFORE_COLOUR, "--", "s"), after: Stroke(AFTER_COLOUR, "-", "o")}
    return {label: known[label] if label in known else Stroke(*next(others)) for label in labels}


# --- words and numbers ----------------------------------------------------------------------------

SMALL, NORMAL, LARGE = 8.0, 9.0, 11.0  # points
FONT = "DejaVu Sans"  # comes with matplotlib
PAGE_FONTS = "'DejaVu Sans', Verdana, sans-serif"  # on a page: Verdana has the same widths

# --- words that keep their pixels -----------------------------------------------------------------


class Words(Text):
    """A text that is rasterised once: drawing it again, there or elsewhere, copies its pixels.

    Setting type takes about half a millisecond a text, and was most of the time of a picture. A copy stands on
    whole pixels, so it may be half a pixel away from where the text would be. Other renderers (SVG) set the text.
    """

    STAMPS = 800  # that are kept
    _stamps: "OrderedDict[Hashable, tuple[np.ndarray[Any, Any], int, int]]" = OrderedDict()

    def draw(self, renderer: Any) -> None:
        if not self.get_visible() or not self.get_text():
            return
        if not isinstance(renderer, RendererAgg):
            super().draw(renderer)
            return
        x, y = (round(value) for value in self.get_transform().transform(self.get_position()))
        key = self._look(renderer.dpi)
        if key not in self._stamps:
            self._stamps[key] = self._stamp(renderer)
        self._stamps.move_to_end(key)
        while len(self._stamps) > self.STAMPS:
            self._stamps.popitem(last=False)
        pixels, left, bottom = self._stamps[key]
        renderer.draw_image(renderer.new_gc(), x + left, y + bottom, pixels)
        self.stale = False

    def _look(self, dpi: float) -> Hashable:
        """All that the pixels depend on."""
        ground: Hashable = None
        if box := self.get_bbox_patch():
            style = box.get_boxstyle()
            shape = type(style).__name__, getattr(style, "pad", 0)
            ground = (box.get_facecolor(), box.get_edgecolor(), box.get_linewidth(), *shape)
        type_ = (
            self.get_fontsize(),
            self.get_fontweight(),
            *self.get_fontfamily(),
            self.get_color(),
            self.get_rotation(),
        )
        return (
            self.get_text(),
            type_,
            self.get_horizontalalignment(),
            self.get_verticalalignment(),
            ground,
            self.get_alpha(),
            dpi,
        )

    def _stamp(self, renderer: RendererAgg) -> "tuple[np.ndarray[Any, Any], int, int]":
        """The pixels, and where they stand, right and up of the text's position."""
        kept = self.get_transform(), self.get_position()
        self.set_transform(IdentityTransform())
        self.set_position((0, 0))
        try:
            box = self.get_window_extent(renderer)
            if patch := self.get_bbox_patch():
                self.update_bbox_position_size(renderer)
                box = Bbox.union([box, patch.get_window_extent(renderer)])
            box = box.padded(6)
            left, bottom = math.floor(box.x0), math.floor(box.y0)
            canvas = RendererAgg(math.ceil(box.x1) - left, math.ceil(box.y1) - bottom, renderer.dpi)
            self.set_position((-left, -bottom))
            super().draw(canvas)
        finally:
            self.set_transform(kept[0])
            self.set_position(kept[1])
        return np.array(canvas.buffer_rgba())[::-1], left, bottom


# --- the picture ----------------------------------------------------------------------------------

DPI = 144  # drawn at one and a half pixels for each CSS pixel, so that type is sharp on most screens
CSS_DPI = 96
TITLE_BAND = 0.42  # inches above the panels; cut off where the title stands beside the picture as text

_serial = itertools.count(1)
AnArtist = TypeVar("AnArtist", bound=Artist)


class Picture:
    """A figure with named axes, the artists that change, and a title that is the finding.

    `axes` and `parts` are for the figure module: panels by name, and whatever it wants to find
    again when it fills the picture in. Width and height are inches, without the title.

    >>> picture = Picture(4, 1)
    >>> _ = picture.panel("only", (0.1, 0.3, 0.8, 0.6))
    >>> picture.finding = "1024 bytes lost"
    >>> picture.png()[1:4], 'role="img"' in picture.svg("A ruler.")
    (b'PNG', True)
    """

    def __init__(self, width: float = 8.0, height: float = 3.0) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height + TITLE_BAND), dpi=DPI, facecolor=PAPER)
        self.canvas: Any = FigureCanvasAgg(self.figure)
        self.axes: dict[str, Axes] = {}
        self.parts: dict[str, Any] = {}
        self._moving: list[Artist] = []
        self._background: Any = None
        top = 1 - 0.08 / (height + TITLE_BAND)
        self._title = self.moving(
            self.figure.text(0.012, top, "", va="top", size=LARGE, weight="bold", color=INK, family=FONT)
        )
        self._finding = ""

    # what stays

    def panel(
        self,
        name: str,
        box: tuple[float, float, float, float] = (0.1, 0.16, 0.86, 0.8),
        *,
        xlim: tuple[float, float] = (0, 1),
        ylim: tuple[float, float] = (0, 1),
        xlabel: str = "",
        ylabel: str = "",
        xticks: Mapping[float, str] | Sequence[float] = (),
        yticks: Mapping[float, str] | Sequence[float] = (),
        heading: str = "",
        spines: str = "left bottom",
    ) -> Axes:
        """New axes with fixed limits.

        `box` is left, bottom, width, height, as shares of the area below the title. Ticks are values, or a mapping
        from values to what is written there.
        """
        whole = self.height + TITLE_BAND
        left, bottom, width, height = box
        share = self.height / whole
        axes = self.figure.add_axes((left, bottom * share, width, height * share), facecolor=PAPER)
        axes.set_xlim(*xlim)
        axes.set_ylim(*ylim)
        if heading:
            axes.set_title(heading, size=NORMAL, color=INK, loc="left", pad=4, family=FONT)
        rule(axes, "x", xticks, xlabel, marks="bottom" in spines)
        rule(axes, "y", yticks, ylabel, marks="left" in spines)
        for side, spine in axes.spines.items():
            spine.set_visible(side in spines.split())
            spine.set_color(RULE)
        self.axes[name] = axes
        return axes

    def moving(self, artist: AnArtist) -> AnArtist:
        """The artist, noted as one that `fill` changes."""
        artist.set_animated(True)
        self._moving.append(artist)
        return artist

    def words(self, axes: Axes | None, x: float, y: float, text: str = "", **how: Any) -> Text:
        """A text that `fill` may change; without axes x and y are shares of the whole figure."""
        how = {"size": NORMAL, "color": INK, "family": FONT, **how}
        artist = Words(x, y, text, **how)
        if axes is None:
            artist.set_transform(self.figure.transSubfigure)
            self.figure.add_artist(artist)
        else:
            artist.set_transform(axes.transData)
            axes.add_artist(artist)
        artist.set_clip_on(False)
        return self.moving(artist)

    # what changes

    @property
    def finding(self) -> str:
        """The title: one sentence with the numbers that the picture shows."""
        return self._finding

    @finding.setter
    def finding(self, sentence: str) -> None:
        self._finding = sentence
        per_line = int(self.width * 12.2)
        self._title.set_text("\n".join(textwrap.wrap(sentence, per_line)[:2]))
        self._title.set_fontsize(LARGE if len(sentence) <= per_line else NORMAL)

    def png(self, title: bool = True) -> bytes:
        """The picture as PNG bytes: the kept background, the changing artists over it.

        Without the title its band is cut off, for a page that says the finding in its own text.
        """
        if self._background is None:
            self.canvas.draw()
            self._background = self.canvas.copy_from_bbox(self.figure.bbox)
        self.canvas.restore_region(self._background)
        renderer = self.canvas.get_renderer()
        for artist in self._drawn(title):
            artist.draw(renderer)
        band = 0 if title else round(TITLE_BAND * DPI)
        return encode_png(np.asarray(self.canvas.buffer_rgba())[band:, :, :3])

    def svg(self, alt: str, title: bool = True) -> str:
        """The picture as an SVG element for a page: labelled, self-contained, with ids of its own."""
        drawn = set(map(id, self._drawn(title)))
        shown = [artist.get_visible() for artist in self._moving]
        try:
            for artist in self._moving:
                artist.set_animated(False)
                artist.set_visible(id(artist) in drawn and artist.get_visible())
            text = io.StringIO()
            with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "vmteach"}):
                self.figure.savefig(text, format="svg", facecolor=PAPER)
        finally:
            for artist, visible in zip(self._moving, shown, strict=True):
                artist.set_animated(True)
                artist.set_visible(visible)
        return _for_a_page(text.getvalue(), alt, 0 if title else TITLE_BAND * 72)

    def _drawn(self, title: bool) -> list[Artist]:
        """The changing artists that are to be seen, lowest first."""
        artists = (a for a in self._moving if a.get_visible() and (title or a is not self._title))
        return sorted(artists, key=lambda artist: artist.get_zorder())


def rule(axes: Axes, which: str, ticks: Mapping[float, str] | Sequence[float], label: str, marks: bool) -> None:
    """Few ticks, with what is written at them, and the axis's label.

    Drawn as marks and words: matplotlib's own axis does far more than this needs, at ten times the time.
    """
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_visible(False)
    values = list(ticks)
    named = [str(ticks[v]) if isinstance(ticks, Mapping) else number(v) for v in values]
    across = which == "x"
    along = (
        blended_transform_factory(axes.transData, axes.transAxes)
        if across
        else blended_transform_factory(axes.transAxes, axes.transData)
    )
    rows = max((name.count("\n") + 1 for name in named), default=0)
    longest = max((len(line) for name in named for line in name.splitlines()), default=0)

    def off(points: float) -> ScaledTranslation:
        inches = -points / 72
        dots: Any = axes.get_figure(root=True).dpi_scale_trans  # type: ignore[union-attr]
        return ScaledTranslation(0, inches, dots) if across else ScaledTranslation(inches, 0, dots)

    places = [(v, 0.0) if across else (0.0, v) for v in values]
    if marks and values:
        x, y = zip(*places)
        how: dict[str, Any] = {"marker": 3 if across else 0, "markersize": 3, "color": RULE}  # tick down, tick left
        axes.add_artist(Line2D(x, y, linestyle="none", transform=along, clip_on=False, **how))
    how = {"size": SMALL, "color": QUIET, "family": FONT, "clip_on": False}
    how |= {"ha": "center", "va": "top"} if across else {"ha": "right", "va": "center"}
    for (x_, y_), name in zip(places, named):
        axes.add_artist(Words(x=x_, y=y_, text=name, transform=along + off(5), **how))
    if label:
        beyond = 8 + (rows * 1.25 if across else longest * 0.6) * SMALL
        how |= {"size": NORMAL, "color": INK, "ha": "center", "va": "top" if across else "bottom"}
        how |= {} if across else {"rotation": 90, "rotation_mode": "anchor"}
        x_, y_ = (0.5, 0.0) if across else (0.0, 0.5)
        axes.add_artist(Words(x=x_, y=y_, text=label, transform=axes.transAxes + off(beyond), **how))


def encode_png(pixels: "np.ndarray[Any, Any]") -> bytes:
    """An RGB image as PNG bytes. Plain and quick: no filters, the lightest compression.

    >>> encode_png(np.zeros((2, 3, 3), dtype=np.uint8))[1:4]
    b'PNG'
    """
    rows, columns, _ = pixels.shape
    raw = np.zeros((rows, 1 + columns * 3), dtype=np.uint8)  # each row opens with its filter: 0, none
    for channel in range(3):  # one by one: several times as fast as all three
        raw[:, 1 + channel :: 3] = pixels[:, :, channel]
    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)  # 8 bits a channel, RGB
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw.data, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _for_a_page(text: str, alt: str, cut: float) -> str:
    """An SVG document as an element of a page, `cut` points less on top.

    Without prolog and metadata, with ids that no other picture has, and without the style sheet:
    within a page its rule for `*` would reach the page's own icons.
    """
    body = re.sub(r"<(metadata|style)\b.*?</\1>", "", text[text.index("<svg") :], flags=re.DOTALL)
    body = body.replace(f"'{FONT}'", PAGE_FONTS)
    prefix = f"v{next(_serial)}-{zlib.crc32(body.encode()):08x}-"
    body = re.sub(r'(\bid="|href="#|url\(#)', lambda found: found[0] + prefix, body)
    opening, inside = body.split(">", 1)
    width, height = (float(value) for value in re.findall(r'viewBox="0 0 (\S+) (\S+)"', opening)[0])
    style = f"display:block;width:100%;max-width:{width / 72 * CSS_DPI:.0f}px;height:auto;background:{PAPER};"
    style += "stroke-linejoin:round;stroke-linecap:butt"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 {cut:g} {width:g} {height - cut:g}" role="img" '
        f'aria-label="{html.escape(alt)}" style="{style}">{inside}'
    )


# --- cells: an image without resampling -----------------------------------------------------------


class Cells(AxesImage):
    """Coloured cells that fill the axes, row 0 at the bottom: the nearest cell for each pixel, looked up directly.

    >>> picture = Picture(4, 1)
    >>> cells = Cells(picture.panel("only"))
    >>> cells.show(np.zeros((2, 3, 3), np.uint8))
    """

    def __init__(self, axes: Axes) -> None:
        left, right, bottom, top = *axes.get_xlim(), *axes.get_ylim()
        super().__init__(axes, origin="lower", extent=(left, right, bottom, top), interpolation="nearest")
        axes.add_image(self)

    def show(self, colours: "np.ndarray[Any, Any]") -> None:
        """Show these colours: rows x columns x RGB, of 0 to 255."""
        self.set_data(colours)
        self._colours = colours

    def draw(self, renderer: Any) -> None:
        if not isinstance(renderer, RendererAgg):
            super().draw(renderer)
        elif self.get_visible():
            left, bottom, right, top = (round(edge) for edge in self.axes.bbox.extents)
            rows = self._nearest(top - bottom, self._colours.shape[0])
            columns = self._nearest(right - left, self._colours.shape[1])
            pixels = np.full((len(rows), len(columns), 4), 255, np.uint8)
            pixels[:, :, :3] = self._colours[rows][:, columns]
            renderer.draw_image(renderer.new_gc(), left, bottom, pixels)
            self.stale = False

    @staticmethod
    def _nearest(pixels: int, cells: int) -> "np.ndarray[Any, Any]":
        return (np.arange(pixels) * cells) // pixels


# --- strips: coloured ranges on one axis ----------------------------------------------------------


class Span(NamedTuple):
    """A stretch of a strip: from `start` up to, not including, `end`, in one look, with a word inside."""

    row: float
    start: float
    end: float
    look: str
    label: str = ""


class Strips:
    """Coloured ranges in rows: list ribbons, address spaces, device rulers.

    Row r is drawn from r - thickness/2 to r + thickness/2. `looks` says how each kind is filled.

    >>> picture = Picture(4, 1)
    >>> strips = Strips(picture, picture.panel("only", xlim=(0, 8)), PAGE_LOOKS)
    >>> strips.show([Span(0, 0, 4, "clean", "page 0"), Span(0, 4, 8, "writing")])
    """

    def __init__(
        self,
        picture: Picture,
        axes: Axes,
        looks: Mapping[str, Look],
        *,
        thickness: float = 0.7,
        edge: str = PAPER,
        edge_width: float = 0.8,
    ) -> None:
        self._picture, self._axes, self._looks, self._half = picture, axes, looks, thickness / 2
        self._areas: dict[str, list[PolyCollection]] = {}
        self._words: list[Text] = []
        for kind, look in looks.items():
            areas = [PolyCollection([], facecolors=look.colour, edgecolors=edge, linewidths=edge_width, zorder=2)]
            if look.hatch:  # a hatch has the colour of the edge: matplotlib 3.10 knows no other
                softer = _softer(look)
                areas.append(PolyCollection([], hatch=look.hatch, facecolors="none", edgecolors=softer, linewidths=0))
                areas[-1].set_zorder(2)
            for area in areas:
                axes.add_collection(area, autolim=False)
            self._areas[kind] = [picture.moving(area) for area in areas]

    def show(self, spans: Iterable[Span]) -> None:
        """Draw these spans and no others. A word that is wider than its span is left out."""
        spans = list(spans)
        for kind, areas in self._areas.items():
            for area in areas:
                area.set_verts([self._corners(span) for span in spans if span.look == kind])
        labelled = [span for span in spans if span.label and self._fits(span)]
        while len(self._words) < len(labelled):
            self._words.append(self._picture.words(self._axes, 0, 0, ha="center", va="center", size=SMALL, zorder=4))
        for text in self._words[len(labelled) :]:
            text.set_visible(False)
        for text, span in zip(self._words, labelled, strict=False):
            look = self._looks[span.look]
            text.set(visible=True, text=span.label, color=look.ink)
            text.set_position(((span.start + span.end) / 2, span.row))
            text.set_bbox({"facecolor": look.colour, "edgecolor": "none", "pad": 1.0} if look.hatch else None)

    def _corners(self, span: Span) -> list[tuple[float, float]]:
        low, high = span.row - self._half, span.row + self._half
        return [(span.start, low), (span.start, high), (span.end, high), (span.end, low)]

    def _fits(self, span: Span) -> bool:
        left, right = self._axes.get_xlim()
        inches = self._axes.get_position().width * self._picture.width
        letter = SMALL * 0.62 / 72  # inches, on the wide side
        return len(span.label) * letter <= abs((span.end - span.start) / (right - left)) * inches


def _softer(look: Look) -> str:
    """A hatch that is seen on its ground without shouting."""
    return "#00000066" if look.ink == INK else "#FFFFFF99"


class EndLabels:
    """Words at the ends of lines, in the line's colour, kept from covering each other.

    >>> picture = Picture(4, 2)
    >>> labels = EndLabels(picture, picture.panel("only"))
    >>> labels.show([(1.0, 0.50, "unpatched", BEFORE_COLOUR), (1.0, 0.52, "patched", AFTER_COLOUR)])
    """

    def __init__(self, picture: Picture, axes: Axes) -> None:
        self._picture, self._axes = picture, axes
        self._words: list[Text] = []

    def show(self, ends: Iterable[tuple[float, float, str, str]]) -> None:
        """Write each (x, y, word, colour) to the right of its point, moved up where two that are near would touch."""
        ends = sorted(ends, key=lambda end: end[1])
        low, high = self._axes.get_ylim()
        line = 1.25 * NORMAL / 72 / (self._axes.get_position().height * (self._picture.height + TITLE_BAND))
        gap = line * (high - low)
        while len(self._words) < len(ends):
            self._words.append(self._picture.words(self._axes, 0, 0, va="center", zorder=5, bbox=OVER_LINES))
        for text in self._words[len(ends) :]:
            text.set_visible(False)
        left, right = self._axes.get_xlim()
        placed: list[tuple[float, float]] = []
        for text, (x, y, word, colour) in zip(self._words, ends, strict=False):
            near = (above + gap for other, above in placed if abs(x - other) < 0.25 * (right - left))
            floor = max([y, low + gap / 2, *near])  # and above the axis
            placed.append((x, floor))
            text.set(visible=True, text=word, color=colour)
            text.set_position((x + 0.008 * (right - left), floor))
