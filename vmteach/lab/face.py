"""What everything of the lab that is seen in a notebook shares: one script for all, and the words of a cell.

The page's scripts travel once a session, packed, in a model of their own (`Library`); each widget carries a loader of
a few lines. So a notebook that is saved with its widgets grows by what is on screen and by one copy of the scripts.
"""

import gzip
import json
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakSet

import anywidget
import traitlets
from ipywidgets import Widget

from vmteach.exercises import Verdict, card, marked
from vmteach.figures import page
from vmteach.lab.cells import Place, this_place
from vmteach.lab.note import QUIET

HERE = Path(__file__).parent
SCRIPTS, STYLES = ("explorer", "learn", "picture", "story"), ("explorer", "learn")


@cache
def scripts() -> tuple[str, str]:
    """The version of the page's scripts and styles, and all of them, packed (as text: a notebook saves no bytes)."""
    text = {name: (HERE / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS}
    text["page"] = f"{page.script()}\nexport default {{ panels: mountPanels, story: mountStory }};\n"
    style = "".join((HERE / f"{name}.css").read_text(encoding="utf-8") for name in STYLES)
    style += page.style()
    packed = gzip.compress(json.dumps({"scripts": text, "style": style}).encode(), mtime=0)
    return sha256(packed).hexdigest()[:16], b64encode(packed).decode()


class Library(Widget):  # type: ignore[misc]  # ipywidgets has no types
    """The page's scripts, as a model without a face."""

    version = traitlets.Unicode().tag(sync=True)
    packed = traitlets.Unicode().tag(sync=True)
    _one: "ClassVar[Library | None]" = None

    @classmethod
    def id(cls) -> str:
        """The id of the one library of this session, opened if need be."""
        if cls._one is None or cls._one.comm is None:
            version, packed = scripts()
            cls._one = cls(version=version, packed=packed)
        return str(cls._one.model_id)


class Face(anywidget.AnyWidget):
    """Something to operate: `spec` stays, `given` comes from the page, `said` goes to it.

    What is given carries a number, and what is said repeats it: the page claims nothing before that.
    """

    _esm = (HERE / "face.js").read_text(encoding="utf-8")
    library = traitlets.Unicode().tag(sync=True)
    script = traitlets.Unicode("learn").tag(sync=True)
    spec = traitlets.Dict().tag(sync=True)
    given = traitlets.Dict().tag(sync=True)
    said = traitlets.Dict().tag(sync=True)
    _shown: "ClassVar[WeakSet[Face]]" = WeakSet()

    def __init__(self, **traits: object) -> None:
        self._places: set[Place] = set()  # the cells that show it, each in one run of it
        super().__init__(library=Library.id(), **traits)

    def _say(self, verdict: Verdict | str) -> None:
        if isinstance(verdict, str):
            said = {"outcome": "", "html": marked(verdict)}
        else:
            said = {"outcome": verdict.outcome.value, "html": marked(f"**{verdict.word}** {verdict.text}")}
        self.said = {**said, "seq": self.given.get("seq", 0)}

    # ---- as a cell's output

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: object) -> Any:
        """The widget, and words and a still picture for what shows no widget: exported HTML, a forge, a terminal."""
        place = this_place()
        self._take(place)
        still = {"text/plain": repr(self), "text/html": self.still(place.page)}
        if not place.page:
            return still, {}
        bundle = super()._repr_mimebundle_(include=include, exclude=exclude)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**(data or {}), **still}, metadata

    def still(self, page: bool = False) -> str:
        """It as HTML without a script; on a `page` that shows the widget this is only what a forge will show."""
        return card(f"<p>{escape(repr(self))}</p>", QUIET)

    def _take(self, place: Place) -> None:
        """Close what an earlier run of the cell showed: it is on no screen, and would be saved with the notebook."""
        if not place.cell:
            return
        for other in list(Face._shown):
            gone = {seen for seen in other._places if seen.cell == place.cell and seen.run != place.run}
            other._places -= gone
            if gone and not other._places and other is not self:
                other.close()
                Face._shown.discard(other)
        self._places.add(place)
        Face._shown.add(self)
