"""Watch it happen: a small case of a chapter, step by step, unpatched and patched side by side.

The stories are stored in the widget, so that none of its steps needs the kernel; answers to its questions are kept.
"""

from html import escape
from types import ModuleType

from vmteach.exercises import card
from vmteach.figures.story import Story, stories
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
        lines = [f"Watch it happen: {story['title']}"]
        for n, step in enumerate(story["steps"], 1):
            says = {track["frames"][i]["say"]: track["name"] for track, i in zip(story["tracks"], step)}
            lines.append(f"{n}. " + " ".join(f"{name}: {say}" if len(says) > 1 else say for say, name in says.items()))
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.text

    def still(self, page: bool = False) -> str:
        title, *steps = self.text.split("\n")
        items = "".join(f"<li>{escape(step.split('. ', 1)[1])}</li>" for step in steps)
        return card(f"<p><strong>{escape(title)}</strong></p><ol>{items}</ol>", QUIET)

    def _on_given(self, change: Values) -> None:
        """An answer to a question of the story is kept as a prediction is."""
        question, choice = change["new"].get("question"), change["new"].get("choice")
        if question:
            kept.keep(self.stem, "stories", str(question), count="tries", choice=int(choice))
        self.said = {"seq": change["new"].get("seq", 0)}
