"""Offsets beyond 4 GiB on this kernel, and words where it cannot be tried."""

import sys

import pytest

from vmteach.live import offsets as live_offsets
from vmteach.live.offsets import GIB, OFFSETS, write_beyond


@pytest.mark.live
def test_today_every_block_is_where_it_was_put():
    answer = write_beyond(60)
    if not answer.ran:
        assert len(answer.why) > 10
        pytest.skip(answer.why)
    assert [row.offset for row in answer.rows] in ([*OFFSETS, *OFFSETS], [*OFFSETS])
    assert {row.back for row in answer.rows} == {"true data"}
    assert {row.offset >= 4 * GIB: row.lower for row in answer.rows} == {False: "no such place", True: "untouched"}
    assert {row.result for row in answer.rows} == {4096}


def test_a_wrong_kernel_would_be_seen(tmp_path, monkeypatch):
    """A kernel that keeps the lower 32 bits of an offset, played by the child's own calls."""
    real_write = live_offsets.os.pwritev
    monkeypatch.setattr(live_offsets.os, "pwritev", lambda fd, data, at: real_write(fd, data, at % (4 * GIB)))
    with open(tmp_path / "sparse", "w+b", buffering=0) as file:
        rows = {row.offset: row for row in live_offsets._writes(file.fileno(), "cached")}
    below, beyond = (rows[offset] for offset in OFFSETS)
    assert (below.back, beyond.back, beyond.lower) == ("true data", "other data", "overwritten")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="this needs Linux")
def test_without_direct_access_the_cached_writes_are_kept(monkeypatch):
    """A file system that refuses O_DIRECT, as some do."""
    usual, real = live_offsets.child({}), live_offsets._writes
    if "why" in usual:
        pytest.skip(usual["why"])

    def writes(fd, how):
        if how == "direct":
            raise OSError(22, "Invalid argument")
        return real(fd, how)

    monkeypatch.setattr(live_offsets, "_writes", writes)
    given = live_offsets.child({})
    assert [(row.how, row.back) for row in given["rows"]] == [("cached", "true data")] * len(OFFSETS)
    assert given["note"] == "; direct ones are not allowed here"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="this needs Linux")
def test_where_no_file_can_be_made_the_reason_is_told_and_nothing_is_left(monkeypatch, tmp_path):
    def refuse(fd, how):
        raise OSError(27, "File too large")

    monkeypatch.setattr(live_offsets, "_writes", refuse)
    monkeypatch.setattr(live_offsets.tempfile, "gettempdir", lambda: str(tmp_path))
    assert live_offsets.child({}) == {"why": "no sparse file of 4 GiB can be made here: File too large"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="this needs Linux")
def test_little_is_written_and_nothing_is_left(monkeypatch, tmp_path):
    written, real = [], live_offsets.os.pwritev

    def count(fd, data, at):
        written.append(real(fd, data, at))
        return written[-1]

    monkeypatch.setattr(live_offsets.os, "pwritev", count)
    monkeypatch.setattr(live_offsets.tempfile, "gettempdir", lambda: str(tmp_path))
    given = live_offsets.child({})
    if "why" in given:
        pytest.skip(given["why"])
    assert sum(written) <= 16 * 1024 * 3  # 16 KiB a folder, and three folders at most
    assert list(tmp_path.iterdir()) == []
