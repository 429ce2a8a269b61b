"""Right and wrong answers to the exercises of scsi_deadlock."""

from bank import Case

BANK = {
    "pairs": Case(
        right=(
            ('pairs = {("Q", "H")}\n', None),
            ('pairs = [("Q0", "H"), ("Q1", "H")]\n', None),
            ('pairs = (("Q", "H"), ["Q", "H"])\n', None),
        ),
        wrong=(
            ('pairs = {("H", "Q")}\n', "the lock that is held comes first"),
            (
                'pairs = {("Q", "H"), ("H", "Q")}\n',
                'You have ("H", "Q"). Stop at each +Q',
            ),  # those of the unpatched kernel
            ('pairs = {("Q", "H"), ("H", "H")}\n', 'You have ("H", "H")'),
            ('pairs = {("Q", "host")}\n', "You have 'host'"),
            ('pairs = ("Q", "H")\n', "Write pairs of two locks"),
            ('pairs = {("Q", "H", "Q")}\n', "Write pairs of two locks"),
            ("pairs = 1\n", "Write pairs of two locks"),
            ("import itertools\npairs = itertools.cycle([('Q', 'H')])\n", "Write pairs of two locks"),
            ("pairs = []\n", "not all that are there"),
        ),
        secret=(r'"Q", "H"',),
    ),
    "turns": Case(
        right=(
            ('turns = "E E E R0 R0 R0"\n', None),
            ('turns = " ".join(["E"] * 3 + ["R0"] * 4 + ["E"])\n', None),
        ),
        wrong=(
            ('turns = "R0 R0 R0 E E E"\n', "The first three steps"),
            ('turns = "E E R0 E R0 R0"\n', "The first three steps"),
            ('turns = "E E E E E R0"\n', "one of the two can still take a step"),
            ('turns = "E E E R0"\n', "one of the two can still take a step"),
            ('turns = "E E E E R0 R0 R0"\n', "one of the two can still take a step"),
            ('turns = "E E E R1 R1 R1"\n', "turns must name the threads R0, E, got 'R1'"),
            ('turns = ""\n', "The first three steps"),
            ('turns = ["E", "E", "E", "R0", "R0", "R0"]\n', "Write the turns as one text"),
        ),
        secret=(r"E E E R0",),
    ),
    "forgotten": Case(
        right=(
            ('mine = Policy("clear +H [-H +Q run -Q +H] -H")\n', None),
            ('mine = Policy("clear +H -H [+Q run -Q]")\n', None),
        ),
        wrong=(
            ('mine = Policy("clear +H [check +Q -H run +H -Q] -H")\n', "ends in a deadlock"),  # the unpatched kernel
            ('mine = Policy("clear [+Q run -Q]")\n', "yours does without it"),
            ('mine = Policy("clear +H -H [check +Q run -Q]")\n', "behind the blocked one"),
            ('mine = Policy("clear +H [-H +Q check run -Q +H] -H")\n', "thread E must hold H before it gives it"),
            ('mine = Policy("+H [-H +Q run -Q +H] -H")\n', "even when none is blocked"),
            ('mine = Policy("clear +H [-H +Q -Q +H] -H")\n', "even when none is blocked"),
            ('mine = Policy("clear +H [+Q run -Q] -H")\n', "ends in a deadlock"),
            ('mine = Policy("clear +H [-H +Q dispatch -Q +H] -H")\n', "word must be one of"),
            ('mine = Policy("clear +H -H +Q run -Q")\n', "one pair of brackets"),
            ('mine = Policy("clear [run]")\n', "The model cannot run that script"),
            ('mine = Policy("clear +H [check run] -H", split=False)\n', "Keep `split` as it was"),
            ('mine = Policy("clear +H -H [+Q run -Q]" + " +H -H" * 20)\n', "A dozen are enough"),
            ('mine = "clear +H -H [+Q run -Q]"\n', "not a Policy"),
        ),
        secret=(r"\[-H \+Q run -Q", r"`?check`? out"),
    ),
    "idle": Case(
        right=(
            ("mine = Scenario(disks=4, blocked=frozenset({0}))\n", 3),
            ("mine = Scenario(disks=4, dispatchers=0, commands=2, blocked=frozenset({0}))\n", 3),
            ("mine = Scenario(disks=2, blocked=frozenset({0}))\n", 1),
            ("mine = Scenario(disks=4, blocked=[0])\n", 3),
            ("mine = Scenario(disks=4, can_queue=1)\n", 3),
        ),
        wrong=(
            ("mine = Scenario(dispatchers=3, disks=3)\n", "equally many"),
            ("mine = Scenario(disks=2, blocked=frozenset({1}))\n", "equally many"),
            ("mine = Scenario(disks=4, blocked=frozenset({0, 1, 2, 3}))\n", "equally many"),
            ("mine = Scenario(disks=4, commands=0, blocked=frozenset({0}))\n", "equally many"),
            ("mine = Scenario(disks=4, dispatchers=4, blocked=frozenset({0}))\n", "Take three dispatchers or fewer"),
            ("mine = Policy('clear [+Q run -Q]')\n", "not a Scenario"),
        ),
        secret=(r"frozenset\(\{0", r"disks=4"),
    ),
}

GOALS = {
    "crowd": (
        ({}, "not yet", "Set three dispatchers"),
        ({"dispatchers": 3, "disks": 3}, "not yet", "can be reached here"),
        ({"dispatchers": 3, "disks": 3, "machine": "1 GB"}, "right", "none ever finds a lock held"),
        ({"dispatchers": 3, "disks": 2, "machine": "1 GB"}, "not yet", "Set three dispatchers"),
        (
            {"dispatchers": 3, "disks": 3, "machine": "1 GB", "policies": ["patched (form 1)"]},
            "not yet",
            "Show the kernel 'unpatched' too",
        ),
    ),
    "alone": (
        ({}, "not yet", "A cycle, and a deadlock too"),
        ({"machine": "1 GB", "dispatchers": 0}, "not yet", "one CPU"),
        ({"dispatchers": 0}, "right", "two threads that meet"),
        ({"dispatchers": 2, "disks": 2}, "not yet", "a deadlock too"),
    ),
}
