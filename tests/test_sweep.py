"""A map is the same whatever works it out, and an interrupted one keeps what is done."""

import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from vmteach.figures.sweep import bar, sweep
from vmteach.patches import shm_big_iron as patch

PLACES = [(name, ratio) for name in ("32 MB", "256 MB", "1 GB") for ratio in (1, 6, 60)]


def copy_speed(label, place):
    name, ratio = place
    scenario = patch.Scenario(machine=patch.PRESETS[name], vm_cache_scan_ratio=ratio)
    return patch.simulate(scenario, patch.POLICIES[label]).numbers["copy speed (MiB/s)"]


MEASURE = partial(copy_speed, "patched")


def test_executors_agree():
    here = sweep(MEASURE, PLACES)
    assert list(here) == PLACES
    with ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(2) as processes:
        assert sweep(MEASURE, PLACES, threads) == here
        assert sweep(MEASURE, PLACES, processes) == here


def test_a_dask_cluster_agrees():
    distributed = pytest.importorskip("distributed", reason="this test needs Dask: make test-newest")
    local = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**local) as cluster, distributed.Client(cluster) as client:
        assert sweep(MEASURE, PLACES, client.get_executor()) == sweep(MEASURE, PLACES)


@pytest.mark.parametrize("parallel", [False, True])
def test_an_interruption_keeps_what_is_done_and_goes_on_there(parallel):
    asked, kept = [], {}

    def measure(place):
        asked.append(place)
        if place == 3 and len(asked) < 10:
            raise KeyboardInterrupt
        return place * place

    executor = ThreadPoolExecutor(1) if parallel else None
    with pytest.raises(KeyboardInterrupt):
        sweep(measure, range(5), executor, kept)
    assert {0: 0, 1: 1, 2: 4}.items() <= kept.items() and 3 not in kept
    before = dict(kept)
    asked.extend(range(100, 110))
    assert sweep(measure, range(5), executor, kept) == {place: place * place for place in range(5)}
    assert not set(asked[-(5 - len(before)) :]) & set(before)


def test_progress_counts_to_the_end(capsys, monkeypatch):
    told = []
    sweep(abs, [1, 2, 2, 3], told=lambda done, of: told.append((done, of)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    sweep(abs, [1, 2], told=bar)
    assert capsys.readouterr().err == ""  # no terminal, and nothing has a name
    bar(1, 2, "chapter")
    assert capsys.readouterr().err == "1 of 2  chapter\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    sweep(abs, [1, 2], told=bar)
    assert capsys.readouterr().err.endswith(
        "[############............] 1 of 2\r\x1b[K[########################] 2 of 2\n"
    )


def outputs_of(*sources):
    """What the cells of a notebook show as text when it is run."""
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    NotebookClient(notebook, kernel_name="python3").execute()
    return [[output.data["text/plain"] for output in cell.outputs] for cell in notebook.cells]


def test_progress_in_a_notebook_stands_below_its_cell_until_all_is_done():
    begun = ["from vmteach.figures.sweep import bar, sweep\nbar(0, 2)\nbar(1, 2)", "bar(0, 3)\nbar(2, 3)"]
    done = "sweep(abs, [1, 2], told=bar)"
    assert outputs_of(*begun, done) == [
        ["[############............] 1 of 2"],
        ["[################........] 2 of 3"],
        ["2 of 2 worked out", "{1: 1, 2: 2}"],
    ]
