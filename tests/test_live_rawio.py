"""The experiment on the reader's own kernel: what it answers here, and that it answers in words elsewhere."""

import pytest

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
