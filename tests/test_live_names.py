"""Names on this system, and words where they cannot be tried."""

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
