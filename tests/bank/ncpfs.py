"""Right and wrong answers to the exercises of ncpfs."""

from bank import Case

HEAD = "def longest(stack, task, depth, arrays):\n    "

BANK = {
    "longest": Case(
        right=(
            (HEAD + "room = stack - (task + depth)\n    return int(room / arrays) - 1\n", None),
            (HEAD + "n = 0\n    while depth + (n + 2) * arrays <= stack - task:\n        n += 1\n    return n\n", None),
        ),
        wrong=(
            (HEAD + "return stack\n", "is too long"),  # the kernel before asks nothing at all
            (HEAD + "return (stack - task - depth) // arrays\n", "What does a string end with?"),
            (HEAD + "return (stack - depth) // arrays - 1\n", "What lies at the low end of the area?"),
            (HEAD + "return stack - task - depth - 1\n", "yours is right for one array"),
            (HEAD + "return 255\n", "a longer name than 255 bytes fits too"),
            (HEAD + "stack - task\n", "is there a `return`?"),
            (HEAD + "return (stack - task - depth) / arrays - 1\n", "is no whole number"),
        ),
        secret=(r"task - depth\) // arrays",),
        raises=((HEAD + "return arrays[0]\n", 2, "TypeError"),),
    ),
    "limit": Case(
        right=(
            ("mine = Policy(2495)\n", None),
            ("import numpy as np\nmine = Policy(np.int64(2495))\n", None),
            ("mine = Policy(longest=(8192 - 1700 - 1500) // 2 - 1)\n", None),
        ),
        wrong=(
            ("mine = Policy(longest=4095)\n", "`rename` with two names at your limit"),  # what a path allows
            ("mine = Policy(longest=4991)\n", "`rename` with two names at your limit"),
            ("mine = Policy(longest=2496)\n", "is 2 bytes too deep"),
            ("mine = Policy(longest=255)\n", "longer than your limit would not overrun either"),
            ("mine = Policy(longest=0)\n", "0 is no test at all"),
            ("mine = Policy(buffer=256)\n", "Keep the arrays"),
            ("mine = 2495\n", "Hand in a `Policy(longest=...)`"),
        ),
        secret=(r"2495",),
    ),
    "lawful": Case(
        right=(
            ('mine = Scenario(operation="lookup", length=1, expansion=3)\n', 255),
            ('mine = Scenario(operation="rename", length=100, second=20, expansion=2)\n', 156),
        ),
        wrong=(
            ('mine = Scenario(operation="lookup", length=256)\n', "it is refused rightly"),
            ('mine = Scenario(operation="lookup", length=100)\n', "takes this name"),
            ('mine = Scenario(operation="lookup", length=200, expansion=3)\n', "Mainline refuses this name too"),
            (
                'mine = Scenario(operation="lookup", length=1, expansion=2, depth=6400)\n',
                "the stack is overrun whatever the name",
            ),
            ("mine = Scenario()\n", "it is refused rightly"),  # what the patch is for
            ("mine = Policy(255)\n", "Hand in a `Scenario(...)`"),
        ),
        secret=(r"expansion=2", r"length=1,"),
    ),
}

GOALS = {
    "deepest": (
        ({}, "not yet", "This name is 3200 bytes too deep"),
        ({"length": 2495}, "right", "to the last byte"),
        ({"length": 1000}, "not yet", "a longer one of the panel"),
        ({"length": 2495, "operation": "lookup"}, "not yet", "is to be `rename`"),
        ({"machine": "64-bit 64 GB"}, "not yet", "larger than 8 KiB"),
    ),
    "roomy": (
        ({}, "not yet", "3200 bytes too deep"),
        ({"machine": "64-bit 64 GB"}, "right", "enough for any name"),
        ({"machine": "64-bit 64 GB", "length": 255}, "not yet", "Try the worst"),
        ({"machine": "64 GB"}, "not yet", "3200 bytes too deep"),
    ),
}
