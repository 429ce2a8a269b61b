"""Right and wrong answers to the exercises of blkdev_eof."""

from bank import Case

HEAD = "def count(kib, per, up):\n    "
HALF = "half = replace(POLICIES[UNPATCHED], read_blocks=Rounding.DOWN, write_blocks=Rounding.DOWN)\n"

BANK = {
    "roundings": Case(
        right=(
            (HEAD + "return (kib + per - 1) // per if up else kib // per\n", None),
            (
                "import numpy as np\n" + HEAD + "return (np.ceil if up else np.floor)(kib / per).astype(int)\n",
                None,
            ),
            (HEAD + "whole, rest = divmod(kib, per)\n    return whole + (1 if up and rest else 0)\n", None),
        ),
        wrong=(
            (HEAD + "return -(-kib // per)\n", "rounded down: 251 blocks"),  # the unpatched look-up
            (HEAD + "return kib // per\n", "Look at the last KiB"),
            (HEAD + "return kib // per + up\n", "Nothing straddles the end there"),
            (HEAD + "return kib // per + 1\n", "Nothing straddles the end there"),
            (HEAD + "return kib / per\n", "is no whole number"),
            (HEAD + "return kib\n", "rounded up: 8 blocks"),
            (HEAD + "kib // per\n", "is there a `return`?"),
        ),
        secret=(r"-\(-kib", r"per - 1"),
        raises=((HEAD + "return kib // 0\n", 2, "ZeroDivisionError"),),
    ),
    "half": Case(
        right=(
            (HALF + "mine = replace(half, behind=blkdev_eof.Lookup.HOLE)\n", None),
            ("from vmteach.patches.blkdev_eof import PATCHED\nmine = POLICIES[PATCHED]\n", None),
        ),
        wrong=(
            (HALF + "mine = replace(half, write_blocks=Rounding.UP)\n", "bytes of old memory come back"),
            (HALF + "mine = replace(half, marks_error=True)\n", "still give EIO"),
            (HALF + "mine = replace(half, behind=blkdev_eof.Lookup.MAPPED)\n", "still give EIO"),
            ("mine = POLICIES[UNPATCHED]\n", "Keep the rest as it is"),  # the unpatched kernel
            (HALF + "mine = replace(half, shortens=frozenset({'read'}))\n", "Keep the rest as it is"),
            (HALF + "mine = replace(half, unit=512)\n", "Keep the rest as it is"),
            (
                HALF + "mine = replace(half, behind=blkdev_eof.Lookup.HOLE, write_blocks=Rounding.UP)\n",
                "a write of the last block",
            ),
            ("mine = blkdev_eof.Lookup.HOLE\n", "not a Rules"),
        ),
        secret=(r"HOLE",),
    ),
    "silent": Case(
        right=(
            ("mine = Scenario(sectors=14, block=4096)\n", 3072),
            ("mine = Scenario(sectors=4095)\n", 3072),
            ("mine = Scenario(sectors=2002, block=2048)\n", 1024),
        ),
        wrong=(
            ("mine = Scenario(sectors=2008, block=4096)\n", "no block of this device straddles its end."),
            ("mine = Scenario(sectors=2002, block=1024)\n", "Every byte that was read is true"),
            ("mine = Scenario(sectors=2001)\n", "Its odd last sector is missing"),
            ("mine = Scenario(sectors=8006)\n", "at most 4096 sectors"),
            ("mine = POLICIES[UNPATCHED]\n", "not a Scenario"),  # which stops with an error
        ),
        secret=(r"sectors=2006",),
    ),
}

GOALS = {
    "straddle": (
        ({}, "not yet", "are to have 2,048 bytes"),
        ({"block": 2048}, "right", "1,024 bytes are lost"),
        ({"block": 2048, "sectors": 2004}, "not yet", "fill this device exactly"),
        ({"block": 2048, "sectors": 2001}, "not yet", "fill this device exactly"),
        ({"block": 2048, "sectors": 2003}, "right", "1,536 bytes are lost"),
        ({"block": 2048, "machine": "64-bit 64 GB"}, "not yet", "are to have 4 KiB"),
        ({"block": 2048, "policies": ["today"]}, "not yet", "Show the kernel 'unpatched' too"),
    ),
    "most": (
        ({}, "not yet", "It can cost more"),
        ({"sectors": 2006, "machine": "64-bit 64 GB"}, "right", "most of them in good blocks"),
        ({"sectors": 2004, "machine": "64-bit 64 GB"}, "not yet", "10,240 bytes are lost here"),
        ({"sectors": 2006}, "not yet", "3,072 bytes are lost here"),
    ),
}
