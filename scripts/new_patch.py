"""Begin a chapter: copy the plainest one under a new stem. `make new-patch NAME=my_patch`

    python scripts/new_patch.py my_patch

What is copied is blkdev_eof: model, picture, exercises, their bank of answers, tests, notebook. Its stem is replaced by
the new one and nothing else is: it still tells of block devices, and its changelog entry, 00_blkdev-eof-1, can be
searched for to see what is not yet written anew. A file that is there already is never written over.
"""

import importlib.util
import json
import keyword
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLAINEST = "blkdev_eof"
ENTRY = "blkdev-eof"  # as the changelog spells it

PARTS = {
    "vmteach/patches/{stem}.py": "the model: what goes in, what the patch changed, what happened",
    "vmteach/figures/{stem}.py": "its picture",
    "vmteach/exercises/{stem}.py": "exercises, goals and questions",
    "tests/bank/{stem}.py": "answers with the verdicts that they must get",
    "tests/test_{stem}.py": "the claim, the facts, the invariants, a second way to the answer",
    "notebooks/{number:02d}_{stem}.ipynb": "the chapter",
}

NEXT = """\
It does not count as a chapter yet: tests/test_contract.py accepts only the stems in vmteach/patches/__init__.py, and
fails until "{stem}" is one of them. In this order:

1. vmteach/patches/__init__.py: add "{stem}" as the last of STEMS; the notebook has number {number:02d} for that.
2. vmteach/course.py: a row for it: title, idea, what to read before.
3. data/changelog.csv: the line of the announcement, with the stem in its column; vmteach/tables.py counts its rows.
4. The facts: what the kernel did before and after, each with its source, before any code.
5. The copies, in the order above, each written anew. What still tells of the old chapter:
       grep -rn {entry} vmteach/patches/{stem}.py notebooks/{number:02d}_{stem}.ipynb
6. tests/test_notebooks.py and the tests of the course and of the data say what they count: let them count one more.
7. README.md's table and CHANGELOG.md.

    make test TESTFLAGS="tests/test_contract.py -k {stem}"

says at each step what is missing. CONTRIBUTING.md tells more."""


def stems(root: Path) -> tuple[str, ...]:
    """The stems that there are, from the file that lists them."""
    spec = importlib.util.spec_from_file_location("stems", root / "vmteach" / "patches" / "__init__.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return tuple(module.STEMS)


def why_not(stem: str, taken: tuple[str, ...]) -> str:
    """The line that says what is wrong with a stem, or nothing.

    >>> why_not("aio-poll", ())
    "a stem is a short name of small letters, digits and _, such as aio_poll; got 'aio-poll'"
    >>> why_not("mremap", ("mremap",))
    'mremap is a chapter already: choose another stem'
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", stem) or keyword.iskeyword(stem):
        return f"a stem is a short name of small letters, digits and _, such as aio_poll; got {stem!r}"
    return f"{stem} is a chapter already: choose another stem" if stem in taken else ""


def copy(stem: str, root: Path = ROOT) -> list[Path]:
    """Make the files of a new chapter; all of them, or none."""
    taken = stems(root)
    if refusal := why_not(stem, taken):
        raise ValueError(refusal)
    made: dict[Path, str] = {}
    for pattern in PARTS:
        old = root / pattern.format(stem=PLAINEST, number=taken.index(PLAINEST) + 1)
        new = root / pattern.format(stem=stem, number=len(taken) + 1)
        if new.exists():
            raise ValueError(f"{new.relative_to(root)} is there already: choose another stem, or take it away")
        made[new] = renamed(old.read_text(encoding="utf-8"), stem)
    for path, text in made.items():
        if path.suffix == ".ipynb":
            json.loads(text)  # still a notebook
        path.write_text(text, encoding="utf-8")
    return list(made)


def renamed(text: str, stem: str) -> str:
    """The text with the new stem in the old one's place, where it is a whole word.

    >>> renamed("from vmteach.patches import blkdev_eof  # 00_blkdev-eof-1", "aio")
    'from vmteach.patches import aio  # 00_blkdev-eof-1'
    """
    return re.sub(rf"(?<![A-Za-z0-9_]){PLAINEST}(?![A-Za-z0-9_])", stem, text)


def main(stem: str = "", *more: str) -> int:
    """Copy, and say what is to be done next."""
    if not stem or more:
        print("One name, please: make new-patch NAME=my_patch")
        return 2
    try:
        made = copy(stem)
    except (ValueError, OSError) as wrong:
        print(wrong)
        return 1
    for path, what in zip(made, PARTS.values()):
        print(f"{path.relative_to(ROOT).as_posix():44}{what}")
    print()
    print(NEXT.format(stem=stem, number=len(stems(ROOT)) + 1, entry=ENTRY))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
