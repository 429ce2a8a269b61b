"""The address space as a row of pages under brackets: what a call left, and the call step by step."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from vmteach.figures.data import Group, joined
from vmteach.figures.scene import Bracket, Cell, Edge, Link, Scene, axis, row
from vmteach.figures.story import Ask, Frame, Story, tracks
from vmteach.kernel.mm import (
    AddressSpace,
    Asserted,
    Followed,
    Ignored,
    Mapped,
    Moved,
    MovedBack,
    Step,
    Stopped,
    Unmapped,
    Vma,
)
from vmteach.kernel.mmap import get_unmapped_area
from vmteach.kernel.sound import Broke, name_of
from vmteach.patches import mremap as model
from vmteach.patches.mremap import DIED, Event, Found, Left, Returned, Scenario
from vmteach.run import Run, of_kind

STATES = {
    "S": (["page of mapping s", "page of s"], "data"),
    "D": (["page of mapping d", "page of d"], "attention"),
    "E": (["mapped, nothing there", "mapped, empty"], "nothing"),
    "L": (["page in no mapping", "no mapping"], "promised"),
}
RULES = {
    "do_mremap": "clears the target, cuts the tail, and then looks for the source",
    "do_munmap": "a hole inside one mapping needs a free place in the list",
    "move_page_tables": "moves each entry; an entry in the way is lost",
    "insert_vm_struct": "enters the new range into the list",
}


LABEL, EARLIER = "after the call", "before the call"


class Space(NamedTuple):
    """What is drawn of an address space: mappings, and (address, content) of present pages."""

    vmas: tuple[Vma, ...]
    pages: tuple[tuple[int, str], ...]
    page: int


# ---- one row ----


def addresses(space: Space, x: Group, label: str, marked: Iterable[Bracket] = ()) -> Group:
    """A cell a page, a bracket a mapping, and what is broken in red above them."""
    mapped = {addr for vma in space.vmas for addr in range(vma.start, vma.end, space.page)}
    present = dict(space.pages)
    cells = [_cell(addr, present.get(addr, ""), addr in mapped, space.page) for addr in sorted(mapped | set(present))]
    if label == EARLIER:  # a second row: its cells are things of their own
        cells = [cell._replace(id="") for cell in cells]
    empty = ["a mapping without a byte", "an empty mapping", "empty"]
    edges = [Edge(vma.start, empty, "alert") for vma in space.vmas if vma.start == vma.end]
    return row(label, cells, x, edges, [*_brackets(space.vmas), *marked])


def _brackets(vmas: Iterable[Vma]) -> Iterator[Bracket]:
    """A bracket a mapping; where one begins within another, it stands above in red."""
    reached = 0
    for vma in vmas:
        overlaps = vma.start < reached
        tone, words = ("alert", ["a second mapping", "second"]) if overlaps else ("ink", f"{vma.prot}")
        if vma.end > vma.start:
            yield Bracket(vma.start, vma.end, words, tone, int(overlaps))
        reached = max(reached, vma.end)


def _cell(addr: int, content: str, mapped: bool, page: int) -> Cell:
    state = "L" if not mapped else {"s": "S", "d": "D"}.get(content[:1], "E")
    return Cell(state, addr, page, content, content or f"at {addr:x}")


def window(scenario: Scenario) -> Group:
    """The axis: the places that the call can touch, with a break between them. It is the same for every kernel."""
    space, call, page = scenario.space, scenario.arguments, scenario.machine.page
    target = call.new_addr if call.fixed else get_unmapped_area(space, call.new_len) if call.flags else call.addr
    longest = max(call.old_len, call.new_len, page)
    touched = [(start, start + longest) for start in (call.addr, target)]
    windows = joined([*((vma.start, vma.end) for vma in space.vmas), *touched], gap=2 * page)
    ticks = sorted({start for start, _ in windows} | {call.addr, target})
    return axis("address", windows[0][0], windows[-1][1], "hex", ticks=ticks, windows=windows)


# ---- the picture of a run ----


def scene(run: Run) -> Scene:
    """The address space that the call left, with what is broken in red."""
    page, x, n = run.scenario.machine.page, window(run.scenario), run.numbers
    before, after = (Space(*of_kind(run.events, kind)[0], page) for kind in (Found, Left))
    broken, moved = of_kind(run.events, Broke), [event for event in of_kind(run.events, Moved) if event.pages]
    links = [Link(f"{LABEL}@{m.source}", "moves", f"{LABEL}@{m.target}", "move_page_tables") for m in moved]
    return Scene(
        clause=_clause(run, broken, before, after),
        groups=[addresses(after, x, LABEL, _damage(before, after, broken))],
        more=lambda: [addresses(before, x, EARLIER)],
        states=STATES,
        links=links,
        numbers={
            "returned": str(n["returned"]),
            "broken": str(n["broken"]),
            "errors ignored": str(n["ignored errors"]),
            "mappings": str(n["mappings"]),
        },
        note=_call(run),
        end="bad" if broken or n["returned"] == DIED else "good",
        alt=_alt(run, after, broken),
    )


def _damage(before: Space, after: Space, broken: list[Broke]) -> Iterator[Bracket]:
    """A red bracket over what an invariant names: pages in no mapping, pages that are gone, pages still mapped."""
    mapped = {addr for vma in after.vmas for addr in range(vma.start, vma.end, after.page)}
    gone = [addr for addr, _ in before.pages if addr not in mapped]
    orphans, failed = (
        [addr for addr, _ in after.pages if addr not in mapped],
        "I3" in {each.invariant for each in broken},
    )
    lost = f"I3: {len(gone)} pages gone"
    for addrs, words in (
        (orphans, [f"I5: {len(orphans)} pages in no mapping", "I5"]),
        (gone * failed, [f"{lost}, and the call failed", lost, "I3"]),
    ):
        if addrs:
            yield Bracket(min(addrs), max(addrs) + after.page, words, "alert", 1)


def _clause(run: Run, broken: list[Broke], before: Space, after: Space) -> list[str]:
    """The title's half: what the call did, in words."""
    result, n = str(run.numbers["returned"]), run.numbers["orphan pages"]
    ignored = "ignores an error, and " if run.numbers["ignored errors"] else ""
    if result == DIED:
        return ["follows a pointer that nobody had set", "follows an unset pointer"]
    what = {event.invariant: event.what for event in reversed(broken)}
    left = what.get("I4", "").removeprefix("success, and yet ").split(" at ")[0]
    gone = len(before.pages) - len(after.pages)
    gravest_first = {
        "I3": [f"returns {result}, and yet {gone} pages are gone", f"fails and loses {gone} pages"],
        "I1": ["makes a mapping without a byte", "makes an empty mapping"],
        "I2": [f"{ignored}two mappings share a page", "puts one page into two mappings"],
        "I5": [f"{ignored}{n} pages end up in no mapping", f"leaves {n} pages in no mapping"],
        "I4": [f"reports success, and {left}", "reports success without the effect", "reports a false success"],
    }
    for invariant in filter(what.__contains__, gravest_first):
        return gravest_first[invariant]
    return [f"returns {result}"] if result.startswith("E") else ["does what was asked"]


