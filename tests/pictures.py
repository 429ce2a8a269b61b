"""Pictures and stories made by hand, for the tests of the page: every form once, and how a storm begins."""

from vmteach.figures.scene import (
    Area,
    Box,
    Bracket,
    Cell,
    Column,
    Edge,
    Line,
    Link,
    Mark,
    Note,
    Outline,
    Scene,
    Span,
    Stay,
    axis,
    bands,
    belt,
    chart,
    grid,
    lanes,
    nodes,
    ring,
    row,
    script,
    strip,
)
from vmteach.figures.story import Ask, Frame, Story

STATES = {
    "C": (["clean file pages", "clean"], "data"),
    "M": (["in use (mapped)", "in use"], "in use"),
    "D": (["dirty, unmapped", "dirty"], "attention"),
    "S": (["has a slot, unwritten", "unwritten"], "promised"),
    "W": (["being written", "writing"], "moving"),
    "K": (["written: clean", "written"], "done"),
}
MORE = {
    **STATES,
    "Z": ("zeros", "nothing"),
    "O": ("other", "other"),
    "B": (["copying", ""], "busy"),
    "P": ("waits", "waits"),
    "X": ("waits for ever", "blocked"),
}
GIB = 1 << 30


TAKEN = [(0, 0), (30, 4.5 * GIB), (50, 4.5 * GIB), (77, 8.4 * GIB), (292, 8.4 * GIB)]
WRITTEN = [(0, 0), (118, 0), (195, 4.5 * GIB), (215, 4.5 * GIB), (282, 8.4 * GIB), (292, 8.4 * GIB)]
WAITS = [
    (0, 77, ["waits 1 min 17 s", "77 s"]),
    (118, 282, ["waits 2 min 44 s for 32 pages (128 KiB)", "waits 2 min 44 s", "164 s"]),
]
DEBT = Area("promised", TAKEN, WRITTEN, ["the debt: 8.4 GiB reserved, none of it written", "the debt: 8.4 GiB", "debt"])


def swap(kernel: str) -> Scene:
    """Chart, strip and bands on one time axis, as chapter 8 has them."""
    if kernel == "unpatched":
        clause = ["reserves 8.4 GiB of swap and writes none", "writes 8.4 GiB to swap"]
        return _swap(clause, 292, (TAKEN, WRITTEN), WAITS, areas=[DEBT])
    up, note = [(0, 0), (77, 4.5 * GIB), (150, 4.5 * GIB)], "One wait instead of two, and about half as much written."
    waits = [(0, 99, ["waits 1 min 39 s for 32 pages", "99 s"])]
    return _swap(["writes what it reserves"], 150, (up, up), waits, note=note)


