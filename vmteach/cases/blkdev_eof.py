"""blkdev_eof beside the kernel's own functions: the end of each device, read and written in every way."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from vmteach.cases import differing
from vmteach.kernel.blkdev import EIO, OLD, SECTOR, Device, Lookup
from vmteach.machine import PRESETS
from vmteach.patches.blkdev_eof import HALF, PATCHED, POLICIES, UNPATCHED, Policy, Scenario, simulate
from vmteach.run import Record
from vmteach.tables import Case

LOOKUPS = {"tree": UNPATCHED, "down EIO": HALF, "down hole": PATCHED}
NOT_THE_KERNELS = {"tree": (), "down EIO": ("blocks_counted",), "down hole": ("blocks_counted",)}  # it is max_block's


def tail(row: Case) -> str:
    """Empty where the model repeats all twenty results of a device, else the columns that differ."""
    return differing(row, {**_sizes(row), **_reads(row), **_writes(row), **_bytes(row)})


TABLES = {"tail": tail}


def scenario(row: Case) -> Scenario:
    """The row's device, on a machine of its word and its page."""
    machine = replace(PRESETS["256 MB"], word=row["word_bits"], page=row["page_bytes"])
    return Scenario(machine, sectors=row["sectors_at_open"], block=row["block_bytes"], shrunk_to=row["sectors_now"])


def policy(row: Case) -> Policy:
    """The row's look-up, and what its kernel does with one that fails."""
    return replace(POLICIES[LOOKUPS[row["lookup"]]], marks_error=row["kernel"] != "2.4.22")


def _device(row: Case) -> Device:
    return Device(scenario(row), policy(row))


def _sizes(row: Case) -> Record:
    device = _device(row)
    sizes = {"size_bytes": device.size, "blocks_counted": device.max_block("read"), "limit_sector": device.limit}
    return {name: value for name, value in sizes.items() if name not in NOT_THE_KERNELS[row["lookup"]]}


def _reads(row: Case) -> dict[str, str]:
    """The tail sector by sector: into an empty cache, again, and past the cache."""
    device = _device(row)
    first = row["tail_from_sector"]
    sectors = range(first, first + sum(int(run[1:]) for run in row["buffered_cold"].split()))
    cold, again = ("".join(_buffered(device, sectors)) for _ in range(2))
    return {"buffered_cold": _runs(cold), "buffered_again": _runs(again), "direct": _runs(_directly(device, sectors))}


def _buffered(device: Device, sectors: range) -> Iterator[str]:
    """A letter a sector: all sectors of a page fare as one read of the page says."""
    for start in range(sectors.start * SECTOR, sectors.stop * SECTOR, device.page):
        got = device.read(start, device.page)
        for at in range(0, device.page, SECTOR):
            yield "I" if got is None and start + at < device.size else _letter(device, start + at, (got or b"")[at:])


def _letter(device: Device, at: int, data: bytes) -> str:
    kinds = {device.disk[at : at + SECTOR]: "D", b"": "E", bytes(SECTOR): "Z", bytes([OLD]) * SECTOR: "S"}
    return kinds.get(data[:SECTOR], "O")


def _directly(device: Device, sectors: range) -> str:
    return "".join(
        letter * (device.block // SECTOR)
        for start in range(sectors.start * SECTOR, sectors.stop * SECTOR, device.block)
        for letter in [_of_block(device, start)]
    )


def _of_block(device: Device, start: int) -> str:
    got = device.direct_read(start, device.block)
    if got <= 0:
        return "I" if got else "E"
    return "Z" if device.blkdev_get_block(start // device.block, "read") is Lookup.HOLE else "D"


def _runs(letters: str) -> str:
    return " ".join(f"{letter}{len(list(same))}" for letter, same in groupby(letters))


def _writes(row: Case) -> Record:
    """The last block, written, read and written past the cache; nothing of it on a disk of one sector."""
    device = _device(row)
    names = ("write_last_answer", "direct_last_answer", "direct_two_answer", "direct_write_answer")
    if not device.size:
        return dict.fromkeys(names, "-") | {"written_from_sector": 0, "written_to_sector": 0}
    last = (device.size - 1) // device.block
    start, block = last * device.block, device.block
    wrote = device.write(last)
    two = device.direct_read(start - block, 2 * block) if last else "-"
    answers = (wrote.taken or EIO, device.direct_read(start, block), two, device.direct_write(start, block))
    first = start // SECTOR if wrote.kept else 0
    return dict(zip(names, answers)) | {
        "written_from_sector": first,
        "written_to_sector": first + wrote.kept // SECTOR,
    }


def _bytes(row: Case) -> dict[str, int]:
    """What the whole run loses, fills with zeros and with old memory, and what of the disk is never read truly."""
    device = _device(row)
    numbers = simulate(scenario(row), device.policy).numbers
    beyond = max(device.disk.size - device.size, 0)
    unread = sum(int(numbers[f"bytes {what} (B)"]) for what in ("lost", "read as zeros", "of old memory"))
    directly = _directly(device, range(device.size // SECTOR + device.block // SECTOR))
    true = directly[: device.disk.size // SECTOR].count("D")
    return {
        "lost_bytes": int(numbers["bytes lost (B)"]) - beyond,
        "zero_bytes": int(numbers["bytes read as zeros (B)"]),
        "stale_bytes": int(numbers["bytes of old memory (B)"]),
        "disk_unread_buffered_bytes": unread,
        "disk_unread_direct_bytes": device.disk.size - SECTOR * true,
    }
