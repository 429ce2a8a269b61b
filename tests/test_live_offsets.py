"""Offsets beyond 4 GiB on this kernel, and words where it cannot be tried."""

import subprocess
import sys

import pytest

from vmteach import live_offsets
from vmteach.live_offsets import GIB, OFFSETS, write_beyond


@pytest.mark.live
def test_today_every_block_is_where_it_was_put():
    answer = write_beyond(60)
    if not answer.ran:
        assert len(answer.why) > 10
        pytest.skip(answer.why)
    assert [row.offset for row in answer.rows] == [*OFFSETS, *OFFSETS]
    assert {row.back for row in answer.rows} == {"true data"}
    assert {row.lower for row in answer.rows if row.offset >= 4 * GIB} == {"untouched"}
    assert {row.result for row in answer.rows} == {4096}


def test_a_wrong_kernel_would_be_seen(tmp_path, monkeypatch):
    """A kernel that keeps the lower 32 bits of an offset, played by the child's own calls."""
    real_write, real_read = live_offsets.os.pwritev, live_offsets.os.preadv
    monkeypatch.setattr(live_offsets.os, "pwritev", lambda fd, data, at: real_write(fd, data, at % (4 * GIB)))
    path = tmp_path / "sparse"
    path.touch()
    rows = {row.offset: row for row in live_offsets._writes(str(path), "cached", 0)}
    assert rows[4 * GIB].back == "other data" and rows[4 * GIB].lower == "overwritten"
    assert real_read is live_offsets.os.preadv


def test_elsewhere_it_says_why_not(monkeypatch):
    monkeypatch.setattr(sys, "platform", "sunos")
    assert (write_beyond().ran, write_beyond().why) == (False, "this needs Linux, and here is sunos")


def outcome(result):
    def run(*args, **kwargs):
        if isinstance(result, Exception):
            raise result
        return result

    return run


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (subprocess.TimeoutExpired("x", 1), "the experiment was stopped after 1 seconds"),
        (OSError(2, "no such file"), "no child process could be started: no such file"),
        (subprocess.CompletedProcess([], 3, "", "oh"), "the child process ended with 3: oh"),
        (subprocess.CompletedProcess([], 0, '{"why": "no room"}', ""), "no room"),
    ],
)
def test_what_goes_wrong_is_told(monkeypatch, result, words):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(subprocess, "run", outcome(result))
    answer = write_beyond(1)
    assert (answer.ran, answer.why) == (False, words)
