"""Right and wrong answers to the exercises of ncpfs."""

from bank import Case

HEAD = "def longest(stack, task, depth, arrays):\n    "

BANK = {
    "longest": Case(
        right=(
            (HEAD + "room = stack - (task + depth)\n    return int(room / arrays / 4) * 4 - 1\n", None),
            (HEAD + "n = 3\n    while depth + (n + 5) * arrays <= stack - task:\n        n += 4\n    return n\n", None),
        ),
        wrong=(
            (HEAD + "return stack\n", "is too long"),  # the unpatched kernel asks nothing at all
            (HEAD + "return (stack - task - depth) // arrays\n", "What does a string end with?"),
            (HEAD + "return (stack - task - depth) // arrays - 1\n", "does not end on a word"),
            (HEAD + "return (stack - depth) // arrays // 4 * 4 - 1\n", "What lies at the low end of the area?"),
            (HEAD + "return (stack - task - depth) // 4 * 4 - 1\n", "yours is right for one array"),
            (HEAD + "return 255\n", "a longer name than 255 bytes fits too"),
            (HEAD + "stack - task\n", "is there a `return`?"),
            (HEAD + "return (stack - task - depth) / arrays - 1\n", "which is no whole number"),
        ),
        secret=(r"task - depth\) // arrays",),
        raises=((HEAD + "return arrays[0]\n", 2, "TypeError"),),
    ),
    "limit": Case(
        right=(
            ("mine = Policy(3127)\n", None),
            ("import numpy as np\nmine = Policy(np.int64(3127))\n", None),
            ("mine = Policy(longest=(8192 - 1440 - 496) // 2 // 4 * 4 - 1)\n", None),
        ),
        wrong=(
            ("mine = Policy(longest=4095)\n", "`rename` with two names at your limit"),  # what a path allows
            ("mine = Policy(longest=6255)\n", "`rename` with two names at your limit"),  # one name
            ("mine = Policy(longest=3128)\n", "is 8 bytes too deep"),
            ("mine = Policy(longest=255)\n", "longer than your limit would not overrun either"),
            ("mine = Policy(longest=0)\n", "0 is no test at all"),
            ("mine = Policy(buffer=256)\n", "Keep the arrays"),
            ("mine = 3127\n", "not a Policy"),
        ),
        secret=(r"3127",),
    ),
    "lawful": Case(
        right=(
            ('mine = Scenario(operation="lookup", length=1, expansion=3)\n', 255),
            ('mine = Scenario(operation="rename", length=100, second=20, expansion=2)\n', 156),
            ('mine = Scenario(operation="create", length=10, expansion=2, on_server=False)\n', 246),
        ),
        wrong=(
            ('mine = Scenario(operation="lookup", length=256)\n', "it is refused rightly"),
            ('mine = Scenario(operation="lookup", length=100)\n', "takes this name"),
            ('mine = Scenario(operation="lookup", length=200, expansion=3)\n', "answers ENOENT too"),
            ('mine = Scenario(operation="lookup", length=2, expansion=2, on_server=False)\n', "answers ENOENT too"),
            (
                'mine = Scenario(operation="lookup", length=1, expansion=2, extra_depth=6400)\n',
                "the stack is overrun whatever the name",
            ),
            ("mine = Scenario()\n", "it is refused rightly"),  # what the patch is for
            ("mine = Policy(255)\n", "not a Scenario"),
        ),
        secret=(r"expansion=2", r"length=1,"),
    ),
}

GOALS = {
    "deepest": (
        ({}, "not yet", "This name is 1,936 bytes too deep"),
        ({"length": 3127}, "right", "to the last byte"),
        ({"length": 1000}, "not yet", "a longer one of the panel"),
        ({"length": 3127, "on_server": False}, "not yet", "ended at the look-up"),
        ({"machine": "64-bit 64 GB"}, "not yet", "larger than 8 KiB"),
    ),
    "roomy": (
        ({}, "not yet", "1,936 bytes too deep"),
        ({"machine": "64-bit 64 GB"}, "right", "enough for any name"),
        ({"machine": "64-bit 64 GB", "length": 255}, "not yet", "Try the worst"),
        ({"machine": "64 GB", "on_server": False}, "not yet", "ended at the look-up"),
        ({"machine": "64 GB"}, "not yet", "1,936 bytes too deep"),
    ),
}
