"""Pages of the library's own source, for who follows a link of a chapter and has no copy of the course at hand.

source      the files that notebooks and documents link to, and what those link to in turn
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vmteach.handout.front import plain_page
from vmteach.handout.template import macros
from vmteach.tables import COURSE, HERE

LINK = re.compile(r"\]\((?:\.\./)?((?:docs|data|vmteach)/[\w./-]+\.\w+)")


def place(path: str) -> Path:
    """Where a file of the course is, from its path in a checkout.

    >>> place("vmteach/kernel/reclaim/fates.py").is_file(), place("data/README.md").is_file()
    (True, True)
    """
    return (HERE.parent if path.startswith("vmteach/") else COURSE) / path


def linked(files: Iterable[Path]) -> list[str]:
    """The paths of what these files link to, and of what that links to, if it is there.

    >>> linked([COURSE / "notebooks" / "08_shm_big_iron.ipynb"])[-1]
    'vmteach/lab/claims.py'
    """
    found: set[str] = set()
    to_read = list(files)
    while to_read:
        text = to_read.pop().read_text(encoding="utf-8")
        new = {path for path in LINK.findall(text) if place(path).is_file()} - found
        found |= new
        to_read += [place(path) for path in new if path.endswith(".md")]
    return sorted(found)


def source_pages(target: Path, files: Iterable[Path]) -> list[Path]:
    """Write a page for each module that these files link to: code-fates.html."""
    return [source_page(target, path) for path in linked(files) if path.endswith(".py")]


def source_page(target: Path, path: str) -> Path:
    """Write the page of one module: a section a function."""
    from nbconvert.filters import Highlight2HTML

    from vmteach.handout.page import clean

    colour: Any = Highlight2HTML(pygments_lexer="python")  # type: ignore[no-untyped-call]
    name = path.rpartition("/")[2]
    coloured = [(part, clean(colour(text))) for part, text in parts(place(path).read_text(encoding="utf-8"))]
    contents = macros("parts").contents([(part, part) for part, _ in coloured if part], "In this file")
    return plain_page(
        target / f"code-{Path(path).stem}.html", name, macros("pages").source(name, path, coloured), contents
    )


def parts(source: str) -> Iterator[tuple[str, str]]:
    """A module's beginning under no name, then each function and class under its own, with what follows it.

    >>> [*parts("import re\\n\\n\\n@cache\\ndef f():\\n    pass\\n\\n\\nclass C:\\n    x = 1\\n")]
    [('', 'import re\\n'), ('f', '@cache\\ndef f():\\n    pass\\n'), ('C', 'class C:\\n    x = 1\\n')]
    """
    for part in re.split(r"\n{2,}(?=(?:@.*\n)*(?:def|class) )", source):
        found = re.match(r"(?:@.*\n)*(?:def|class) (\w+)", part)
        yield found[1] if found else "", part.rstrip("\n") + "\n"
