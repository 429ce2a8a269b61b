"""Titles and alt texts of panels, from what each picture says of its own kernel."""

import re
from collections.abc import Sequence

from vmteach.figures.data import LONGEST_TITLE, spellings
from vmteach.run import Values

Panels = Sequence[tuple[str, Values]]  # (label, Scene.data) each


def title(panels: Panels) -> str:
    """The sentence over some panels, (label, Scene.data) each: at most 90 characters where a spelling allows it.

    >>> title([("unpatched", {"clause": "writes 8 GiB"}), ("patched", {"clause": "writes none"})])
    'The unpatched kernel writes 8 GiB; the patched kernel writes none'
    >>> title([("unpatched", {"clause": "waits", "both": "wait"}), ("patched", {"clause": "waits"})])
    'Both kernels wait'
    """
    if own := panels[0][1].get("title"):
        return _fitting(spellings(own))
    clauses = [spellings(scene["clause"]) for _, scene in panels]
    rows = range(max(len(each) for each in clauses))
    for most in range(len(panels), 0, -1):  # of many kernels the last are only counted, until the sentence fits
        chosen = [[each[min(i, len(each) - 1)] for each in clauses[:most]] for i in rows]
        more = len(panels) - most
        said = _fitting([_sentence(panels[:most], each, i, more) for i, each in enumerate(chosen)])
        if len(said) <= LONGEST_TITLE:
            break
    return said


def _fitting(said: Sequence[str]) -> str:
    """The first that is short enough, or the last."""
    return next((words for words in said if len(words) <= LONGEST_TITLE), said[-1])


def _sentence(panels: Panels, clauses: Sequence[str], i: int, more: int = 0) -> str:
    """Each kernel's clause; kernels that say the same share one. Of `more` kernels nothing is said but that they are.

    >>> _sentence([("unpatched", {}), ("patched", {}), ("today", {})], ["stops", "run", "run"], 0, more=4)
    'The unpatched kernel stops; 2 others run; 4 more below'
    """
    names, said = _names(panels), list[str]()
    for clause in dict.fromkeys(clauses):
        who = [n for n, each in enumerate(clauses) if each == clause]
        if len(who) == 1:
            said.append(f"{names[who[0]]} {clause}".strip())
            continue
        both = spellings(panels[who[0]][1].get("both", clause))
        subject = _several(len(who), 0 if more else len(set(clauses)), first=not said)
        said.append(f"{subject} {both[min(i, len(both) - 1)]}")
    sentence = "; ".join([*said, f"{more} more below"] if more else said)
    return sentence[:1].upper() + sentence[1:]


def _names(panels: Panels) -> list[str]:
    """The kernels as subjects, without what their labels say in brackets where they differ without it."""
    short = [kernel(re.sub(r" \(.*", "", label)) for label, _ in panels]
    return short if len(set(short)) == len(short) else [kernel(label) for label, _ in panels]


def _several(count: int, kinds: int, first: bool) -> str:
    """Kernels that say the same, where `kinds` different things are said in all (0: not of all kernels)."""
    if kinds == 1:
        return f"{'both' if count == 2 else f'all {count}'} kernels"
    if first:
        return f"{count} kernels"
    return f"the other {count}" if kinds == 2 else f"{count} others"


def alt(panels: Panels) -> str:
    """The title, then what each panel shows with its numbers: what a reader hears who does not see the picture."""
    heads = [kernel(label).removeprefix("the ") if label else "" for label, _ in panels]
    told = [
        f"{head[:1].upper()}{head[1:]}: {scene['alt']}" if head else scene["alt"]
        for head, (_, scene) in zip(heads, panels)
    ]
    return " ".join([f"{title(panels)}.", *told])


def kernel(label: str) -> str:
    """A policy's label as the subject of a sentence.

    >>> kernel("patched (hole)"), kernel("today: a setting"), kernel("fix 1"), kernel("what if: no bit")
    ('the patched kernel (hole)', "today's kernel (a setting)", 'the kernel with fix 1', 'the what-if kernel (no bit)')
    """
    if not label:
        return ""
    name, _, rest = label.partition(": ") if ": " in label else label.partition(" (")
    suffix = f" ({rest.removesuffix(')')})" if rest else ""
    if name == "today":
        return f"today's kernel{suffix}"
    if re.match("unpatched$|patched$|later$|mainline|what if$", name):
        return f"the {name.replace('what if', 'what-if')} kernel{suffix}"
    return f"the kernel with {'the ' * label.startswith('fix of')}{label}"
