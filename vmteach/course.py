"""The course as a table: each entry's chapter, its one-line claim, and what to read before it.

source      the twelve entries of the announcement, in its order (vmteach/patches)
left out    minutes and objectives: the chapters' own cards say them
"""

from typing import NamedTuple

from vmteach.patches import STEMS


class Chapter(NamedTuple):
    """One chapter: `needs` are stems of chapters to read before it."""

    stem: str
    title: str
    idea: str
    needs: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        return STEMS.index(self.stem) + 1

    @property
    def notebook(self) -> str:
        """The file in notebooks/.

        >>> CHAPTERS["blkdev_eof"].notebook
        '01_blkdev_eof.ipynb'
        """
        return f"{self.number:02d}_{self.stem}.ipynb"


_ROWS = (
    Chapter("blkdev_eof", "The last block of a device", "Four layers disagree about where a disk ends."),
    Chapter("csum_trail", "The byte after the buffer", "A load touches one byte too many.", ("blkdev_eof",)),
    Chapter("elf_interp", "The point of no return", "A check that comes too late kills the caller."),
    Chapter(
        "extraversion", "The craft of a patch set", "A diff of two directories, and what it hides.", ("csum_trail",)
    ),
    Chapter("mremap", "Moving a mapping", "A length of zero, a return value ignored."),
    Chapter("ncpfs", "A name on the stack", "An array as long as the caller likes.", ("blkdev_eof",)),
    Chapter("rawio", "Half of the pages", "A part is taken for the whole.", ("shm_big_iron", "blkdev_eof")),
    Chapter("shm_big_iron", "Swapping shared memory", "One request moves gigabytes."),
    Chapter("mremap_race", "The entry that went away", "A look-up goes stale.", ("mremap", "scsi_deadlock")),
    Chapter("nfs_directio", "Beyond four gigabytes", "A shift in too small a type."),
    Chapter(
        "overflow_buffers",
        "A proof that leans on another file",
        "A proof depends on a line in another file.",
        ("nfs_directio",),
    ),
    Chapter("scsi_deadlock", "Two locks, two orders", "Of all orders of steps, some hang."),
)

CHAPTERS: dict[str, Chapter] = {chapter.stem: chapter for chapter in _ROWS}


def levels() -> list[list[Chapter]]:
    """The chapters by how many must be read before them: a chapter stands right of all that it needs.

    >>> [level[0].title for level in levels()[:2]]
    ['The last block of a device', 'The byte after the buffer']
    """

    def depth(stem: str) -> int:
        return 1 + max((depth(need) for need in CHAPTERS[stem].needs), default=-1)

    deepest = max(map(depth, CHAPTERS))
    return [[c for c in CHAPTERS.values() if depth(c.stem) == d] for d in range(deepest + 1)]
