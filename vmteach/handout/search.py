"""Search over pages without a server: their words stand in search.html, and its script looks through them."""

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from vmteach.handout.front import plain_page, title_of
from vmteach.handout.template import macros

INLINE = re.compile(r"</?(?:a|abbr|b|code|em|i|kbd|small|span|strong|sub|sup)\b[^>]*>")


def search(target: Path, files: Sequence[Path]) -> Path:
    """Write search.html: the words of these pages, and a field."""
    from vmteach.handout.page import as_json

    found = [one for file in files for one in sections(file)]
    body = macros("pages").search(as_json(found))
    return plain_page(target / "search.html", "Search", body, live=True)


def sections(file: Path) -> Iterable[dict[str, str]]:
    """What a search finds in a page: each section's address, heading and words."""
    main = re.search(r"<main.*?</main>", file.read_text(encoding="utf-8"), re.S)
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", main[0] if main else "", flags=re.S)
    text = text.partition('<section class="answers"')[0]
    parts = re.split(r'<h2[^>]*\bid="([^"]+)"[^>]*>(.*?)</h2>', text, flags=re.S)
    yield {"at": file.name, "title": title_of(file), "words": words(parts[0])}
    for key, heading, inside in zip(parts[1::3], parts[2::3], parts[3::3]):
        yield {"at": f"{file.name}#{key}", "title": f"{title_of(file)}: {words(heading)}", "words": words(inside)}


def words(text: str) -> str:
    """The words of HTML; what stands in a line stays together.

    >>> words("<p>the <b>inactive</b> list:</p><ul><li>a</li><li>b &lt; c</li></ul>")
    'the inactive list: a b < c'
    """
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", INLINE.sub("", text))).split())
