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
    "guard": Case(
        right=(
            ("mine = Guard(cache=1, normal=1, dma=1)\n", None),
            ("mine = Guard(0, 1, 1, 1)\n", None),
        ),
        wrong=(
            ("mine = Guard(size=1)\n", "can never be cache"),  # 2.4.22
            ("mine = Guard(cache=1, normal=1, dma=1, below=1)\n", "makes your sum smaller"),  # 2.4.23-pre4
            ("mine = Guard(cache=1, normal=2, dma=1)\n", "more in NORMAL your guard counts 2,000 more"),  # 2.4.30
            ("mine = Guard(cache=1, normal=1, dma=1, high=2)\n", "counts 2,000 more. No block device can use them"),
            ("mine = Guard(normal=1, dma=1)\n", "more in cache in low memory your guard counts 0 more"),
            ("mine = Guard(cache=1, normal=1)\n", "more in DMA your guard counts 0 more"),
            ("mine = Guard(cache=1.5, normal=1, dma=1)\n", "Every field of a guard is a whole number"),
            ("mine = Guard(cache=1, normal=-1, dma=1)\n", "Every field of a guard is a whole number"),
            ("mine = (0, 1, 1, 1, 0, 0)\n", "not a Guard"),
        ),
        secret=(r"high=0",),
    ),
    "forget": Case(
        right=(
            ('mine = Scenario(machine=PRESETS["16 GB"], free_high=11)\n', 4),
            ('mine = Scenario(PRESETS["16 GB"], 6, 12)\n', 4),
            ('mine = Scenario(machine=PRESETS["32 GB"])\n', 16),
        ),
        wrong=(
            ('mine = Scenario(machine=PRESETS["64 GB"])\n', "Buffer heads have used up low memory when 3.76 GiB"),
            ('mine = Scenario(machine=PRESETS["8 GB"])\n', "told to wait at 2.93 GiB, before"),
            ("mine = Scenario(free_high=10)\n", "before the counter wraps"),
            ('mine = Scenario(PRESETS["32 GB"], writer="block device")\n', "less than 1 GiB of it"),
            ('mine = Scenario(machine=PRESETS["64-bit 64 GB"])\n', "A word of 64 bits"),
            ("mine = 16\n", "not a Scenario"),
            (
                "from dataclasses import replace\nmine = Scenario(replace(PRESETS['64 GB'], ram=2**41))\n",
                "Take a machine of the panel",
            ),
        ),
        secret=(r"32 GB",),
    ),
}

GOALS = {
    "least": (
        ({}, "not yet", "They also differ with less HIGHMEM"),
        ({"free_high": 10}, "not yet", "both kernels say the same"),
        ({"free_high": 11}, "right", "they say the same"),
        ({"free_high": 11, "machine": "32 GB"}, "right", "they say the same"),
        ({"free_high": 12, "machine": "32 GB"}, "not yet", "They also differ"),
        ({"free_high": 16, "machine": "4 GB"}, "not yet", "both kernels say the same"),
        ({"writer": "block device"}, "not yet", "say the same: wait never"),
        ({"policies": ["unpatched (bytes)"]}, "not yet", "Show the kernel 'patched (sectors)' too"),
    ),
    "device": (
        ({}, "not yet", "Let the writer write a block device"),
        ({"writer": "block device"}, "not yet", "There is a smaller machine"),
        ({"writer": "block device", "machine": "2 GB"}, "right", "until low memory is full"),
        ({"writer": "block device", "machine": "2 GB", "free_high": 1}, "right", "until low memory is full"),
        ({"writer": "block device", "machine": "2 GB", "free_high": 0}, "not yet", "Here the writer is told to wait"),
        ({"writer": "block device", "machine": "1 GB"}, "not yet", "Here the writer is told to wait"),
    ),
}
