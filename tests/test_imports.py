"""docs/imports.svg is what the code says, and can be read without seeing it."""

import importlib.util
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location("imports_script", ROOT / "scripts" / "imports.py")
script = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(script)

SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_is_drawn_from_the_code_as_it_is():
    kept = (ROOT / "docs" / "imports.svg").read_text(encoding="utf-8")
    assert kept == script.drawn(script.read_edges()), "run: python scripts/imports.py"


def test_every_part_has_a_box_and_every_arrow_is_in_the_words():
    edges = script.read_edges()
    root = ET.fromstring(script.drawn(edges))
    assert {text.text for text in root.iter(f"{SVG}text")} == set(edges)
    shown = script.reduced(edges)
    assert len(list(root.iter(f"{SVG}polyline"))) == sum(map(len, shown.values()))
    for name, found in shown.items():
        assert not found or f"{name} imports {', '.join(sorted(found))}." in root.get("aria-label")


def test_leaving_arrows_out_loses_no_way():
    edges = script.read_edges()
    shown = script.reduced(edges)
    for name in edges:
        assert script.reach(shown, name) == script.reach(edges, name)


def test_a_new_import_changes_the_picture(tmp_path):
    package, notebooks = tmp_path / "vmteach", tmp_path / "notebooks"
    package.mkdir()
    notebooks.mkdir()
    (package / "low.py").write_text("")
    (package / "high.py").write_text("")
    before = script.read_edges(package, notebooks)
    (package / "high.py").write_text("def f():\n    from vmteach import low\n")
    after = script.read_edges(package, notebooks)
    assert (before["high"], after["high"]) == (set(), {"low"})
    assert script.drawn(before) != script.drawn(after)


def test_what_only_a_type_checker_imports_is_no_import():
    assert list(script.imported("if TYPE_CHECKING:\n    from vmteach.lru import Reclaim\n")) == []


def test_a_circle_is_an_error():
    with pytest.raises(ValueError, match="circle through a"):
        script.reduced({"a": {"b"}, "b": {"a"}})


def test_boxes_do_not_overlap_and_arrows_pass_behind_none():
    root = ET.fromstring(script.drawn(script.read_edges()))
    boxes = [[float(r.get(k)) for k in ("x", "y", "width", "height")] for r in root.iter(f"{SVG}rect") if r.get("x")]
    for i, (x, y, w, _) in enumerate(boxes):
        for other in boxes[i + 1 :]:
            assert other[1] != y or other[0] >= x + w or other[0] + other[2] <= x
        for line in root.iter(f"{SVG}polyline"):
            points = [tuple(map(float, p.split(","))) for p in line.get("points").split()]
            upright = [(a, b) for a, b in zip(points, points[1:]) if a[1] == y and b[1] > y]
            assert all(not x < a[0] < x + w for a, _ in upright)
