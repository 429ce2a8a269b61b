"""Write the parts of README.md that are computed: `python scripts/readme.py`.

They stand between comments such as <!-- verdicts --> and <!-- end of verdicts -->: the verdicts on the claims, and
what the frames of the moving picture show. tests/test_readme.py computes them again.
"""

import csv
import json
import re
from collections import Counter
from pathlib import Path

from PIL import Image

from vmteach import claims
from vmteach.course import CHAPTERS

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
MOVING = ROOT / "docs" / "chapters.gif"


def rows(name: str) -> list[dict[str, str]]:
    """A table of data/."""
    return list(csv.DictReader((ROOT / "data" / name).read_text(encoding="utf-8").splitlines()))


def found() -> list[claims.Verdict]:
    """The verdict on each claim, computed now."""
    return claims.verdicts(rows("claims.csv"), [int(row["swpd"]) for row in rows("vmstat_storm.csv")])


def verdicts() -> str:
    """The verdicts: a line that counts them, and a fold with all."""
    table = found()
    count = Counter(verdict.verdict for verdict in table)
    shares = ", ".join(f"{count[kind]} {kind}" for kind in (claims.REPRODUCED, claims.PARTLY, claims.NOT))
    lines = ["| | claim | the model gives | verdict |", "|---|---|---|---|"]
    lines += [f"| {v.id} | {v.claim} | {given(v)} | {v.verdict} |" for v in table]
    return (
        f"**{len(table)} claims: {shares}.**\n\n<details><summary>Each claim, what the model gives, and the verdict"
        f"</summary>\n\n" + "\n".join(lines) + "\n\n</details>"
    )


def given(verdict: claims.Verdict) -> str:
    """What the model gives, with its unit and the remark.

    >>> given(claims.Verdict("C0", "", 8.0, "GiB", "partly", "on 16 GB"))
    '8 GiB; on 16 GB'
    """
    number = f"{verdict.model:,.2f}".rstrip("0").rstrip(".")
    return "; ".join(filter(None, (f"{number} {verdict.unit}".strip(), verdict.remark)))


def notes() -> list[dict[str, object]]:
    """What each frame of the moving picture shows, from its comment."""
    with Image.open(MOVING) as moving:
        return list(json.loads(moving.info["comment"]))


def frames() -> str:
    """The frames as a numbered list, in a fold."""
    lines = []
    for place, note in enumerate(notes(), 1):
        chapter = CHAPTERS[str(note["stem"])]
        says = f" {note['finding']}" if "finding" in note else ""
        lines.append(f"{place}. {chapter.title} (chapter {chapter.number}). {note['words']}.{says}")
    return (
        "<details><summary>What the picture shows, frame by frame</summary>\n\n" + "\n".join(lines) + "\n\n</details>"
    )


def put(page: str, name: str, text: str) -> str:
    """The page with a part written anew.

    >>> put("a <!-- x -->old<!-- end of x --> b", "x", "new").split()
    ['a', '<!--', 'x', '-->', 'new', '<!--', 'end', 'of', 'x', '-->', 'b']
    """
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    part = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if len(part.findall(page)) != 1:
        raise ValueError(f"README.md must have {begin} and {end} once")
    return part.sub(lambda _: f"{begin}\n{text}\n{end}", page)


def written(page: str) -> str:
    """The page as it has to be."""
    return put(put(page, "verdicts", verdicts()), "frames", frames())


def write() -> None:
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
