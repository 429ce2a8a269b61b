"""The questions for learning platforms: nothing is lost, and the platforms' own parsers read them."""

import zipfile
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmteach.exercises import chapter
from vmteach.lab.questions import Item, gift, items, main, markdown, qti
from vmteach.patches import STEMS

EVERY = [item for stem in STEMS for item in items(stem)]


@pytest.mark.parametrize("stem", STEMS)
def test_every_prediction_question_and_goal_is_there(stem):
    module = chapter(stem)
    assert len(items(stem)) == len(module.PREDICTIONS) + len(module.RECALL) + len(module.GOALS)
    for item in items(stem):
        assert sum(right for _, _, right in item.choices) == (1 if item.choices else 0)
        assert len(dict(item.numbers)) == len(item.numbers)


def parsed(text: str):
    parser = pytest.importorskip("pygiftparser.parser", reason="this test needs pygiftparser: make test-newest")
    return parser.parseFile(iter([*text.splitlines(keepends=True), "\n"]))


def test_moodles_format_is_read_by_a_parser_of_others():
    questions = list(parsed(gift(EVERY) + "\n"))
    assert len(questions) == len(EVERY)
    for question, item in zip(questions, EVERY):
        assert question.title.replace("\\", "") == item.name
        if item.choices:
            assert len(question.answers.answers) == len(item.choices)


@given(st.text(alphabet="ab ~=#{}:\\`*<&\n", max_size=40), st.text(alphabet="xy ~=#{}:\\", min_size=1, max_size=10))
def test_no_text_ends_a_question_early(asks, option):
    text = gift([Item("n", "q" + asks, ((option, "f" + asks, True), ("other", "", False)))])
    bare = text.replace("\\\\", "").replace("\\~", "").replace("\\=", "").replace("\\#", "")
    bare = bare.replace("\\{", "").replace("\\}", "").replace("\\:", "")
    assert (bare.count("{"), bare.count("}"), bare.count("~"), bare.count("#")) == (1, 1, 1, 2)


def test_canvas_gets_a_package_with_every_question(tmp_path):
    pytest.importorskip("text2qti", reason="this test needs text2qti: make test-newest")
    file = tmp_path / "vmteach.zip"
    qti(EVERY, file)
    with zipfile.ZipFile(file) as package:
        documents = [ElementTree.fromstring(package.read(name)) for name in package.namelist() if name.endswith(".xml")]
    found = [node for tree in documents for node in tree.iter() if node.tag.endswith("}item")]
    assert len(found) == len(EVERY)
    assert {node.get("title") for node in found} == {item.name for item in EVERY}


def test_the_text_for_canvas_says_which_is_right():
    choice = Item("one", "Which?", (("a", "no", False), ("b", "yes", True)))
    text = markdown([choice, Item("two", "How many?", numbers=((6, "So."), (4, "x")))])
    assert "*b)  b" in text and "=   6 +- 0.12" in text and "4: x" in text


def test_the_command_writes_and_names_what_is_wrong(tmp_path, capsys):
    assert main(["--gift", str(tmp_path / "q.gift"), "ncpfs"]) == 0
    assert (tmp_path / "q.gift").read_text(encoding="utf-8").startswith("::ncpfs prediction")
    assert main(["--gift", str(tmp_path / "q.gift"), "nothing"]) == 2
    assert "chapter must be one of" in capsys.readouterr().err
