"""Right and wrong answers to the exercises of csum_trail."""

from bank import Case


def tail(rule: str) -> str:
    return f"def width(address, left):\n    return {rule}\n"


BANK = {
    "touched": Case(
        right=(
            ("touched = (4093, 4096)\n", None),
            ("touched = (4093.0, 4096.0)\n", None),
            ("start = 4091 + 2\ntouched = [start, start + 4 - 1]\n", None),
        ),
        wrong=(
            ("touched = (4093, 4095)\n", "added to the sum"),  # the mask for the load: the bug's own thought
            ("touched = (4092, 4095)\n", "The patched kernel ends with that load"),
            ("touched = (4093, 4097)\n", "You name 5 bytes"),
            ("touched = (4091, 4095)\n", "You name 5 bytes"),
            ("touched = (4091, 4092)\n", "not its last one"),
            ("touched = (4096, 4093)\n", "is to be the lower one"),
            ("touched = (4091, 4094)\n", "No load of this kernel is like that"),
            ("touched = (4096, 4096)\n", "No load of this kernel is like that"),
            ("touched = 4093\n", "Write two whole numbers"),
            ("touched = (4093.5, 4096.0)\n", "Write two whole numbers"),
            ("touched = range(4093, 4097)\n", "Write two whole numbers"),
        ),
        secret=(r"\b4093\b", r"\b4096\b"),
    ),
    "tail": Case(
        right=(
            (tail("min(left, 2)"), None),
            (tail("1 if left % 2 else 2"), None),
            ("width = lambda address, left: left & -left\n", None),
        ),
        wrong=(
            (tail("4 if left else 0"), "of the next page"),  # the unpatched kernel
            (tail("4 if address % 4096 + 4 <= 4096 else 1"), "No load leaves the page"),  # the patch
            (tail("4 if address % 4 == 0 else 1"), "No load leaves the page"),  # aligned, as in the patched kernel
            (tail("1"), "2 bytes left from byte 98 on, you make 2 loads"),
            (tail("2 if left >= 2 and address % 2 == 0 else 1"), "you make 2 loads: too many"),
            (tail("2"), "you touch 1 byte of the next page"),
            (tail("4 if left == 3 else left"), "of the next page"),
            (tail("left"), "asks for 3"),
            (tail("left / 1"), "asks for 3.0"),
            (tail("left > 1"), "gives a bool"),
            ("def width(address, left):\n    min(left, 2)\n", "is there a `return`?"),
            ("width = 2\n", "Hand in the function"),
        ),
        secret=(r"left >= 2", r"min\(left"),
        raises=(
            (tail("{1: 1, 2: 2}[left]"), 2, "KeyError: 3"),
            (tail("1 // (left - 1)"), 2, "ZeroDivisionError"),
        ),
    ),
    "cost": Case(
        right=(
            ("mine = Scenario(length=4, behind=4096 - 4 - 1)\n", 200),
            ('mine = Scenario(machine=PRESETS["256 MB"])\n', 50),  # nothing can harm there
            ('mine = Scenario(length=2, behind=1, neighbour="in use")\n', 100),
            ("mine = Scenario(length=8, behind=3)\n", 100),
            ("mine = Scenario(length=1460, behind=3)\n", 0.5),
        ),
        wrong=(
            ("mine = Scenario(length=1459)\n", "has an oops there"),  # the packet of the chapter
            ("mine = Scenario(length=6, behind=1)\n", "has an oops there"),
            ("mine = Scenario(length=1460)\n", "both prologues do the same"),
            ("mine = Scenario(length=4, behind=4)\n", "begins at byte 4088"),
            ("mine = Scenario(length=4, behind=5)\n", "equally many loads, even with an odd start, as byte 4087 is"),
            ("mine = Scenario(length=1, behind=4)\n", "as byte 4091 is"),
            ("mine = Scenario(vm_cache_scan_ratio=1)\n", "has an oops there"),
            ("mine = 4\n", "not a Scenario"),
            (
                "from dataclasses import replace\nmine = Scenario(replace(PRESETS['64 GB'], page=8192))\n",
                "Take a machine of the panel",
            ),
        ),
        secret=(r"length=4\b", r"behind=3\b"),
    ),
}

GOALS = {
    "earlier": (
        ({}, "not yet", "ends where its page does"),
        ({"length": 2, "behind": 1}, "right", "1 byte left in the page"),
        ({"length": 1, "behind": 2}, "right", "2 bytes left in the page"),
        ({"length": 2, "behind": 1, "machine": "256 MB"}, "not yet", "on this machine it is there"),
        ({"length": 4, "behind": 2}, "not yet", "No load of the unpatched kernel leaves the page"),
        (
            {"length": 2, "behind": 1, "policies": ["bit 1, checked tail"]},
            "not yet",
            "Show the kernel 'unpatched'",
        ),
    ),
    "unharmed": (
        ({}, "not yet", "an oops"),
        ({"machine": "256 MB"}, "right", "nobody notices"),
        ({"machine": "64-bit 64 GB", "length": 1459}, "right", "nobody notices"),
        ({"machine": "256 MB", "length": 6}, "not yet", "No load of the unpatched kernel leaves the page"),
        ({"machine": "1 GB", "length": 3}, "not yet", "an oops"),
    ),
}
