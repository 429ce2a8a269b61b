"""Pictures of runs: a scene a chapter (plain values), a page that draws scenes, and `draw` for a notebook cell."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmteach.figures.drawing import Drawing, draw

__all__ = ["Drawing", "draw"]


def __getattr__(name: str) -> object:
    """These when they are asked for: they bring matplotlib, which no scene needs."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vmteach.figures import drawing

    found: object = getattr(drawing, name)
    return found
