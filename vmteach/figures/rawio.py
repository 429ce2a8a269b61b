"""Pages of a buffer, and the pointers that were walked: one read, and the read step by step."""

from vmteach.figures.data import Group
from vmteach.figures.scene import Bracket, Cell, Edge, Scene, axis, prediction, row
from vmteach.figures.story import Ask, Frame, Story, tracks
from vmteach.figures.words import number, size
from vmteach.machine import KIB, PRESETS
from vmteach.patches import rawio as model
from vmteach.patches.rawio import Event, Scenario
from vmteach.run import Record, Run, of_kind

STATES = {
    "P": (["page passed on to the disk", "passed on"], "data"),
    "R": (["page released", "released"], "other"),
    "N": (["page not got", "not got"], "nothing"),
    "W": (["pointer of this chunk", "set"], "done"),
    "S": (["pointer to nothing", "stale pointer", "stale"], "promised"),
}
STRICT = "the strict rule"
RULES = {
    "get_user_pages": "stops at the first page that it cannot get, and returns how many it got",
    "map_user_kiobuf": "keeps the number of pages and the length of the buffer",
    "flush_dcache_page": "is called for every pointer of the walk",
    STRICT: "fewer pages than wanted: release them and fail",
}


# ---- the picture of a run ----


def scene(run: Run) -> Scene:
    """The buffer: which pages were got and passed on, how many pointers were walked, which length was recorded."""
    n, length = run.numbers, run.scenario.length_kib * KIB
    tried = min(length, model.CHUNK * max((pinned.chunk for pinned in of_kind(run.events, model.Pinned)), default=1))
    x = axis("buffer", 0, tried, ticks=[(tried * n // 4, size(tried * n // 4)) for n in range(5)])
    recorded, covered = int(n["bytes recorded (B)"]), int(n["bytes covered (B)"])
    tone = "alert" if recorded > covered else "ink"
    brackets = [Bracket(0, recorded, [f"length recorded: {size(recorded)}", size(recorded)], tone)] if recorded else []
    chunks = range(model.CHUNK, tried, model.CHUNK)
    edges = [Edge(at, ["chunk 2 begins", "chunk 2"] if len(chunks) == 1 else "", "quiet") for at in chunks[:8]]
    return Scene(
        clause=_clause(run),
        groups=[
            row("pages", _pages(run), x, brackets=brackets),
            row("pointers walked", _pointers(run), x, edges=edges),
        ],
        states=STATES,
        numbers={
            "read returns": str(n["read returns"]),
            "pages got": f"{number(n['pages got'])} of {number(n['pages wanted'])}",
            "stale pointers walked": number(n["stale pointers walked"]),
            "recorded": size(recorded),
        },
        note=f"The request is {size(length)} long. Beyond {size(tried)} nothing was asked for."
        if tried < length
        else "",
        end="bad" if n["stale pointers walked"] or recorded > covered else "good",
        alt=_alt(run),
    )


def _pages(run: Run) -> list[Cell]:
    """The pages of each chunk: those that were got, passed on or released, and the rest."""
    passed_on = {mapped.chunk for mapped in of_kind(run.events, model.Mapped)}
    cells, page = list[Cell](), run.scenario.machine.page
    for chunk, wanted, got, _ in of_kind(run.events, model.Pinned):
        begin = (chunk - 1) * model.CHUNK
        cells += _run_of("P" if chunk in passed_on else "R", begin, got, page, "pages")
        cells += _run_of("N", begin + got * page, wanted - got, page, "pages")
    return cells


def _pointers(run: Run) -> list[Cell]:
    """The pointers that were walked for each chunk, fresh ones and stale ones."""
    cells, page = list[Cell](), run.scenario.machine.page
    for chunk, walked, stale in of_kind(run.events, model.Flushed):
        begin, fresh = (chunk - 1) * model.CHUNK, walked - stale
        cells += _run_of("W", begin, fresh, page, "pointers")
        cells += _run_of("S", begin + fresh * page, stale, page, "pointers")
    return cells


def _run_of(state: str, at: int, count: int, page: int, noun: str) -> list[Cell]:
    """So many pages or pointers side by side, as one piece."""
    if not count:
        return []
    said = {"N": ["not got"], "S": ["pointers to nothing", "stale"], "R": ["released"]}.get(state, [noun])
    return [Cell(state, at, count * page, [*(f"{number(count)} {words}" for words in said), number(count)])]


def _clause(run: Run) -> list[str]:
    """The title's half."""
    n = run.numbers
    recorded, covered, last = int(n["bytes recorded (B)"]), int(n["bytes covered (B)"]), str(n["last chunk"])
    if last == model.WILD:
        return ["follows a pointer to nothing: a wild access", "follows a pointer to nothing"]
    if recorded > covered:
        records = f"records {size(recorded)} and has"
        return [f"{records} only {size(covered)}", f"{records} {size(covered)}", "records too much"]
    if last != "success":
        stops = [f"delivers {size(covered)}, then stops with {last}", f"stops at {size(covered)}"]
        return stops if covered else [f"returns {last}"]
    if covered == run.scenario.length_kib * KIB:
        return [f"reads all {size(covered)}"]
    return [f"keeps the {size(covered)} that it has", f"keeps {size(covered)}"]


def _alt(run: Run) -> str:
    n = run.numbers
    return (
        f"A buffer of {size(run.scenario.length_kib * KIB)} in chunks of 512 KiB. {number(n['pages got'])} of "
        f"{number(n['pages wanted'])} pages wanted were got, {number(n['pointers walked'])} pointers walked, "
        f"{number(n['stale pointers walked'])} of them stale. Recorded {size(n['bytes recorded (B)'])}, covered "
        f"{size(n['bytes covered (B)'])}. The read returns {n['read returns']}."
    )


def predicted(value: float) -> Record:
    """A reader's prediction, in pages of 4 KiB passed on, as a line on the buffer."""
    return prediction("buffer", value * 4 * KIB, [f"your prediction: {number(value)} pages", f"you: {number(value)}"])


# ---- step by step ----

STORIES = {
    "Half of the second chunk": Scenario(),
    "The same with a real flush": Scenario(machine=PRESETS["64-bit 64 GB"]),
}


def frames(run: Run) -> list[Frame]:
    """One frame an event, with the list of pointers as it was then."""
    page, wanted = run.scenario.machine.page, model.CHUNK // run.scenario.machine.page
    shown = _List(wanted)
    room, length = run.scenario.limit_kib * KIB // page, run.scenario.length_kib * KIB
    say = f"A read of {size(length)} goes in chunks of {wanted} pages. The tmpfs has room for {room} pages."
    told, failed = [Frame(say, shown.groups(), key="start")], {e.chunk for e in of_kind(run.events, model.Failed)}
    for event in run.events:
        shown.see(event)
        if said := _said(event):
            words, rule, mark, ask = said
            key = f"{type(event).__name__} {event.chunk}"
            fires = rule and (rule != STRICT or event.chunk in failed)  # the unpatched kernel releases pages, too
            told.append(Frame(words, shown.groups(), key, [rule] if fires else [], mark=mark, ask=ask))
    return [*told[:-1], _end(run, told[-1])]


class _List:
    """The reused list of pointers, and how many pages of this chunk are pinned."""

    def __init__(self, wanted: int) -> None:
        self.wanted, self.set, self.old, self.pinned, self.chunk = wanted, 0, 0, 0, 1

    def see(self, event: Event) -> None:
        match event:
            case model.Pinned(chunk, _, got, _):
                self.set, self.pinned, self.chunk = got, got, chunk
            case model.Released():
                self.pinned, self.old, self.set = 0, max(self.old, self.set), 0

    def groups(self) -> dict[str, Group]:
        x, stale, missing = axis("pointer", 0, self.wanted), max(0, self.old - self.set), self.wanted - self.pinned
        words = [f"{stale} of an earlier chunk", f"{stale} earlier", str(stale)]
        listed = [
            Cell("W", 0, self.set, [f"{self.set} of chunk {self.chunk}", str(self.set)], "set"),
            Cell("S", self.set, stale, words, "old"),
        ]
        cells = [cell for cell in listed if cell.length] or [Cell("N", 0, self.wanted, "never set", "none")]
        pinned = [Cell("P", 0, self.pinned, [f"{self.pinned} pinned", str(self.pinned)], "pages")] * bool(self.pinned)
        pinned.append(Cell("N", self.pinned, missing, "none pinned" if not pinned else "", "missing"))
        return {"pages": row("pages", pinned, x), "maplist": row("maplist", cells, x)}


def _said(event: Event) -> tuple[str, str, str, Ask | None] | None:
    """The sentence of an event, the rule that fires, its mark, its question."""
    match event:
        case model.Pinned(chunk, wanted, got, _) if got < wanted:
            say = f"`get_user_pages` gets {got} of {wanted} pages for chunk {chunk}. It returns {got}: no error."
            return say, "get_user_pages", "half of the pages", _question(got, wanted)
        case model.Pinned(chunk, wanted, _, _):
            return f"`get_user_pages` gets all {wanted} pages of chunk {chunk}.", "get_user_pages", "", None
        case model.Flushed(_, walked, 0):
            return f"{walked} pointers are walked. Each was set for this chunk.", "flush_dcache_page", "", None
        case model.Flushed(_, walked, stale):
            say = f"All {walked} pointers are walked. {stale} of them were set for an earlier chunk, now gone."
            return say, "flush_dcache_page", "pointers to nothing", None
        case model.Mapped(_, length, covered) if length > covered:
            return f"{size(length)} are recorded. The pages cover {size(covered)}.", "map_user_kiobuf", "", None
        case model.Moved(_, moved, _):
            return f"The disk moves {size(moved)}. The pages are released; the pointers stay in the list.", "", "", None
        case model.Released(chunk, pages) if chunk > 1:
            return f"The {pages} pages are released.", STRICT, "", None
        case model.Failed(chunk, error):
            return f"Chunk {chunk} fails with {error}.", "", "", None
    return None


def _question(got: int, wanted: int) -> Ask:
    choices = ("walk all pointers", "fail, or use only what was got", "ask for the same pages again")
    why = f"{got} is neither an error nor everything. Both honest rules fit: strict fails, short keeps {got}."
    wrong = (f"Only {got} of {wanted} pointers were set.", "", "The tmpfs is full: it will not have more.")
    return Ask(f"get_user_pages returns {got}. What should its caller do?", choices, 1, why, wrong)


def _end(run: Run, last: Frame) -> Frame:
    n = run.numbers
    recorded, covered = int(n["bytes recorded (B)"]), int(n["bytes covered (B)"])
    if n["last chunk"] == model.WILD:
        say = "The flush writes through a pointer to a page that is no longer pinned: a wild access."
        return Frame(say, last.groups, end="bad", mark="the end")
    if recorded > covered:
        say = f"The call reports success. It recorded {size(recorded)} and has {size(covered)}."
        return Frame(say, last.groups, rule=["map_user_kiobuf"], end="bad", mark="the end")
    gets = size(covered) if covered else n["read returns"]
    return Frame(f"{last.say} The program gets {gets}.", last.groups, rule=last.rule, end="good")


def story(case: Scenario) -> Story:
    """The read on the unpatched and the patched kernel, side by side."""
    return Story(
        f"a read of {size(case.length_kib * KIB)} into a tmpfs that fills up",
        STATES,
        RULES,
        tracks(model, frames, case),
    )
