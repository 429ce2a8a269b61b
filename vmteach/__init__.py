"""A kernel changelog as a course: twelve patches of Linux 2.4.23aa2, modelled.

A notebook begins with `from vmteach import chapter`. Importing this package itself costs nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmteach.lab.chapter import Chapter
    from vmteach.lab.progress import Progress

__version__ = "0.2.0"
__all__ = ["chapter", "progress"]


def chapter(stem: str) -> "Chapter":
    """A chapter of the course, by its stem: its model, its pictures, its questions.

    >>> chapter("scsi_deadlock")
    Chapter 12, Two locks, two orders. Type ch? for what it has.
    """
    from vmteach.lab.chapter import Chapter

    return Chapter(stem)


def progress() -> "Progress":
    """What has been done so far, over all chapters."""
    from vmteach.lab.progress import progress

    return progress()
