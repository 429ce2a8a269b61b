"""Watch it happen: a small case of a chapter, step by step, unpatched and patched side by side.

The stories are stored in the widget, so that none of its steps needs the kernel; answers to its questions are kept.
"""

from html import escape
from types import ModuleType

from vmteach.exercises import card
from vmteach.figures.story import Story, sentences, stories
from vmteach.lab import kept
from vmteach.lab.face import Face
from vmteach.lab.note import QUIET
from vmteach.run import Record, Values


def watch(stem: str, figure: ModuleType, scenario: object = None) -> "StoryFace":
    """The stories of a chapter; with a scenario, a new one of that case. ValueError if the chapter has none."""
    if not hasattr(figure, "story"):
        raise ValueError(f"watch needs a chapter with a story, got {stem}")
    if scenario is None:
        return StoryFace(stem, stories(figure))
    story: Story = figure.story(scenario)
    return StoryFace(stem, [{**story.data, "name": "this case"}])


class StoryFace(Face):
    """Stories to step through: `stories` is what the page plays, `text` says every step in words."""

    def __init__(self, stem: str, told: list[Record]) -> None:
        self.stem, self.stories = stem, told
        answers = {question: facts.get("choice") for question, facts in kept.entries(stem, "stories").items()}
        super().__init__(script="story", spec={"kind": "story", "stories": told}, given={"answers": answers})
        self.observe(self._on_given, "given")

    @property
    def text(self) -> str:
        """The first story in words: its title, then a sentence a step and kernel."""
        story = self.stories[0]
        said = (f"{n}. {words}" for n, words in enumerate(sentences(story), 1))
        return "\n".join([f"Watch it happen: {story['title']}", *said])

    def __repr__(self) -> str:
        return self.text

    def still(self, page: bool = False) -> str:
        items = "".join(f"<li>{escape(said)}</li>" for said in sentences(self.stories[0]))
        title = escape(self.text.partition("\n")[0])
        return card(f"<p><strong>{title}</strong></p><ol>{items}</ol>", QUIET)

    def _on_given(self, change: Values) -> None:
        """An answer to a question of the story is kept as a prediction is."""
        question, choice = change["new"].get("question"), change["new"].get("choice")
        if question:
            kept.keep(self.stem, "stories", str(question), count="tries", choice=int(choice))
        self.said = {"seq": change["new"].get("seq", 0)}
