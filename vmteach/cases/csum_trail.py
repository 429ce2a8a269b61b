"""csum_trail beside the kernel's own routines: the loads, the fault and the sum of each buffer."""

from vmteach.cases import differing
from vmteach.patches import csum_trail as patch
from vmteach.run import Record
from vmteach.tables import Case

PAGE = 4096
SIDES = {"before": patch.POLICIES[patch.UNPATCHED], "after": patch.POLICIES[patch.PATCHED]}


def loads(row: Case) -> str:
    """Empty where the model repeats all fourteen results of a buffer, else the columns that differ."""
    told = {**_side(row, "before"), **_side(row, "after"), "rfc1071": f"{_plain(row['length_B']):04x}"}
    told["first_byte_beyond_before"] = PAGE if told["fault_before"] else -1
    return differing(row, told)


TABLES = {"loads": loads}


def _side(row: Case, side: str) -> Record:
    """What one of the two routines did; without a load the last one is said to be at -1, of width 0."""
    start, length, policy = row["offset_B"], row["length_B"], SIDES[side]
    first, loop, tail = patch.parts(start, length, policy)
    dword = patch.DWORD
    made = [*first, *(patch.Loaded(at, dword, dword) for at in loop[-1:]), *tail]  # the loop's others end before
    beyond = max([0, *(load.address + load.width - PAGE for load in made)])
    last = made[-1]
    memory = patch.memory_of(patch.Scenario(length=length, behind=PAGE - start - length))
    return {
        f"fault_{side}": int(beyond > 0),
        f"bytes_beyond_{side}": beyond,
        f"loads_{side}": len(first) + len(loop) + len(tail),
        f"last_load_{side}_at": last.address,
        f"last_load_{side}_width": last.width,
        f"sum_{side}": f"{patch.csum_partial(memory, start, length, policy):04x}",
    }


def _plain(length: int) -> int:
    """The sum of RFC 1071 of the bytes alone, as if they began at an even address.

    With its carry added at the low end a sum is the remainder of 0xffff, which stays where something was added.
    """
    whole = int.from_bytes(patch.contents(length), "little")
    return (whole - 1) % 0xFFFF + 1 if whole else 0
