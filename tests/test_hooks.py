"""The stored pictures of the chapters' openings are those of today's scenes, and stand alone."""

import importlib.util
import re
from pathlib import Path

import pytest

from vmteach.figures.titles import title

ROOT = Path(__file__).parent.parent
spec = importlib.util.spec_from_file_location("hooks", ROOT / "scripts" / "hooks.py")
hooks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hooks)
HOOKS = hooks.hooks()
MEND = "run python scripts/hooks.py"


@pytest.mark.parametrize("path", HOOKS, ids=lambda path: path.stem)
def test_a_hook_was_drawn_from_todays_scene(path):
    assert hooks.stored(path) == hooks.plain(HOOKS[path]), f"{path.name} is stale or missing: {MEND}"
    text = path.read_text(encoding="utf-8")
    said = re.search(r"<title[^>]*>(.*?)</title>", text)[1]
    assert said.replace("&amp;", "&") == title(HOOKS[path])
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "") and "<script" not in text


def test_there_is_no_hook_without_a_scene():
    assert {path.name for path in hooks.FOLDER.glob("*.svg")} <= {path.name for path in HOOKS}
