"""Chapter 10: where each chunk of a direct read or write went on the wire."""

from vmteach.patches.nfs_directio import PATCHED, POLICIES, UNPATCHED, chunks, wire_offset
from vmteach.tables import Case

POLICY = {"2.4.22": POLICIES[UNPATCHED], "2.4.27": POLICIES[PATCHED], "2.4.32": POLICIES[PATCHED]}
NO_WHOLE_BLOCKS, TOO_LARGE = -22, -27  # EINVAL, EFBIG


def wire(row: Case) -> str:
    """The answer; where every chunk was meant to go, where it went, and how much it moved."""
    answer = _refused(row)
    found = [] if answer else _chunk_list(row)
    moved = sum(int(chunk.partition("*")[2]) for chunk in found)
    if found != row["chunk_list"].replace("-", "").split():
        return "the chunks"
    return "" if row["answer"] == (answer or moved) else "the answer"


def _refused(row: Case) -> int:
    """What the file layer refuses before it sends anything: the model leaves that out."""
    if row["direction"] == "write" and row["offset"] >= _largest_file(row):
        return TOO_LARGE
    if row["direction"] == "read" and row["offset"] >= _size(row):
        return 0
    return NO_WHOLE_BLOCKS if (row["offset"] | _length(row)) % (1 << row["block_bits"]) else 0


def _length(row: Case) -> int:
    """Bytes that are asked for: a write is cut at the largest file."""
    if row["direction"] == "read":
        return int(row["length_bytes"])
    return int(min(row["length_bytes"], _largest_file(row) - row["offset"]))


def _largest_file(row: Case) -> int:
    """The first byte that a client refuses to write."""
    if row["nfs_version"] == 2:
        return (1 << 31) - 1
    return int((row["page_bytes"] << row["word_bits"] - 1) - 1) if row["word_bits"] == 32 else (1 << 63) - 1


def _size(row: Case) -> int:
    """Bytes of the file as the client knows it."""
    if row["nfs_version"] == 2:
        return int(min(row["file_bytes"], (1 << 32) - 1))
    most = (row["page_bytes"] << 32) - 1 if row["word_bits"] == 32 else (1 << 63) - 1
    return int(min(row["file_bytes"], most))


def _chunk_list(row: Case) -> list[str]:
    """The chunks as the model sends them. A read is cut at the end of the file, and ends where the server's does."""
    length, found = _length(row), []
    if row["direction"] == "read":
        length = max(0, min(length, _size(row) - row["offset"]))
    for at, n in chunks(row["offset"], length):
        on_wire = wire_offset(at, row["block_bits"], row["word_bits"], POLICY[row["kernel"]])
        moved = n if row["direction"] == "write" else max(0, min(n, row["file_bytes"] - on_wire))
        found.append(f"{at}>{on_wire}*{moved}")
        if moved < n:
            break
    return found


TABLES = {"wire": wire}
