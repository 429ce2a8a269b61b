"""Pictures of runs as bitmaps, for the chapters whose figure module has no `scene` yet. To be deleted with the last."""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any

from vmteach.run import Run

MOST_LAYOUTS = 6


class Bitmaps:
    """The layouts of a figure module; `draw` fills one of them."""

    def __init__(self, figure: Any) -> None:
        self._figure = figure
        self._layouts: OrderedDict[Hashable, Any] = OrderedDict()
        self.picture: Any = None  # the one that was filled last

    def draw(self, runs: Mapping[str, Run]) -> tuple[str, str, bytes]:
        """The finding, the alt text and the PNG of a picture of these runs."""
        first = next(iter(runs.values()))
        key = getattr(self._figure, "frame_key", lambda run: None)(first)
        if key not in self._layouts:
            self._layouts[key] = self._figure.layout(first)
        self._layouts.move_to_end(key)
        while len(self._layouts) > MOST_LAYOUTS:
            self._layouts.popitem(last=False)
        self.picture = self._layouts[key]
        alt = self._figure.fill(self.picture, runs)
        return self.picture.finding, alt, self.picture.png(title=False)
