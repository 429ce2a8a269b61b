"""The tables in data/ are what data/README.md says they are."""

import csv
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest

from vmteach.machine import PRESETS, Machine
from vmteach.patches import STEMS

DATA = Path(__file__).parent.parent / "data"


def table(name: str) -> list[dict[str, str]]:
    with open(DATA / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# Row 1 of the trace is TRACE[1].
TRACE = [{}, *({k: int(v) for k, v in row.items()} for row in table("vmstat_storm.csv"))]
STORM = range(10, 32)
CHANGELOG = table("changelog.csv")
CLAIMS = {row["id"]: row for row in table("claims.csv")}


# vmstat_storm.csv


def test_trace_has_32_rows_of_16_whole_numbers():
    assert len(TRACE) == 33
    assert list(TRACE[1]) == "r b swpd free buff cache si so bi bo in cs us sy id wa".split()
    assert all(value >= 0 for row in TRACE[1:] for value in row.values())


def test_trace_begins_and_ends_as_announced():
    first = "33 1 35156 507544 80232 13523880 0 116 0 772 223 53603 24 76 0 0"
    last = "6 23 4560356 506160 22188 8440104 0 64888 16 67280 3006 534109 6 88 5 0"
    assert list(TRACE[1].values()) == [int(word) for word in first.split()]
    assert list(TRACE[32].values()) == [int(word) for word in last.split()]


def test_sums_of_the_columns():
    """A changed digit changes a sum."""
    memory = [74_511_680, 16_172_892, 1_194_588, 343_186_856]
    sums = [794, 34, *memory, 0, 65_132, 100, 108_589, 10_737, 716_097, 433, 2_761, 5, 0]
    assert [sum(row[name] for row in TRACE[1:]) for name in TRACE[1]] == sums


def test_shares_of_time_add_up():
    assert [sum(row[name] for name in ("us", "sy", "id", "wa")) for row in TRACE[1:]] == [100] * 31 + [99]


def test_a_machine_of_16_gb_holds_the_memory_of_every_row():
    kib = PRESETS["16 GB"].ram // 1024
    assert all(row["free"] + row["buff"] + row["cache"] + row["swpd"] < kib for row in TRACE[1:])


def test_swpd_plus_cache_stays_in_rows_10_to_31():
    sums = [TRACE[i]["swpd"] + TRACE[i]["cache"] for i in STORM]
    assert max(sums) - min(sums) <= 0.001 * min(sums)
    assert max(sums) - min(sums) == 6040
    assert TRACE[31]["swpd"] - TRACE[10]["swpd"] == 3_300_132  # what changed sides


def test_nothing_is_written_to_swap_while_it_fills():
    assert all(TRACE[i]["so"] == 0 for i in STORM)
    assert all(TRACE[i]["swpd"] < TRACE[i + 1]["swpd"] for i in STORM[:-1])
    assert TRACE[31]["swpd"] // 4 == 1_205_461  # pages


def test_free_stays_in_the_band_that_16_gb_give():
    low, high = PRESETS["16 GB"].free_band
    free = [row["free"] for row in TRACE[1:]]
    assert (low, high) == (505_016, 509_096)
    assert low <= min(free) <= max(free) <= high
    assert max(free[5:31]) - min(free[5:31]) == 548


def test_what_is_unusual_in_the_trace():
    rises = {i: TRACE[i]["swpd"] - TRACE[i - 1]["swpd"] for i in range(2, 33)}
    assert {i: kb for i, kb in rises.items() if kb < 0} == {5: -39_160, 32: -261_488}
    assert rises[10] == max(rises.values()) == 740_296
    assert TRACE[10]["in"] == 1_208
    assert {row["r"] for row in TRACE[6:32]} <= set(range(16, 29))
    assert {row["b"] for row in TRACE[6:32]} == {0, 2}
    assert min(row["sy"] for row in TRACE[9:32]) == 87
    assert max(row["sy"] for row in TRACE[1:]) == 98
    assert all(row["wa"] == 0 for row in TRACE[1:])
    assert [i for i in range(1, 33) if TRACE[i]["id"]] == [32]
    assert all(row["so"] % 4 == 0 for row in TRACE[1:])
    assert [i for i in range(1, 33) if TRACE[i]["bi"] % 4] == [6, 7]
    assert [i for i in range(1, 33) if TRACE[i]["bo"] == 24] == [11, 14, 17, 23, 26, 29]


# changelog.csv


def test_changelog_has_the_14_lines_in_the_order_of_their_names():
    patches = [row["patch"] for row in CHANGELOG]
    assert len(patches) == 14, "data/changelog.csv is one announcement; a line of another goes to changelog_RELEASE.csv"
    assert patches == sorted(patches)
    assert [row["release"] for row in CHANGELOG].count("2.4.23aa1") == 3
    assert [row["release"] for row in CHANGELOG].count("2.4.23aa2") == 11


@pytest.mark.parametrize("row", CHANGELOG, ids=[row["patch"] for row in CHANGELOG])
def test_name_is_prefix_topic_and_serial(row):
    assert row["patch"] == f"{row['prefix']}_{row['topic']}-{row['serial']}"
    assert row["prefix"].isdigit()
    assert int(row["serial"]) >= 1
    assert row["topic"]


def test_stems_of_the_changelog_are_the_twelve_in_their_order():
    order = "vmteach/patches/__init__.py: first the twelve of the announcement in its order, then those of others"
    assert tuple(dict.fromkeys(row["stem"] for row in CHANGELOG)) == STEMS[:12], order


def test_entries_of_other_announcements_have_a_table_of_their_release():
    for path in DATA.glob("changelog_*.csv"):
        for row in table(path.name):
            name = f"{row['prefix']}_{row['topic']}-{row['serial']}"
            assert list(row) == list(CHANGELOG[0]), f"{path.name}: its columns must be those of changelog.csv"
            assert path.stem == f"changelog_{row['release']}", f"{path.name}: has a line of {row['release']}"
            assert row["patch"] == name, f"{path.name}: the parts of {row['patch']} give {name}"
            assert row["stem"] in STEMS[12:], f"{path.name}: {row['stem']} must stand in STEMS, after the twelve"


def test_lines_of_one_stem_are_serials_of_one_topic():
    pairs = [(a, b) for a, b in pairwise(CHANGELOG) if a["stem"] == b["stem"]]
    assert [a["stem"] for a, _ in pairs] == ["extraversion", "mremap_race"]
    for gone, new in pairs:
        assert gone["topic"] == new["topic"]
        assert int(new["serial"]) == int(gone["serial"]) + 1
        assert (gone["release"], new["release"]) == ("2.4.23aa1", "2.4.23aa2")


def test_only_the_two_replaced_lines_say_nothing():
    assert [row["patch"] for row in CHANGELOG if not row["says"]] == [
        "00_extraversion-33",
        "21_pte-highmem-mremap-smp-scale-1",
    ]


# machines.csv


def test_machines_are_the_presets_and_the_presets_are_the_machines():
    assert table("machines.csv") == [
        {field.name: str(getattr(machine, field.name)) for field in fields(Machine)} for machine in PRESETS.values()
    ]


# claims.csv


def test_claims_are_c1_to_c25_and_t1():
    assert list(CLAIMS) == [f"C{i}" for i in range(1, 26)] + ["T1"]
    assert {row["kind"] for row in CLAIMS.values()} == {"model", "arithmetic", "calibrated"}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_bounds_of_a_claim_fit_its_kind(claim):
    value, low, high = (float(claim[name]) if claim[name] else None for name in ("value", "low", "high"))
    assert all(claim[name] for name in ("check", "claim", "tolerance", "compare", "kind", "source"))
    fits = {
        "exact": value == low == high and value is not None,
        "about": None not in (value, low, high) and low < value < high,
        "at least": None not in (value, low) and low <= value and high is None,
        "at most": None not in (value, low, high) and low <= value <= high,
        "between": None not in (low, high) and value is None and low < high,
        "direction": low is None and high is None,
    }
    assert fits[claim["compare"]]


def test_claims_about_the_trace_hold_in_the_trace():
    assert TRACE[31]["swpd"] / 1024**2 >= float(CLAIMS["C2"]["low"])
    sums = [TRACE[i]["swpd"] + TRACE[i]["cache"] for i in STORM]
    assert 100 * (max(sums) - min(sums)) / min(sums) <= float(CLAIMS["C4"]["high"])
    for row in TRACE[1:]:
        assert float(CLAIMS["C5"]["low"]) <= row["free"] <= float(CLAIMS["C5"]["high"])
    assert TRACE[32]["so"] / 1024 <= float(CLAIMS["C11"]["value"])


def test_cost_of_a_conversion_follows_from_the_trace():
    rows = TRACE[11:32]
    kib = sorted(TRACE[i]["swpd"] - TRACE[i - 1]["swpd"] for i in range(11, 32))[10]  # the median second
    busy = 8 * sum(row["sy"] for row in rows) / len(rows) / 100
    assert float(CLAIMS["C20"]["low"]) <= busy / (kib / 4) * 1e6 <= float(CLAIMS["C20"]["high"])


def test_inferred_bounds_hold_what_their_arithmetic_gives():
    times = [4 * 1024 / rate for rate in (60, 25)]  # s
    assert int(CLAIMS["C21"]["low"]) <= times[0] < times[1] <= int(CLAIMS["C21"]["high"])
    assert float(CLAIMS["C14"]["low"]) <= 12 * 60 * 80 / 10 / 1000  # GB of a copy at a tenth of the speed
