"""Recall: questions at the end of a chapter, to be answered without looking back."""

from vmteach.exercises import Verdict, card, chapter, marked, not_yet, right
from vmteach.lab import kept
from vmteach.lab.face import Face
from vmteach.lab.note import QUIET
from vmteach.run import Values, between


def recall(stem: str) -> "Recall":
    """The questions at the end of a chapter, to be answered without looking back.

    >>> questions = recall("scsi_deadlock")
    >>> len(questions.questions)
    3
    """
    return Recall(stem)


class Recall(Face):
    """Questions with options; `answer(question, option)`, both counted from 1, gives what there is to say."""

    def __init__(self, stem: str) -> None:
        self._stem, self.questions = stem, chapter(stem).RECALL
        shown = [
            {"html": marked(q.asks), "options": [[marked(o.text), marked(o.feedback), o.right] for o in q.options]}
            for q in self.questions
        ]
        super().__init__(spec={"kind": "recall", "questions": shown})
        self.observe(self._on_given, "given")

    def answer(self, question: int, option: int) -> Verdict:
        """The feedback on an option."""
        between("question", question, 1, len(self.questions))
        between("option", option, 1, len(self.questions[question - 1].options))
        chosen = self.questions[question - 1].options[option - 1]
        solved = chosen.right or bool(kept.entry(self._stem, "recall", str(question)).get("solved"))
        kept.keep(self._stem, "recall", str(question), count="tries", solved=solved)
        return (right if chosen.right else not_yet)(chosen.feedback)

    def __repr__(self) -> str:
        asked = (
            f"{i}. {q.asks}\n" + "\n".join(f"   {j}) {o.text}" for j, o in enumerate(q.options, 1))
            for i, q in enumerate(self.questions, 1)
        )
        return "\n".join(asked)

    def still(self, page: bool = False) -> str:
        asked = "".join(
            f"<p>{i}. {marked(q.asks)}</p><ul>{''.join(f'<li>{marked(o.text)}</li>' for o in q.options)}</ul>"
            for i, q in enumerate(self.questions, 1)
        )
        return card(asked, QUIET)

    def _on_given(self, change: Values) -> None:
        """The page has said what there is to say; it is kept here."""
        for question, option in change["new"].items():
            if question != "seq" and change["old"].get(question) != option:
                self.answer(int(question), int(option))
        self.said = {"seq": change["new"].get("seq", 0)}