def _call(run: Run) -> str:
    """The call as a reader would write it, with lengths in pages, and the room in the list."""
    call, page, room = run.scenario.arguments, run.scenario.machine.page, run.scenario.below_limit
    target = f", to {call.new_addr:#x}" if call.fixed else ""
    places = f"The list has room for {room} more mapping{'s' * (room != 1)}." if room else "The list is full."
    return f"mremap({call.addr:#x}, {call.old_len // page} → {call.new_len // page} pages{target}). {places}"


def _alt(run: Run, after: Space, broken: list[Broke]) -> str:
    mappings = ", ".join(f"{v.start:#x} to {v.end:#x} {v.prot}" for v in after.vmas) or "no mapping"
    damage = "".join(f" {event.invariant} broken: {event.what}." for event in broken)
    pages = f"present pages: {len(after.pages)}"
    return f"{_call(run)} Returned {run.numbers['returned']}. After it: {mappings}; {pages}.{damage}"


# ---- step by step ----

STORIES = {
    "One page onto a full list": Scenario(call="move into a mapping", below_limit=0),
    "A move of nothing": Scenario(call="move nothing", below_limit=8),
}


class _Log(list[Step]):
    """A log that keeps what the address space looked like at each entry."""

    def __init__(self, space: AddressSpace) -> None:
        super().__init__()
        self.space = space
        self.seen = [self.look()]

    def look(self) -> Space:
        return Space(tuple(self.space.vmas), tuple(sorted(self.space.pages.items())), self.space.page)

    def append(self, step: Step) -> None:
        super().append(step)
        self.seen.append(self.look())


def frames(run: Run) -> list[Frame]:
    """One frame a step of the call, with the list as it was then."""
    space, call = run.scenario.space, run.scenario.arguments
    space.log = log = _Log(space)
    with suppress(Stopped):
        run.policy.procedure(space, call, run.policy)
    x = window(run.scenario)
    told = [_frame(log.seen[0], x, _start(run), key="start", rule=["do_mremap"])]
    for step, seen in zip(log, log.seen[1:]):
        first, (say, rule, mark) = step is log[0], _told(step)
        fails = isinstance(step, Unmapped) and step.result and step.end > step.start
        asks = _question() if first and fails else None
        told.append(_frame(seen, x, say, key=str(step) if first else "", rule=[rule], mark=mark, ask=asks))
    return [*told, _end(run, log.seen[-1], x, of_kind(run.events, Broke))]


def _frame(space: Space, x: Group, say: str, **more: object) -> Frame:
    return Frame(say, {"addresses": addresses(space, x, "addresses")}, **more)  # type: ignore[arg-type]


