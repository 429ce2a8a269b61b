"""Names on this system, and words where they cannot be tried."""

import os
import subprocess

import pytest

from vmteach.live.names import try_names


@pytest.mark.live
def test_today_a_name_of_256_bytes_is_refused():
    answer = try_names(60)
    if not answer.ran:
        assert len(answer.why) > 10
        pytest.skip(answer.why)
    limit = int(answer.why.split()[-2])
    assert [row.errno for row in answer.rows if row.bytes <= limit] == [""] * sum(r.bytes <= limit for r in answer.rows)
    assert {row.errno for row in answer.rows if row.bytes > limit} <= {"ENAMETOOLONG"}
    assert [(row.letters, row.bytes) for row in answer.rows if row.name == "é"] == [(127, 254), (128, 256)]


def test_elsewhere_it_says_why_not(monkeypatch):
    monkeypatch.setattr(os, "name", "nt")
    assert not try_names().ran
    assert try_names().why.startswith("this needs Linux or another Unix, and here is ")


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
    monkeypatch.setattr(subprocess, "run", outcome(result))
    answer = try_names(1)
    assert (answer.ran, answer.why) == (False, words)
