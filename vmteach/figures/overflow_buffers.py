"""What the counter shows of the dirty data, and the limit that it is compared with: where they meet, the writer waits.

To the right goes the dirty data. The counter climbs, or falls back to zero; the limit falls, for each dirty page is one
free page less. The story shows the same as two bars: what memory holds, and what the counter shows of it.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from vmteach.figures.scene import Area, Cell, Edge, Line, Note, Scene, Span, axis, chart, guess, row, strip
from vmteach.figures.story import Ask, Frame, Story, tracks
from vmteach.figures.words import number, size
from vmteach.kernel.zones import DEVICE
from vmteach.machine import GIB
from vmteach.patches import overflow_buffers as model
from vmteach.patches.overflow_buffers import Scenario
from vmteach.run import Record, Run, of_kind

LETTERS = {model.NOTHING: "N", model.WRITE: "B", model.WAIT: "W"}
STATES = {
    "N": ("nothing", "nothing"),
    "B": (["writes in the background", "background"], "moving"),
    "W": (["the writer waits", "waits"], "waits"),
    "X": (["nothing is free", "full"], "promised"),
}
LACKS = {"memory": "no page is left for data", "lowmem": "no page is left for buffer heads"}
WORDS = {model.NOTHING: "nothing", model.WRITE: "background writing", model.WAIT: "waiting"}
BOTH = tuple[float, float]
BEYOND = 1.16  # of the dirty data at the end: how far the picture goes


def scene(run: Run) -> Scene:
    """Counter and limit over the dirty data, and what is decided there."""
    asked, unit = _asked(run), run.scenario.machine.page
    end, lost = asked[-1].pages * unit, (asked[-1].pages - asked[-1].seen) * unit
    counter, wait = _points(asked, unit), _limit(asked, unit)
    truth = [(0.0, 0.0), (float(end), float(end))]
    top = max(wait[0][1], counter[-1][1], end if lost else 0)
    x, y = axis("dirty data", 0, end * BEYOND, "B"), axis("counted", 0, top * 1.1, "B")
    lines = [
        Line("alert", wait, ["limit: 60 % of the count", "limit: 60 %", "limit"], True),
        Line("blue", counter, ["shown by the counter", "counter shows", "counter"]),
    ]
    missed = [Area("promised", truth, counter, [f"not shown: {size(lost)}", size(lost)])]
    stopped = not isinstance(run.events[-1], model.Ended)
    picture = chart(
        "counter and limit",
        x,
        y,
        [Line("quiet", truth, ["truly dirty", "truth"]), *lines] if lost else lines,
        areas=missed if lost else [],
        notes=[Note(*counter[-1], "", "alert", True)] if stopped else [],
    )
    return Scene(
        clause=_clauses(run),
        groups=[picture, strip("what the kernel does", _spans(asked, unit), x)],
        states=STATES,
        numbers=_numbers(run),
        both="never stop the writer" if not stopped else "",
        note=_note(run),
        alt=_words(run),
    )


def predicted(value: float) -> Record:
    """A predicted GiB of dirty data as a line."""
    return guess("dirty data", value * GIB, f"{number(value)} GiB")


def _asked(run: Run) -> list[model.Asked]:
    return of_kind(run.events, model.Asked)


def _points(asked: Sequence[model.Asked], unit: int) -> list[BOTH]:
    """(dirty, shown) in bytes; a wrap is a drop at one place."""
    points: list[BOTH] = []
    for event in asked:
        dirty, shown = event.pages * unit, event.seen * unit
        if points and shown < points[-1][1]:
            points.append((dirty, points[-1][1]))
        points.append((dirty, shown))
    return points


def _limit(asked: Sequence[model.Asked], unit: int) -> list[BOTH]:
    """(dirty, 60 % of the count) in bytes."""
    return [(event.pages * unit, event.limit * unit * model.DEFAULT.wait / 100) for event in asked]


def _spans(asked: Sequence[model.Asked], unit: int) -> list[Span]:
    """What the kernel does, from where to where."""
    begun = [next(stretch) for _, stretch in groupby(asked, key=lambda event: event.answer)]
    ends = [*(event.pages for event in begun[1:]), asked[-1].pages]
    pieces = [(LETTERS[event.answer], event.pages, end) for event, end in zip(begun, ends) if end > event.pages]
    pieces.append(("W" if asked[-1].answer == model.WAIT else "X", asked[-1].pages, round(asked[-1].pages * BEYOND)))
    return [Span(letter, start * unit, end * unit, STATES[letter][0]) for letter, start, end in pieces]


def _clauses(run: Run) -> list[str]:
    dirty = size(_asked(run)[-1].pages * run.scenario.machine.page)
    if isinstance(run.events[-1], model.Ended):
        return ["never stops the writer"]
    return [f"stops the writer at {dirty}", f"allows {dirty} dirty"]


def _numbers(run: Run) -> dict[str, str]:
    gib = {name: value if isinstance(value, str) else f"{number(value)} GiB" for name, value in run.numbers.items()}
    return {
        "background writing from": gib["background writing from (GiB)"],
        "told to wait from": gib["told to wait from (GiB)"],
        "dirty at the end": gib["dirty at the end (GiB)"],
        "not shown by the counter": gib["not seen at the end (GiB)"],
    }


def _words(run: Run) -> str:
    """The chart in words: the answers in order, where it ended and what the counter lost."""
    n, unit = run.numbers, run.scenario.machine.page
    begun = [next(stretch) for _, stretch in groupby(_asked(run), key=lambda event: event.answer)]
    answers = ", ".join(f"{WORDS[event.answer]} from {size(event.pages * unit)} on" for event in begun[:6])
    lost, dirty = (number(n[f"{name} at the end (GiB)"]) for name in ("not seen", "dirty"))
    return f"The counter over the dirty data: {answers}. In the end {dirty} GiB are dirty, and {lost} are not shown."


def _note(run: Run) -> str:
    last = run.events[-1]
    if not isinstance(last, model.Ended):
        return ""
    why = f"In the end {LACKS[last.lacks]}."
    return f"{why} Pages of a block device lie in low memory alone." if run.scenario.writer == DEVICE else why


# ---- the story ----

STORIES = {"A file on 16 GB": Scenario()}
STORY_STATES = {
    "L": (["low memory", "low"], "other"),
    "D": (["dirty", ""], "attention"),
    "F": (["free HIGHMEM", "free"], "nothing"),
    "S": (["shown by the counter", "shown"], "data"),
}
RULES = {
    "__insert_into_lru_list": "adds the size of each dirty buffer to the total",
    "nr_free_buffer_pages": "counts low memory and what is free in HIGHMEM",
    "balance_dirty_state": "compares the total with 30 and 60 % of the count",
}
ASK = Ask(
    "The next pages make it 4 GiB. What does the unpatched counter show then?",
    ["4 GiB", "nothing", "it stays just below 4 GiB"],
    1,
    "4 GiB are 2 to the power 32 bytes. A word of 32 bits starts again from zero.",
    ["A word of 32 bits has no room for 2 to the power 32.", "", "Such a counter does not stop at its largest value."],
)


def story(case: Scenario) -> Story:
    """Both kernels, a GiB of dirty data a step."""
    return Story(f"a writer on {case.machine.name}", STORY_STATES, RULES, tracks(model, frames, case))


def frames(run: Run) -> list[Frame]:
    """One frame a GiB of dirty data, and one for every change of the answer and every wrap.

    >>> frames(model.simulate())[-1].say
    '5.86 GiB are dirty: more than 60 % of the count. The writer has to wait.'
    """
    return list(_frames(run))


def _frames(run: Run) -> Iterator[Frame]:
    writer, step = model.Writer(run.scenario.start, run.policy), GIB // run.scenario.machine.page
    last = _asked(run)[-1].pages
    shared = range(0, last, step)
    places = sorted({*shared, *_changes(run), *_wraps(run), last})
    ask_at = max(pages for pages in places if pages < 4 * step)
    for pages in places:
        say, more = _told(run, writer, pages)
        key, ask = f"{pages // step} GiB" if pages in shared else "", ASK if pages == ask_at else None
        yield Frame(say, _bars(writer, pages), key, gauges=_gauges(writer, pages), ask=ask, **more)


def _changes(run: Run) -> dict[int, int]:
    """Where the answer becomes another one, and which."""
    return {event.pages: event.answer for was, event in pairwise(_asked(run)) if was.answer != event.answer}


def _wraps(run: Run) -> list[int]:
    return [event.pages for event in of_kind(run.events, model.Wrapped)]


def _told(run: Run, writer: model.Writer, pages: int) -> tuple[str, Record]:
    """What is said where so many pages are dirty, and what else the frame has."""
    unit, end, answer = run.scenario.machine.page, run.events[-1], _changes(run).get(pages)
    words, limit = size(pages * unit), size(writer.limit(pages) * unit * model.DEFAULT.wait / 100)
    insert, count, compare = RULES  # the kernel's functions
    if pages in _wraps(run):
        say = f"{words} are dirty. The counter, a word of 32 bits, starts again from **zero**."
        return say, {"rule": [insert], "mark": "the counter wraps", "note": "Nothing seems to be dirty."}
    if pages == _asked(run)[-1].pages and isinstance(end, model.Ended):
        say = f"{words} are dirty, and {LACKS[end.lacks]}. The writer was never told to wait."
        return say, {"end": "bad", "mark": "memory is used up"}
    if answer == model.WAIT:
        say = f"{words} are dirty: more than 60 % of the count. The writer has to wait."
        return say, {"end": "bad" if _wraps(run) else "good", "mark": f"wait at {words}", "rule": [count, compare]}
    if answer == model.WRITE:
        say = f"{words} are dirty: more than 30 % of the count. Writing starts in the background."
        return say, {"rule": [count, compare]}
    if not pages:
        say = f"Almost everything is free. The limit is {limit}. A program begins to write a file."
        return say, {"rule": [count]}
    say = f"{words} {'is' if words == '1 GiB' else 'are'} dirty. Less is free, so the limit has fallen to {limit}."
    return say, {"rule": [insert, count]}


def _bars(writer: model.Writer, pages: int) -> Record:
    """Memory as it is, and the counter on the same scale with the limits as edges."""
    unit, start, now = writer.start.machine.page, writer.start.memory, writer.memory(pages)
    low, high, dirty = (start.dma + start.normal) * unit, start.high * unit, (start.high - now.high) * unit
    x = axis("memory", 0, low + high, "B")
    cells = [Cell("L", 0, low, ["low memory", "low"], "low"), Cell("D", low, dirty, size(dirty), "dirty")]
    cells.append(Cell("F", low + dirty, high - dirty, ["free HIGHMEM", "free"], "free"))
    shown, wait = writer.seen(pages) * unit, writer.limit(pages) * unit * model.DEFAULT.wait / 100
    counter = [Cell("S", 0, shown, size(shown), "shown")]
    edges = [Edge(wait, ["60 % of the count: wait", "60 %: wait", "60 %"], "alert")]
    memory = row("memory", [cell for cell in cells if cell.length], x)
    return {"memory": memory, "counter": row("counter", counter if shown else [], x, edges)}


def _gauges(writer: model.Writer, pages: int) -> Record:
    unit = writer.start.machine.page
    return {"dirty, GiB": round(pages * unit / GIB, 1), "shown, GiB": round(writer.seen(pages) * unit / GIB, 1)}
