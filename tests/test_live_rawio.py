"""The experiment on the reader's own kernel: what it answers here, and that it answers in words elsewhere."""

import subprocess
import sys

import pytest

from vmteach.live import rawio as live_rawio
from vmteach.live.rawio import PAGES, Read, read_into_a_hole


def test_the_kernel_answers_or_the_reason_is_told():
    answer = read_into_a_hole()
    if not answer.ran:
        assert len(answer.why) > 10
        pytest.skip(answer.why)
    rows = {(row.how, row.mapped): row for row in answer.rows}
    full = rows["direct", 8].result
    assert full == rows["direct", 8].right == rows["cached", 8].result and full % PAGES == 0
    for row in answer.rows:
        assert isinstance(row, Read) and row.wanted == PAGES
        assert row.result <= row.mapped * full // PAGES  # never more than the pages that are there
        assert row.right == row.mapped * full // PAGES or row.result < 0
    assert {rows[how, 0].errno for how in ("direct", "cached")} == {"EFAULT"}
    assert rows["cached", 3].result == 3 * full // PAGES


def test_elsewhere_it_says_why_not(monkeypatch):
    monkeypatch.setattr(sys, "platform", "sunos")
    assert read_into_a_hole() == live_rawio.read_into_a_hole()
    assert (read_into_a_hole().ran, read_into_a_hole().why) == (False, "this needs Linux, and here is sunos")


def outcome(result):
    def run(*args, **kwargs):
        if isinstance(result, Exception):
            raise result
        return result

    return run


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (subprocess.TimeoutExpired("x", 1), "the experiment was stopped after 10 seconds"),
        (OSError(1, "Operation not permitted"), "no child process could be started: Operation not permitted"),
        (subprocess.CompletedProcess([], -9, "", "killed"), "the child process ended with -9: killed"),
        (subprocess.CompletedProcess([], 0, '{"why": "no file"}', ""), "no file"),
    ],
)
def test_what_goes_wrong_is_told_in_words(monkeypatch, result, words):
    if not sys.platform.startswith("linux"):
        pytest.skip("this needs Linux")
    monkeypatch.setattr(live_rawio.subprocess, "run", outcome(result))
    answer = read_into_a_hole()
    assert (answer.ran, answer.why, answer.rows) == (False, words, ())
