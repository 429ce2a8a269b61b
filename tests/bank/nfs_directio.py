"""Right and wrong answers to the exercises of nfs_directio."""

from bank import Case

BANK = {
    "wire": Case(
        right=(
            ("def wire(offset):\n    return offset % 2**32\n", None),
            ("def wire(offset):\n    return ((offset // 4096) * 4096) & 0xFFFFFFFF\n", None),
            ("wire = lambda offset: offset - offset // 2**32 * 2**32\n", None),
        ),
        wrong=(
            ("def wire(offset):\n    return offset\n", "You send offset 4294967296 as it is"),  # the patched kernel
            ("def wire(offset):\n    return offset >> 12\n", "that is the block number"),
            ("def wire(offset):\n    return min(offset, 2**32 - 1)\n", "starts again from zero"),
            ("def wire(offset):\n    return offset % 2**31\n", "comes out as"),
            ("def wire(offset):\n    offset % 2**32\n", "is there a `return`?"),
            ("def wire(offset):\n    return offset / 1\n", "as it is"),
        ),
        secret=(r"% ?2 ?\*\* ?32", r"0x[fF]{8}"),
        raises=(("def wire(offset):\n    return 1 // 0\n", 2, "ZeroDivisionError"),),
    ),
    "rule": Case(
        right=(
            ("mine = Policy(shift_bits=64, refuses=True)\n", None),
            ("mine = Policy(64, True, True)\n", None),
            ("mine = Policy(47, True, True)\n", None),
        ),
        wrong=(
            ("mine = Policy(shift_bits=64)\n", "At 2 TiB, in blocks of 512 bytes"),  # the patch
            ("mine = Policy(refuses=True)\n", "are not written, and there is room for them"),
            ("mine = Policy(shift_bits=32)\n", "of other data are destroyed"),  # the unpatched kernel
            ("mine = Policy(shift_bits=64, by_block=False)\n", "Keep the block number"),
            ("mine = Policy(34, True, True)\n", "and a block number can say the place"),
            ("mine = Policy(44, True, True)\n", "At 134217726 MiB, in blocks of 32768 bytes"),
            ("mine = 64\n", "not a Policy"),
            ("mine = Policy(shift_bits=33)\n", "At 8193 MiB 2048 KiB of other data"),
        ),
        secret=(r"refuses=True",),
    ),
    "harm": Case(
        right=(
            ("mine = Scenario(offset_mib=2**21, block_bits=9)\n", 100),
            ("mine = Scenario(offset_mib=2**24, block_bits=12, length_kib=512)\n", 100),
            ("mine = Scenario(offset_mib=2**21 - 1, block_bits=9)\n", 50),
        ),
        wrong=(
            ("mine = Scenario(offset_mib=4096)\n", "its limit is 16,384 GiB here"),
            ("mine = Scenario(offset_mib=2**21, block_bits=10)\n", "its limit is 4,096 GiB here"),
            ("mine = Scenario(offset_mib=2**21 - 2, block_bits=9)\n", "where they belong"),
            (
                "from vmteach.machine import PRESETS\nmine = Scenario(PRESETS['64-bit 64 GB'], "
                "offset_mib=2**21, block_bits=9)\n",
                "words of 32 bits",
            ),
            ("mine = Policy()\n", "not a Scenario"),
        ),
        secret=(r"2 ?\*\* ?21", r"1024 ?\* ?1024"),
    ),
}

GOALS = {
    "immune": (
        ({}, "not yet", "is to begin at 5120 MiB"),
        ({"offset_mib": 5120}, "not yet", "destroys 2048 KiB"),
        ({"offset_mib": 5120, "machine": "64-bit 64 GB"}, "right", "Words of 64 bits"),
        ({"offset_mib": 5120, "machine": "64 GB"}, "not yet", "destroys 2048 KiB"),
        ({"offset_mib": 5120, "policies": ["patched"]}, "not yet", "Show the kernel 'unpatched' too"),
    ),
    "second": (
        ({}, "not yet", "its limit is 16 TiB"),
        ({"offset_mib": 2097152, "block_bits": 9}, "right", "destroys 2048 KiB"),
        ({"offset_mib": 2097152}, "not yet", "The patched kernel is right here"),
        ({"offset_mib": 16777216, "block_bits": 12}, "right", "the second limit"),
        ({"offset_mib": 16777216, "block_bits": 15}, "not yet", "its limit is 128 TiB"),
    ),
}
