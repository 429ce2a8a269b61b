"""Right and wrong answers to the exercises of mremap_race."""

from bank import Case

SMALL = 'machine=PRESETS["32 MB"]'

BANK = {
    "seen": Case(
        right=(
            ('seen = {"none", "present"}\n', None),
            ('seen = ["present", "none"]\n', None),
            ('seen = {"present"} | {"none"}\n', None),
        ),
        wrong=(
            ('seen = {"present"}\n', "is that all?"),  # what version 1 takes for granted
            ('seen = {"none"}\n', "is that all?"),
            ('seen = {"swap entry"}\n', "Must C have run by then?"),
            ('seen = {"present", "swap entry"}\n', "leave behind"),
            ('seen = {"none", "present", "swap entry"}\n', "leave behind"),
            ('seen = {"null"}\n', "Write a set with some of"),
            ('seen = "none"\n', "Write a set with some of"),
        ),
        secret=(r'\{"none", "present"\}',),
    ),
    "turns": Case(
        right=(
            ('turns = "M M M M M C M C C M M M M"\n', None),
            ('turns = " ".join("MMMMMCCMCMMMM")\n', None),
        ),
        wrong=(
            ('turns = "M M M M M M C C C M M M M C"\n', "before M takes M6"),
            ('turns = "C C C M M M M M M M M M"\n', "before M takes M6"),
            ('turns = "M M M M M C M C"\n', "its last step is M6"),
            ('turns = "M M M M M C M M M M C C M M M M M"\n', "fewer or as many"),
            ('turns = "M M M M M C M C C M M M M M"\n', "fewer or as many"),
            ('turns = "M M M M M E"\n', "turns must name the threads M, C, got 'E'"),
            ('turns = ""\n', "before M takes M6"),
            ('turns = ["M", "M", "C"]\n', "as one text"),
        ),
        secret=(r"M M M M M C",),
    ),
    "repair": Case(
        right=(
            ("mine = Policy(table_first=True)\n", None),
            ("mine = Policy(atomic=False)\n", None),
            ("mine = Policy(False, atomic=False, drops_map=False)\n", None),
            ("mine = Policy(nothing=())\n", None),  # moves an entry that is none, as mainline does
        ),
        wrong=(
            ("mine = Policy(nothing=('none', 'swap entry'))\n", "I1, null dereference"),  # version 1, and more
            ("mine = Policy(skips_if_gone=True)\n", "stays False"),
            ("mine = Policy(rereads=False)\n", "I3, freed page still mapped"),
            ("mine = Policy(drops_map=False)\n", "I4, sleeps with a map"),
            ("mine = Policy(table_first=True, clears_old=False)\n", "I2, two entries"),
            ("mine = Scenario()\n", "not a Policy"),
        ),
        secret=(r"table_first=True", r"atomic=False"),
    ),
    "blind": Case(
        right=(
            (f"mine = Scenario({SMALL}, clearers=0)\n", 3),
            ("mine = Scenario(clearers=0, machine=PRESETS['1 GB'], vm_cache_scan_ratio=60)\n", 3),
            ("mine = Scenario(clearer=Clearer.FILE)\n", 2),
            ("mine = Scenario(clearer='swap_out of a file page')\n", 2),
        ),
        wrong=(
            ("mine = Scenario()\n", "finds 3 of the four"),
            ("mine = Scenario(machine=PRESETS['8 GB'], clearers=2, addr=0)\n", "finds 3 of the four"),
            ("mine = Scenario(clearers=0)\n", "Version 1 does not crash"),
            ("mine = Scenario(clearer=Clearer.ANON)\n", "Version 1 does not crash"),
            (f"mine = Scenario({SMALL}, clearers=0, table_present=True)\n", "Version 1 does not crash"),
            ("mine = Scenario(entry='none', clearer=Clearer.FILE)\n", "Version 1 does not crash"),
            ("mine = Policy()\n", "not a Scenario"),
            (
                "from dataclasses import replace\nmine = Scenario(machine=replace(Scenario().machine, cpus=3))\n",
                "machine of `PRESETS`",
            ),
        ),
        secret=(r"32 MB", r"clearers=0"),
    ),
}

GOALS = {
    "alone": (
        ({}, "not yet", "No other thread"),
        ({"clearers": 0}, "not yet", "nothing bad"),
        ({"clearers": 0, "machine": "256 MB"}, "right", "own request"),
        ({"clearers": 0, "mapped_mib": 16}, "right", "own request"),
        ({"machine": "32 MB"}, "not yet", "No other thread"),
    ),
    "larger": (
        ({}, "not yet", "The 1 GB machine is wanted"),
        ({"clearers": 0, "machine": "1 GB"}, "not yet", "nothing bad"),
        ({"clearers": 0, "machine": "1 GB", "vm_cache_scan_ratio": 60}, "right", "own request"),
        ({"clearers": 1, "machine": "1 GB", "vm_cache_scan_ratio": 60}, "not yet", "No other thread"),
        ({"clearers": 0, "machine": "1 GB", "mapped_mib": 16}, "not yet", "12 MiB of mapped pages at most"),
    ),
}
