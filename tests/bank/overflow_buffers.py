"""Right and wrong answers to the exercises of overflow_buffers."""

from bank import Case

BANK = {
    "seen": Case(
        right=(
            ("def seen(true):\n    return (true & 2**32 - 1) >> 12\n", None),
            ("def seen(true):\n    while true >= 2**32:\n        true -= 2**32\n    return true // 4096\n", None),
            ("seen = lambda true: true // 4096 % 2**20\n", None),
        ),
        wrong=(
            ("def seen(true):\n    return true // 4096\n", "goes on growing"),
            ("def seen(true):\n    return min(true, 2**32 - 1) // 4096\n", "stops at its largest value"),
            ("def seen(true):\n    return true % 2**32\n", "those are bytes"),
            ("def seen(true):\n    return true // 4096 % 2**32\n", "goes on growing"),
            ("def seen(true):\n    return true // 512 % 2**32 // 8\n", "goes on growing"),  # the kernel after
            ("def seen(true):\n    true // 4096\n", "is there a `return`?"),
            (
                "def seen(true):\n    return (true - 2**32 if true >= 2**32 else true) // 4096\n",
                "your counter shows 6291461",
            ),
            ("def seen(true):\n    return 'many'\n", "gives a str"),
            ("def seen(true):\n    return true // 4096 % 2**16\n", "nothing has wrapped there yet"),
            ("def seen(true):\n    return (true // 4096 + (true >= 2**32)) % 2**20\n", "your counter shows 1 pages"),
        ),
        secret=(r"% ?2 ?\*\* ?32",),
        raises=(("def seen(true):\n    return 1 // 0\n", 2, "ZeroDivisionError"),),
    ),
    "unit": Case(
        right=(
            ("mine = Policy(9)\n", None),
            ("mine = Policy(shift=len(bin(512)) - 3)\n", None),
            ("mine = Policy(9.0)\n", None),
        ),
        wrong=(
            ("mine = Policy(shift=12)\n", "A buffer of 512 bytes counts as 0 bytes"),
            ("mine = Policy(shift=10)\n", "A buffer of 512 bytes counts as 0 bytes"),
            ("mine = Policy(shift=8)\n", "wraps at 1024 GiB. It can be made to wrap later"),
            ("mine = Policy(shift=1)\n", "wraps at 8 GiB. It can be made to wrap later"),  # hardly better than before
            ("mine = 9\n", "Hand in a `Policy(...)`"),
            ("mine = Policy(shift=-1)\n", "a whole number from 0 to 32"),
        ),
        secret=(r"shift=9", r"\b9\b"),
    ),
    "forget": Case(
        right=(
            ('mine = Scenario(machine=PRESETS["8 GB"], writers=NEVER_WAITS)\n', 4),
            ('mine = Scenario(PRESETS["32 GB"], 6, "never wait", 512)\n', 28),
            ('mine = Scenario(machine=PRESETS["64 GB"], writers=NEVER_WAITS)\n', 56),
        ),
        wrong=(
            ('mine = Scenario(machine=PRESETS["64 GB"])\n', "Everything dirty is seen"),  # the kernel as it was
            ('mine = Scenario(machine=PRESETS["4 GB"], writers=NEVER_WAITS)\n', "only 3.6 GiB can be dirty here"),
            ('mine = Scenario(machine=PRESETS["64-bit 64 GB"], writers=NEVER_WAITS)\n', "A word of 64 bits"),
            ("mine = Scenario(vm_cache_scan_ratio=1)\n", "Everything dirty is seen"),
            ("mine = Policy(0)\n", "Hand in a `Scenario(...)`"),
            (
                "from dataclasses import replace\nmine = Scenario(replace(PRESETS['64 GB'], ram=2**41))\n",
                "Take a machine of the panel",
            ),
        ),
        secret=(r"NEVER_WAITS", r"never wait"),
    ),
}

GOALS = {
    "truth": (
        ({}, "not yet", "Before prints"),
        ({"machine": "1 GB"}, "not yet", "There is a larger machine"),
        ({"machine": "4 GB"}, "right", "on the next larger machine they do not agree"),
        ({"machine": "64-bit 64 GB"}, "not yet", "The words are to have 32 bits"),
        ({"machine": "4 GB", "policies": ["unpatched (bytes)"]}, "not yet", "Show the kernel 'patched (sectors)' too"),
    ),
    "smallest": (
        ({}, "not yet", "sees all that is dirty"),
        ({"machine": "8 GB", "writers": "never wait"}, "right", "on the next smaller machine all are"),
        ({"machine": "32 GB", "writers": "never wait"}, "not yet", "There is a smaller machine"),
        ({"machine": "4 GB", "writers": "never wait"}, "not yet", "sees all that is dirty"),
    ),
}
