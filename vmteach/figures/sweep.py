"""A measurement over many places: a map, worked out in parallel by any executor.

source      concurrent.futures: whatever has its `submit` will do, a pool of processes or a Dask cluster's
left out    splitting one measurement; each place is one task
"""

import sys
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Executor, Future, as_completed
from typing import TypeVar

Place = TypeVar("Place", bound=Hashable)
Found = TypeVar("Found")
WIDTH = 24  # of a bar


def sweep(
    measure: Callable[[Place], Found],
    places: Iterable[Place],
    executor: Executor | None = None,
    kept: dict[Place, Found] | None = None,
    told: Callable[[int, int], None] | None = None,
) -> dict[Place, Found]:
    """What `measure` gives at each place, in the order of the places, whichever executor works it out.

    Without an executor the places are measured here, one after another. Results go to `kept` as they come, and
    what is there already is not measured again: an interrupted sweep goes on where it was. `told` gets the number
    of places done and of all. A measurement that raises ends the sweep with its error; what is done is kept.

    >>> sweep(abs, (-2, 3))
    {-2: 2, 3: 3}
    """
    wanted = list(dict.fromkeys(places))
    done = {} if kept is None else kept
    missing = [place for place in wanted if place not in done]

    def tell() -> None:
        if told:
            told(sum(place in done for place in wanted), len(wanted))

    tell()
    if executor is None:
        for place in missing:
            done[place] = measure(place)
            tell()
    else:
        tasks: dict[Future[Found], Place] = {executor.submit(measure, place): place for place in missing}
        try:
            for task in _finished(executor, tasks):
                done[tasks[task]] = task.result()
                tell()
        finally:
            for task in tasks:
                task.cancel()
    return {place: done[place] for place in wanted}


def _finished(executor: Executor, tasks: "dict[Future[Found], Place]") -> "Iterable[Future[Found]]":
    """The tasks as they end. A future of another kind, such as Dask's, is waited for in its turn."""
    if all(isinstance(task, Future) for task in tasks):
        return as_completed(tasks)
    return tasks


def bar(done: int, of: int, what: str = "") -> None:
    """A progress bar for `told`: in a notebook below the cell, and one line once all is done; else on the error stream.

    There it is drawn over itself on a terminal; elsewhere it is a line a `what`.
    """
    filled = WIDTH * done // max(of, 1)
    drawn = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {done} of {of}  {what}".rstrip()
    if _below_the_cell(f"{of} of {of} worked out" if done == of else drawn, anew=not done):
        return
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{drawn}" + "\n" * (done == of and not what))
    elif what:
        sys.stderr.write(f"{done} of {of}  {what}\n")
    sys.stderr.flush()


def _below_the_cell(text: str, anew: bool) -> bool:
    """Show text in one place below the cell that runs; False where there is no notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if ipython is None or shell is None or not hasattr(shell, "kernel"):
        return False
    place = f"vmteach-bar-{shell.execution_count}"
    ipython.display.display({"text/plain": text}, raw=True, display_id=place, update=not anew)
    return True
