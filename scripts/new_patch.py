"""Begin a chapter: copy the plainest one under a new stem. `make new-patch NAME=my_patch`

    python scripts/new_patch.py my_patch

What is copied is blkdev_eof: model, picture, exercises, their bank of answers, tests, notebook. Its stem is replaced by
the new one and nothing else is: it still tells of block devices, and tests/test_contract.py names each file that is
still as it was copied. A file that is there already is never written over.
"""

import importlib.util
import json
import keyword
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLAINEST = "blkdev_eof"

PARTS = {
    "vmteach/patches/{stem}.py": "the model: what goes in, what the patch changed, what happened",
    "vmteach/figures/{stem}.py": "its picture",
    "vmteach/exercises/{stem}.py": "exercises, goals and questions",
    "tests/bank/{stem}.py": "answers with the verdicts that they must get",
    "tests/test_{stem}.py": "the claim, the facts, the invariants, a second way to the answer",
    "notebooks/{number:02d}_{stem}.ipynb": "the chapter",
}

NEXT = """\
It does not count as a chapter yet: tests/test_contract.py accepts only the stems in vmteach/patches/__init__.py. The
steps, as CONTRIBUTING.md numbers and tells them:

1. The row: "{stem}" as the last of STEMS in vmteach/patches/__init__.py; a row in vmteach/course.py;
   data/changelog_RELEASE.csv and its line in SHAPES of vmteach/tables.py, and in data/README.md.
2. The facts: what the kernel did before and after, each with its source, before any code.
3. The model, 4. its tests, 5. its picture, 6. exercises and their bank, 7. the chapter: the copies, each written anew.
8. The pages: README.md, CHANGELOG.md, docs/teachers.md, notebooks/00_start_here.ipynb, docs/words.txt.

    make test TESTFLAGS="tests/test_contract.py -k {stem}"

says at each step what is missing, and which file is still a copy. From step 3 until step 7 is done, `make test` as a
whole stops while it collects, since the copies speak of the old model: name the tests."""


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
    print(NEXT.format(stem=stem))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
