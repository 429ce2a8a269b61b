"""Words in a cell, and what an edition for students hides."""

from os import environ

from vmteach.exercises import Goal, card, marked
from vmteach.run import Record

HIDDEN = "This edition shows no solutions."
QUIET = "#595959"


def hidden() -> bool:
    """Whether solutions are not to be seen: VMTEACH_SOLUTIONS is "hidden", as a student's edition has it."""
    return environ.get("VMTEACH_SOLUTIONS") == "hidden"


def told(goal: Goal) -> Record:
    """A goal as a page shows it."""
    hints = [marked(hint) for hint in goal.hints]
    return {"html": marked(goal.asks), "hints": hints, "reason": "" if hidden() else marked(goal.reason)}


class Note:
    """Some words, as text and as HTML."""

    def __init__(self, text: str, html: str = "", colour: str = QUIET) -> None:
        self.text, self._html = text, html or card(f"<p>{marked(text)}</p>", colour, 'role="status"')

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self._html
