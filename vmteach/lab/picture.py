"""A picture of some runs in a cell: the page's own drawing in a notebook, a plain figure for a file or an export."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vmteach.exercises import card, marked
from vmteach.figures.scene import Scene
from vmteach.figures.titles import alt, title
from vmteach.figures.words import read_out
from vmteach.lab.face import Face
from vmteach.lab.note import QUIET
from vmteach.run import Run, Values

if TYPE_CHECKING:
    from vmteach.figures.drawing import Drawing


class Picture(Face):
    """Scenes by label: `finding` is the title, `alt` the picture in words, `numbers` maps label -> name -> value.

    `figure` is a matplotlib figure of the same numbers, to be changed or saved; `png()` and `svg()` write it. `said`
    is a prediction that is drawn, `runs` are those of which the scenes were made.
    """

    def __init__(
        self, scenes: Mapping[str, Scene], said: Values | None = None, runs: Mapping[str, Run] | None = None
    ) -> None:
        if not scenes:
            raise ValueError("draw needs at least one run, got none")
        self._scenes, self._said, self._runs = dict(scenes), said, dict(runs or {})
        panels = [(label, scene.data) for label, scene in scenes.items()]
        self.finding, self.alt = title(panels), alt(panels)
        self.numbers = {label: dict(run.numbers) for label, run in self._runs.items()}
        super().__init__(script="picture", spec={"kind": "picture", "panels": panels, "prediction": said})

    def plain(self) -> "Drawing":
        """The same numbers as a plain figure; matplotlib is loaded for it."""
        from vmteach.figures.drawing import Drawing

        return Drawing(list(self._scenes.items()), self._said, self._runs)

    @property
    def figure(self) -> Any:
        """The plain figure, matplotlib's own."""
        return self.plain().figure

    def png(self) -> bytes:
        """The plain figure with its title as PNG bytes."""
        return self.plain().png()

    def svg(self) -> str:
        """The plain figure with its title as an SVG element."""
        return self.plain().svg()

    @property
    def rows(self) -> list[list[str]]:
        """Each number as it is read: its name, then a cell a kernel."""
        return read_out(self.numbers)

    def __repr__(self) -> str:
        return f"{self.finding}\n{self.alt}"

    def still(self, page: bool = False) -> str:
        if page:
            return card(f"<p><strong>{marked(self.finding)}</strong></p><p>{marked(self.alt)}</p>", QUIET)
        return str(self.plain()._repr_html_())
