"""The words of the course's prose that docs/words.txt does not have. `python scripts/words.py [--add]`

docs/words.txt holds every word that the Markdown pages and the notebooks use, each read once by somebody. It is no
dictionary: a word that is right and new is printed too, with where it stands. Look at each; `--add` then adds them all.
A slip that makes another listed word (`form` for `from`) is not seen: that still needs a reader.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "docs" / "words.txt"

# Not prose: fences, indented code, tags, formulas, code in backticks, where links lead to, addresses.
NOT_PROSE = re.compile(
    r"^```.*?^```|^ {4,}\S[^\n]*$|<!--.*?-->|<style.*?</style>|<[^>]+>|\$\$.*?\$\$|\$[^$\n]+\$|`[^`]*`"
    r"|\]\([^)\s]*\)|https?://\S+",
    re.MULTILINE | re.DOTALL,
)
# Letters, with an apostrophe inside, straight or curved; not a part of a path, of a name with _ or of a file's name.
WORD = re.compile(r"(?<![\w./\\_-])[^\W\d_]+(?:['\u2019][a-z]+)?(?![\w_/]|\.\w)")


def pages(root: Path = ROOT) -> list[Path]:
    """The Markdown files that a reader is shown."""
    return [*sorted(root.glob("*.md")), *sorted(root.glob("docs/*.md")), *sorted(root.glob("data/*.md"))]


def texts(root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """Each page and each text cell of a notebook: where it stands, and its Markdown."""
    for path in pages(root):
        yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
    for path in sorted(root.glob("notebooks/*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                yield f"{path.relative_to(root).as_posix()} [{cell['id']}]", "".join(cell["source"])


def words(text: str) -> list[str]:
    """The words of some Markdown, in small letters, without the 's of a genitive.

    >>> words("The *kernel's* `shmem` pages, [see](../docs/x.md) 4 KiB.")
    ['the', 'kernel', 'pages', 'see', 'kib']
    """
    found = WORD.findall(NOT_PROSE.sub(" ", text))
    return [word.lower().replace("\u2019", "'").removesuffix("'s") for word in found]


def listed(path: Path = LIST) -> set[str]:
    """The words that somebody has read."""
    return set(path.read_text(encoding="utf-8").split())


def unknown(root: Path = ROOT) -> dict[str, str]:
    """Each word that is not listed, with the first place where it stands."""
    known = listed(root / "docs" / "words.txt")
    found: dict[str, str] = {}
    for where, text in texts(root):
        for word in words(text):
            if word not in known:
                found.setdefault(word, where)
    return found


def main(option: str = "") -> int:
    """Print the words that are not listed; with --add list them."""
    new = unknown()
    for word, where in sorted(new.items()):
        print(f"{word:24}{where}")
    if option == "--add":
        LIST.write_text("".join(f"{word}\n" for word in sorted(listed() | new.keys())), encoding="utf-8")
        return 0
    return bool(new)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
