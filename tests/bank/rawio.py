"""Right and wrong answers to the exercises of rawio."""

from bank import Case


def count(pages: str, covered: str) -> str:
    return f"va, length, page, got = 0x1FF0, 0x20, 4096, 1\nmine = ({pages}, {covered})\n"


def keep(walked: str, recorded: str, released: str = "0") -> str:
    return f"def keep(va, length, page, got):\n    return {walked}, {recorded}, {released}\n"


WANTED = "pages_wanted(va, length, page)"
CUT = "min(length, got * page - va % page)"
WITH_END = """\
def keep(va, length, page, got):
    first = va - va % page
    end = min(first + got * page, va + length)
    return [got, end - va, 0]
"""
FULL_OR_NOT = """\
def keep(va, length, page, got):
    wanted = pages_wanted(va, length, page)
    if got == wanted:
        return wanted, length, 0
    return got, page - va % page + (got - 1) * page, 0
"""
STRICT = """\
def keep(va, length, page, got):
    if got < pages_wanted(va, length, page):
        return 0, 0, got
    return got, length, 0
"""

BANK = {
    "count": Case(
        right=(
            (count("2", "16"), None),
            (count("(va + length - 1) // page - va // page + 1", "page - va % page"), None),
            ("mine = [2, 0x10]\n", None),
        ),
        wrong=(
            (count("1", "32"), "began on a page border"),
            (count("16", "2"), "the pages come first"),
            (count("3", "16"), "One page too many"),
            (count("0", "16"), "Number them"),
            (count("2", "4096"), "do not belong to the buffer"),
            (count("2", "64"), "the bytes are not"),
            (count("2", "0x20"), "the bytes are not"),  # the length that the kernel before records
            ("mine = 2\n", "Give two numbers"),
            (count("'2'", "16"), "Give two numbers"),
        ),
        secret=(r"va // page", r"min\(length"),
    ),
    "keep": Case(
        right=((keep("got", CUT), None), (WITH_END, None), (FULL_OR_NOT, None)),
        wrong=(
            (keep(WANTED, "length + 0"), "walks 4 pointers"),  # the kernel before
            (keep("got", "length"), "and the pages cover fewer"),  # the what-if: walk less, keep the length
            (keep(WANTED, CUT), "not all of them were set"),
            (keep("got", "min(length, got * page)"), "1 of 5 pages got"),
            (keep("got", "got * page - va % page"), "more than were asked for"),
            (keep("got", "min(length, (got - 1) * page)"), "and the pages cover more"),
            (keep("got - 1", CUT), "is not flushed"),
            (STRICT, "They are to be kept"),
            (keep("got", CUT, "got"), "for the disk to write into"),
            ("def keep(va, length, page, got):\n    return got\n", "Give three numbers"),
            ("def keep(va, length, page, got):\n    return 'yes'\n", "Give three numbers"),
            (keep("got", "None"), "Give three numbers"),
        ),
        raises=((keep("wanted", "length"), 2, "NameError"),),
        secret=(r"got \* page - va", r"min\(length"),
    ),
    "thrown": Case(
        right=(
            ("mine = Scenario(limit_kib=508)\n", 508),
            ("mine = Scenario()\n", 256),
            ("mine = Scenario(length_kib=4096, limit_kib=3 * 512 + 508)\n", 508),
        ),
        wrong=(
            ("mine = Scenario(limit_kib=65536)\n", "every page is got"),
            ("mine = Scenario(limit_kib=512)\n", "no chunk is"),
            ("mine = Scenario(limit_kib=0)\n", "no chunk is"),
            (
                "from vmteach.machine import PRESETS\nmine = Scenario(machine=PRESETS['64-bit 64 GB'])\n",
                "follows a stale pointer",
            ),
            ("mine = Scenario(length_kib=1 << 20)\n", "Take a read of 16384 KiB"),
            ("mine = 508\n", "not a Scenario"),
            (
                "from dataclasses import replace\nmine = Scenario(machine=replace(Scenario().machine, cpus=3))\n",
                "machines in `PRESETS`",
            ),
        ),
        secret=(r"limit_kib=508", r"\b127\b"),
    ),
}

GOALS = {
    "none": (
        ({}, "not yet", "walks 64 stale pointers"),
        ({"limit_kib": 512}, "right", "no page at all"),
        ({"limit_kib": 0}, "right", "no page at all"),
        ({"limit_kib": 1024}, "not yet", "less room than the read"),
        ({"limit_kib": 640}, "not yet", "stale pointers"),
    ),
    "memory": (
        ({}, "not yet", "room enough for the read"),
        ({"limit_kib": 65536}, "not yet", "walks no stale pointer"),
        ({"limit_kib": 65536, "machine": "32 MB", "vm_cache_scan_ratio": 20}, "right", "memory ended"),
        ({"limit_kib": 65536, "machine": "1 GB", "vm_cache_scan_ratio": 60}, "not yet", "walks no stale pointer"),
    ),
}
