"""Write the pictures of README.md: `python scripts/pictures.py` in the project's environment."""

from pathlib import Path

from vmteach.figures import draw
from vmteach.figures import shm_big_iron as figure
from vmteach.patches import shm_big_iron as patch

DOCS = Path(__file__).resolve().parent.parent / "docs"


def main() -> None:
    """The flagship's picture: the list ribbons before and after."""
    runs = {label: patch.simulate(patch.Scenario(), patch.POLICIES[label]) for label in ("before", "after")}
    (DOCS / "flagship.png").write_bytes(draw(figure, runs).png())


if __name__ == "__main__":
    main()
