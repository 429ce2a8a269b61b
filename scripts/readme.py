"""Write the parts of README.md that are computed: `python scripts/readme.py`.

They stand between comments such as <!-- verdicts --> and <!-- /verdicts -->: the verdicts on the claims, and
what the frames of the moving picture show. tests/test_readme.py computes them again.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Sequence
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


def count(table: Sequence[claims.Verdict]) -> str:
    """How many claims there are of each verdict.

    >>> count([claims.Verdict("C1", "", 0, "", "partly", ""), claims.Verdict("C2", "", 0, "", "reproduced", "")])
    'of 2 claims 1 is reproduced, 1 partly, 0 not'
    """
    seen = Counter(verdict.verdict for verdict in table)
    most, some, none = (seen[kind] for kind in (claims.REPRODUCED, claims.PARTLY, claims.NOT))
    return f"of {len(table)} claims {most} {'is' if most == 1 else 'are'} reproduced, {some} partly, {none} not"


def verdicts(table: Sequence[claims.Verdict]) -> str:
    """All verdicts in a fold."""
    lines = [f"| {v.id} | {v.claim} | {given(v)} | {v.verdict} |" for v in table]
    head = ["| | claim | the model gives | verdict |", "|---|---|---|---|"]
    return fold("Each claim, what the model gives, and the verdict", [*head, *lines])


def fold(summary: str, lines: Sequence[str]) -> str:
    """Lines of Markdown that are shown on request."""
    return "\n".join(("", f"<details><summary>{summary}</summary>", "", *lines, "", "</details>", ""))


def given(verdict: claims.Verdict) -> str:
    """What the model gives, with its unit and the remark.

    >>> given(claims.Verdict("C0", "", 8.0, "GiB", "partly", "on 16 GB"))
    '8 GiB; on 16 GB'
    >>> given(claims.Verdict("C0", "", 0.25, "pages freed per page of the run", "not", ""))
    'pages freed per page of the run: 0.25'
    """
    number, unit = f"{verdict.model:,.2f}".rstrip("0").rstrip("."), verdict.unit
    measured = f"{unit}: {number}" if " per " in unit or " of " in unit else f"{number} {unit}".strip()
    return "; ".join(filter(None, (measured, verdict.remark)))


def notes() -> list[dict[str, object]]:
    """What each frame of the moving picture shows, from its comment."""
    with Image.open(MOVING) as moving:
        return list(json.loads(moving.info["comment"]))


def frames() -> str:
    """The frames as a numbered list, in a fold."""
    lines = []
    for place, note in enumerate(notes(), 1):
        chapter, words = CHAPTERS[str(note["stem"])], str(note["words"])
        says = f" *{note['finding']}*" if "finding" in note else ""
        stop = "" if words.endswith("?") else "."
        lines.append(f"{place}. {chapter.title} (chapter {chapter.number}). {words}{stop}{says}")
    return fold("What the picture shows, frame by frame", lines)


def put(page: str, name: str, text: str) -> str:
    """The page with a part written anew.

    >>> put("a <!-- x -->old<!-- /x --> b", "x", "new")
    'a <!-- x -->new<!-- /x --> b'
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    part = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if len(part.findall(page)) != 1:
        raise ValueError(f"README.md must have {begin} and {end} once")
    return part.sub(lambda _: f"{begin}{text}{end}", page)


def written(page: str) -> str:
    """The page as it has to be."""
    table = found()
    for name, text in (("count", count(table)), ("verdicts", verdicts(table)), ("frames", frames())):
        page = put(page, name, text)
    return page


def write() -> None:
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
