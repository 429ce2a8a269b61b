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
    Chapter("blkdev_eof", "The last block of a device", "four layers that disagree about an end"),
    Chapter("csum_trail", "The byte after the buffer", "a read that touches one byte too many", ("blkdev_eof",)),
    Chapter("elf_interp", "The point of no return", "check before you burn the bridge"),
    Chapter("extraversion", "The craft of a patch set", "what a diff of two directories tells", ("csum_trail",)),
    Chapter("mremap", "Moving a mapping", "a length of zero, an answer unread"),
    Chapter("ncpfs", "A name on the stack", "an array as long as the caller likes", ("blkdev_eof",)),
    Chapter("rawio", "Half of the pages", "a part that is taken for the whole", ("shm_big_iron", "blkdev_eof")),
    Chapter("shm_big_iron", "Swapping shared memory", "one request that moves gigabytes"),
    Chapter("mremap_race", "The entry that went away", "a look-up that is stale", ("mremap", "scsi_deadlock")),
    Chapter("nfs_directio", "Beyond four gigabytes", "a shift in too small a type"),
    Chapter(
        "overflow_buffers",
        "A proof that leans on another file",
        "finding the line on which a proof depends",
        ("nfs_directio",),
    ),
    Chapter("scsi_deadlock", "Two locks, two orders", "every interleaving, and one that hangs"),
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