def _swap(clause, end, swap, waits, areas=(), note="") -> Scene:
    time, room, pages = axis("time", 0, end, "s"), axis("swap", 0, 9 * GIB, "B"), axis("list", 0, 13 * GIB, "B")
    lines = [
        Line("promised", swap[0], ["swap reserved", "reserved"]),
        Line("done", swap[1], ["written to swap", "written"]),
    ]
    shade, done = [(a, b) for a, b, _ in waits], (end, ["done after 4 min 52 s", "done"])
    spans = [Span("P", a, b, words) for a, b, words in waits]
    copying = Span("B", waits[0][1], waits[1][0] if len(waits) > 1 else end)
    return Scene(
        clause,
        [
            chart("swap", time, room, lines=lines, areas=list(areas), shade=shade, end=done),
            strip("copy", [*spans, copying], time),
        ],
        "Swap reserved and written over time.",
        MORE,
        {"longest wait": "2 min 44 s"},
        more=lambda: [bands("inactive list", time, pages, [_column(i) for i in range(end // 2)], 2)],
        note=note,
    )


def _column(i: int) -> list[tuple[str, float]]:
    slices = [("C", GIB / 9), ("M", GIB / 9)] * 9
    return [("D", max(0, 6 - i / 20) * GIB), ("C", 2 * GIB), ("S", min(5, i / 20) * GIB), *slices]


def sectors() -> Scene:
    disk = axis("sector", 1992, 2008, "sector")
    asked = [Cell("O", 1992, 8, "block 249"), Cell("D", 2000, 8, "block 250", id="b250")]
    read = [Cell("C", 1992, 8, "true data"), Cell("S", 2000, 2, ["EIO: 2 sectors", "EIO"])]
    edge = [Edge(2002, "end of the disk")]
    return Scene(
        "refuses the last 1,024 bytes",
        [row("asked for", asked, disk, edge), row("read", read, disk, edge)],
        "Rows.",
        MORE,
    )


def bytes_() -> Scene:
    x = axis("byte", 4084, 4100, "byte")
    cells = [
        Cell(
            "O" if n < 4089 else "K" if n < 4093 else "D" if n < 4096 else "S" if n < 4097 else "Z", n, 1, str(n % 100)
        )
        for n in range(4084, 4100)
    ]
    over = [Bracket(4089, 4093, "load 1"), Bracket(4093, 4097, ["load 2: faults", "load 2"], "alert")]
    return Scene("loads byte 4096", [row("byte 40..", cells, x, [Edge(4096, "page edge")], over)], "Bytes.", MORE)


def addresses() -> Scene:
    x = axis("address", 0x10, 0x49, "hex", ticks=[0x10, 0x40, 0x44], windows=[(0x10, 0x14), (0x40, 0x48)])
    cells = [
        *(Cell("C", 0x10 + n, 1, f"s{n}", f"s{n}") for n in range(1, 4)),
        *(Cell("D", 0x40 + n, 1, f"d{n}", f"d{n}") for n in range(8) if n != 4),
    ]
    cells += [Cell("Z", 0x10, 1), Cell("S", 0x44, 1, "s0", "s0")]
    over = [
        Bracket(0x10, 0x14, "mapping 1"),
        Bracket(0x40, 0x48, "mapping 2"),
        Bracket(0x44, 0x45, ["mapping 3", "3"], "alert", 1),
    ]
    return Scene(
        "maps a page twice",
        [row("addresses", cells, x, brackets=over)],
        "Addresses.",
        MORE,
        links=[Link("addresses@16.5", "moves", "addresses@68.5", "move_page_tables")],
    )


def stack() -> Scene:
    x = axis("address on the stack", 0, 8192, "B")
    cells = [
        Cell("C", 0, 1600, "task struct"),
        Cell("M", 1600, 2500, "frames"),
        Cell("D", 4100, 4092, "array 1"),
        Cell("S", 100, 4000, ["array 2: overruns the stack", "array 2"], level=1),
    ]
    return Scene(
        "overruns its stack",
        [row("stack", cells, x, [Edge(1600, "end of the stack", "alert")], note="The stack grows to the left.")],
        "A stack.",
        MORE,
    )


def threads() -> Scene:
    steps = axis("step", 0, 12, "step")
    stays = [
        Stay("R0", 0, "C", 0, None, "Q0"),
        Stay("R0", 1, "X", 7, None, "waits for H"),
        Stay("E", 1, "D", 4, None, "H"),
        Stay("E", 0, "X", 9, None, ["waits for Q0, which R0 holds", "waits for Q0", "Q0"]),
    ]
    return Scene(
        "deadlocks after 10 steps",
        [
            lanes(
                "steps",
                [("R0", "dispatcher of disk 0"), ("E", "error recovery")],
                stays,
                steps,
                [Mark(5, ["no way back from here", "no way back"], "alert")],
                ["queue", "host"],
            ),
            nodes("locks", ["R0", "E"], ["Q0", "H"]),
        ],
        "Lanes.",
        MORE,
        links=[Link("R0", "holds", "Q0"), Link("R0", "waits", "H"), Link("E", "holds", "H"), Link("E", "waits", "Q0")],
    )


def table() -> Scene:
    heads = ["1: all", "2", "3", "6: default", "10", "20", "60"]
    rows = [
        (m, [Box(n / 100, str(n), {"machine": m}) for n in numbers])
        for m, numbers in [
            ("32 MB", (99, 79, 68, 55, 52, 52, 51)),
            ("8 GB", (98, 65, 65, 97, 69, 66, 72)),
            ("64-bit 64 GB", (100, 80, 80, 100, 83, 82, 84)),
        ]
    ]
    return Scene(
        "saves the copy everywhere",
        [
            grid(
                "",
                heads,
                rows,
                [
                    Outline(0, 0, 2, 0, "96 % or more"),
                    Outline(0, 3, 2, 3, ["20 to 100 %: good from 8 GB up", "20 to 100 %"], True),
                ],
                "machine",
            )
        ],
        "A map.",
        MORE,
    )


def dump() -> Scene:
    boxes = [[Box("D" if n in (4, 5) else "", f"{(r * 37 + n * 11) % 256:02x}") for n in range(16)] for r in range(2)]
    return Scene(
        "reads the wrong field",
        [
            grid(
                "the file's first bytes",
                [f"{n:x}" for n in range(16)],
                [("0x00", boxes[0]), ("0x10", boxes[1])],
                mono=True,
            )
        ],
        "A dump.",
        MORE,
    )


def counter() -> Scene:
    x, y = axis("dirty", 0, 0.7 * GIB, "B"), axis("counter", 0, 1.0, "")
    return Scene(
        "stops at 538 MiB",
        [
            chart(
                "counter",
                x,
                y,
                [Line("blue", [(0, 0), (0.54 * GIB, 0.8)], "counter")],
                notes=[Note(0.54 * GIB, 0.8, ["the writer must wait", "waits"], "alert", True)],
                beyond=[("right", 0.3, ["the counter wraps at 4 GiB, 7.6 times as far", "wraps at 4 GiB"])],
            ),
            chart(
                "per second",
                axis("second", 1, 32, "second"),
                axis("so", 0, 64 << 20, "B"),
                columns=[Column(1, 1 << 20, "done"), Column(32, 63 << 20, "done", "63 MiB")],
                spans=[(8, 31, 0, ["24 seconds: nothing written", "nothing"])],
                low=True,
            ),
        ],
        "A chart.",
        MORE,
    )


def all_forms() -> dict[str, list[tuple[str, Scene]]]:
    """Every picture, as panels."""
    one = {
        f.__name__: [("unpatched", f()), ("patched", f())]
        for f in (sectors, bytes_, addresses, stack, threads, counter)
    }
    alone = {f.__name__: [("patched", f())] for f in (table, dump)}
    return {"swap": [("unpatched", swap("unpatched")), ("patched", swap("patched"))], **one, **alone}


# ---- how a storm begins: 22 shared pages, 2 file pages, requests for 2 ----

RULES = {
    "shrink_cache": "takes the tail page and moves it to the head",
    "shmem_writepage": "gives the page a slot on the swap disk",
    "swap_writepage": "writes a page that has a slot",
    "swap_out": "walks page tables; pages in use go back to the active list",
    "refill_inactive": "moves pages from the active list: the shorter the inactive list, the more",
}


FILES, USE, DIRTY = [("C", 22), ("C", 23)], [("M", n) for n in range(10)], [("D", n) for n in range(10, 22)]
HOW_MANY = Ask(
    "How many pages does the unpatched kernel convert before it writes one?",
    ["6", "12", "22"],
    1,
    "All 12 dirty pages stand in front of the first converted one.",
    ["The run is longer.", "", "Ten of them are in use."],
)


class Telling:
    """The frames of one kernel, made one by one."""

    def __init__(self, writes: bool) -> None:
        self.writes, self.frames = writes, []

    def see(self, say, inactive, active=(), rule=(), counts=(0, 0, 0), **more) -> None:
        taken, written, freed = counts
        groups = {
            "inactive": ring("inactive list", inactive, 24, f"active list: {len(active)}"),
            "active": belt("active list", list(active)),
        }
        gauges = {"slots taken": (taken, 12), "writes begun": (written, 12), "freed": (freed, 2)}
        self.frames.append(Frame(say, groups, f"step {len(self.frames)}", rule, gauges=gauges, **more))

    def collapse(self) -> None:
        """The inactive list empties, and all pages come at once."""
        rest = USE[8:] + DIRTY
        self.see("All shared memory is on the active list.", FILES, USE + DIRTY)
        self.see("Quota 2 x 22 / (2 x 2 + 1) = 8: eight pages move.", [*FILES, *USE[:8]], rest, ["refill_inactive"])
        said, mark = "A clean file page is freed at once.", "file pages"
        self.see(said, [FILES[1], *USE[:8]], rest, ["shrink_cache"], (0, 0, 1), mark=mark)
        said, rules = "Five pages in use. More than 2 x 2: call swap_out.", ["shrink_cache", "swap_out"]
        self.see(said, USE[5:8] + USE[:5], rest, rules, (0, 0, 2))
        said, mark = "All were in use: they go to the active list.", "inactive list at 0"
        note = "Divide by an empty list and the quota explodes."
        self.see(said, [], DIRTY + USE, ["swap_out"], (0, 0, 2), mark=mark, note=note)
        self.see("Quota 2 x 22 / (2 x 0 + 1) = 44: all 22 move.", DIRTY + USE, [], ["refill_inactive"])

    def convert(self, n: int) -> None:
        """Page 10 + n gets its slot; with writes, its write starts too."""
        before = [page for _, page in DIRTY[: n + 1]]
        done = [("W" if n - i < 2 else "K", page) if self.writes else ("S", page) for i, page in enumerate(before)]
        words = "its write starts at once." if self.writes else "it goes to the head, **unwritten**."
        self.see(
            f"The scan takes page {10 + n} from the tail. It gets a slot, and {words}",
            [*DIRTY[n + 1 :], *USE, *done],
            rule=["shrink_cache", "shmem_writepage", *["swap_writepage"] * self.writes],
            counts=(n + 1, (n + 1) * self.writes, 0),
            hot=[str(10 + n)],
            note="No debt." if self.writes else f"A debt of {n + 1} pages. Nothing is free.",
            ask=HOW_MANY if n == 4 and not self.writes else None,
        )

    def write(self, n: int) -> None:
        """Page 10 + n comes round a second time."""
        pages = [("W" if i <= n else "S", page) for i, (_, page) in enumerate(DIRTY)]
        said, mark = f"Page {10 + n} comes round again and is written.", "first write" if not n else ""
        inactive = [*pages[n + 1 :], *USE, *pages[: n + 1]]
        self.see(said, inactive, [], ["swap_writepage"], (12, n + 1, 0), hot=[str(10 + n)], mark=mark)

    def free(self, **more) -> None:
        said, written = "Pages 10 and 11 are written and clean: they are freed.", [("K", n) for n in range(12, 22)]
        self.see(said, [*USE, *written], [], ["shrink_cache"], (12, 12, 2), **more)


def storm_frames(writes: bool) -> list[Frame]:
    """One kernel: the list collapses, all pages come at once, and each gets a slot."""
    telling = Telling(writes)
    telling.collapse()
    for n in range(12):
        telling.convert(n)
    if writes:
        telling.free(end="good", note="12 pages written.")
        return telling.frames
    for n in range(12):
        telling.write(n)
    telling.free(end="bad", mark="2 pages free", note="12 pages converted, then written, for 2 free pages.")
    return telling.frames


def storm() -> Story:
    return Story(
        "24 pages, requests for 2",
        STATES,
        RULES,
        {"unpatched": storm_frames(False), "patched": storm_frames(True)},
        {"slots taken": "S", "writes begun": "K", "freed": ""},
        [("slots taken", "writes begun")],
    )


HEADS = {"R0": "sends commands to disk 0", "E": "error recovery ends"}
LINES = {
    "R0": [
        ("R1", "lock Q0"),
        ("R2", ["recovery still on? then leave", "recovery on?"]),
        ("R4", "lock H"),
        ("R9", "unlock Q0"),
    ],
    "E": [("E1", "end the recovery"), ("E2", "lock H"), ("E4", "lock Q0"), ("E5", "unlock H")],
}
R0_HAS_Q0, E_HAS_H = Link("R0", "holds", "Q0"), Link("E", "holds", "H")
R0_WANTS_H, E_WANTS_Q0 = Link("R0", "waits", "H"), Link("E", "waits", "Q0")


def _locking(say, r, e, links, waits="", **more) -> Frame:
    at = {"R0": r, "E": e}
    scripts = {name: script(name, LINES[name], at[name], name in waits, HEADS[name]) for name in LINES}
    groups = {**scripts, "locks": nodes("locks", ["R0", "E"], ["Q0", "H"])}
    return Frame(say, groups, links=links, **more)


def two_threads() -> Story:
    """Scripts and a lock graph, in five steps."""
    ring, note = [R0_HAS_Q0, E_HAS_H, R0_WANTS_H, E_WANTS_Q0], "Deadlock. Neither can ever go on."
    start = [
        _locking("Nothing is locked.", 0, 0, []),
        _locking("R0 locks Q0.", 1, 0, ring[:1]),
        _locking("E locks H.", 1, 2, ring[:2], mark="no way back"),
        _locking("R0 wants H. E holds it.", 2, 2, ring[:3], "R0"),
    ]
    said = "E wants Q0. R0 holds it. A ring: deadlock."
    bad = _locking(said, 2, 2, ring, "R0 E", end="bad", mark="both wait", note=note)
    good = _locking("E unlocks H before it asks for Q0.", 2, 2, [R0_HAS_Q0], end="good", note="No ring.")
    return Story("two threads, two locks", {}, {}, {"unpatched": [*start, bad], "patched": [*start, good]})