def _start(run: Run) -> str:
    call, page = run.scenario.arguments, run.scenario.machine.page
    if not call.new_len:
        return f"`mremap` is to move nothing from {call.addr:#x} to {call.new_addr:#x}: both lengths are zero."
    pages = f"{call.old_len // page} page{'s' * (call.old_len > page)}"
    return f"`mremap` is to move {pages} from {call.addr:#x} to {call.new_addr:#x}. The list of mappings is full."


def _told(step: Step) -> tuple[str, str, str]:
    """What a frame says of a step, the rule that is lit, and the frame's mark."""
    match step:
        case Unmapped(start, end, result):
            return _unmapped(start, end, result), "do_munmap", ""
        case Ignored(_, result):
            return f"The return value, {name_of(result)}, is ignored.", "do_mremap", "the error is ignored"
        case Moved(_, target, pages, lost):
            moves = f"moves one entry to {target:#x}." + " The page there is lost." * bool(lost)
            says = f"`move_page_tables` {moves if pages else 'has no entry to move.'}"
            return says, "move_page_tables", "the entry moves"
        case Mapped(start, _, _):
            says = f"`insert_vm_struct` enters the range at {start:#x} into the list."
            return says, "insert_vm_struct", "a second mapping"
        case Asserted():
            says = "`insert_vm_struct` finds the place taken. A real kernel stops here. The model goes on."
            return says, "insert_vm_struct", ""
    return "The call goes on.", "move_page_tables" if isinstance(step, MovedBack) else "insert_vm_struct", ""


def _unmapped(start: int, end: int, result: int) -> str:
    if start == end:
        return f"`do_munmap` of nothing at {start:#x} returns EINVAL. Every move does so: it counts as no error."
    if result:
        return f"`do_munmap`: a hole at {start:#x} would split one mapping. There is no room: {name_of(result)}."
    return f"`do_munmap` unmaps the old range at {start:#x}."


def _question() -> Ask:
    choices = ("return the error", "go on with the move", "unmap something else first")
    why = "Nothing has happened yet, so the error costs nothing. One kernel returns it and one ignores it."
    wrong = ("", "Then the target is still mapped when the entry arrives.", "Nobody asked for that memory to go.")
    return Ask("do_munmap returns ENOMEM. What should mremap do now?", choices, 0, why, wrong)


def _end(run: Run, space: Space, x: Group, broken: list[Broke]) -> Frame:
    result = str(run.numbers["returned"])
    if result == DIED:
        return _frame(space, x, "The kernel follows a pointer that nobody had set, and dies.", end="bad")
    if not broken:
        end = "and nothing has changed." if result.startswith("E") else "and every page has its mapping."
        return _frame(space, x, f"`mremap` returns {result}, {end}", rule=["do_mremap"], end="good")
    names = " and ".join(event.invariant for event in broken)
    what = {
        "I1": "A mapping holds no byte: tearing it down hits an assertion.",
        "I2": "Two mappings hold one page.",
        "I5": "Two pages lie in no mapping.",
    }.get(broken[0].invariant, "The list does not say what happened.")
    say = f"`mremap` reports success. {what} {names} {'is' if len(broken) == 1 else 'are'} broken."
    return _frame(space, x, say, rule=["do_mremap"], end="bad", mark="the end")


def story(case: Scenario) -> Story:
    """The call on the unpatched and the patched kernel, side by side."""
    title = "moving one page onto a full list" if case.arguments.new_len else "moving nothing"
    return Story(title, STATES, RULES, tracks(model, frames, case))


# ---- any call, a line a step ----

WORDS: dict[type, Callable[[Any], str]] = {
    Unmapped: lambda e: f"do_munmap [{e.start:#x}, {e.end:#x}): {name_of(e.result) if e.result else 'done'}",
    Ignored: lambda e: f"{name_of(e.result)} ignored: {e.step}",
    Moved: lambda e: (
        f"page-table entries moved from {e.source:#x} to {e.target:#x}: {e.pages}"
        + (f", onto present ones: {e.overwritten}" if e.overwritten else "")
    ),
    MovedBack: lambda e: f"no page table for {e.target:#x}: entries moved back, [{e.start:#x}, {e.end:#x}) cleared",
    Mapped: lambda e: f"[{e.start:#x}, {e.end:#x}) {'joined to a neighbour' if e.joined else 'entered into the list'}",
    Asserted: lambda e: f"assertion in {e.where}",
    Followed: lambda e: f"an unset pointer followed in {e.where}: the kernel dies",
    Returned: lambda e: f"returned {name_of(e.result)}",
    Broke: lambda e: f"{e.invariant} broken: {e.what}",
}


def told(event: Event) -> str:
    """One step of a call as a line, addresses as a reader knows them; "" for the states before and after.

    >>> for event in model.simulate(Scenario(call="shrink in the middle"), model.POLICIES[model.UNPATCHED]).events:
    ...     print(told(event), end="\\n" if told(event) else "")
    do_munmap [0x42000, 0x44000): ENOMEM
    ENOMEM ignored: shrinking
    returned 0x40000
    I4 broken: success, and yet 2 pages are still mapped at 0x42000
    """
    return WORDS[type(event)](event) if type(event) in WORDS else ""
