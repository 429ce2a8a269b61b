"""Rows of directory operations: every array, every conversion, what went to the server, the answer, the damage."""

from vmteach.cases import Outside
from vmteach.patches.ncpfs import (
    MAINLINE,
    PATH_MAX,
    POLICIES,
    SAVED,
    UNPATCHED,
    Converted,
    Refused,
    Scenario,
    Sent,
    TookArray,
    simulate,
)
from vmteach.run import Run
from vmteach.tables import Case

KERNELS = {"2.4.22": UNPATCHED, "2.4.27": MAINLINE}
ERRORS = {0: "success", -2: "ENOENT", -17: "EEXIST", -36: "ENAMETOOLONG"}


def one_call(row: Case) -> str:
    """A row on the model: the first thing in which they differ, or Outside."""
    if max(row["name_bytes"], row["second_bytes"]) >= PATH_MAX:
        return Outside("a path holds no such name")
    run = simulate(_scenario(row), POLICIES[KERNELS[row["kernel"]]])
    if row["outcome"] == "crashed":
        return "" if run.numbers["overrun (B)"] else f"{row['kernel']}: crashed, and the model does not overrun"
    if row["arrays"] != (ours := arrays(run)):
        return f"{row['kernel']}, {row['call']}: arrays {ours}"
    if ERRORS[row["answer"]] != run.numbers["answer"]:
        return f"{row['kernel']}, {row['call']}: {run.numbers['answer']} for {ERRORS[row['answer']]}"
    wire = " ".join(str(event.wire) for event in run.events if isinstance(event, Sent)) or "-"
    if str(row["wire_lengths"]) != wire:
        return f"{row['kernel']}, {row['call']}: {wire} on the wire"
    over, inside = run.numbers["overrun (B)"], run.numbers["of it in the task descriptor (B)"]
    if (row["into_descriptor_bytes"], row["below_area_bytes"]) != (inside, over - inside):
        return f"{row['kernel']}, {row['call']}: another overrun"
    used = run.numbers["stack used (B)"] - SAVED - row["extra_depth_bytes"]
    exact = row["kernel"] == "2.4.22"  # 2.4.27's frames hold the arrays, and are up to 24 bytes smaller
    near = used - row["stack_used_bytes"] in range(1 if exact else 25)
    return "" if near else f"{row['kernel']}, {row['call']}: {used} bytes of stack"


def arrays(run: Run) -> str:
    """The conversions of a run in the words of the table: name:array>what came out=error."""
    sizes = [event.size for event in run.events if isinstance(event, TookArray)]
    tried = [event for event in run.events if isinstance(event, Converted | Refused)]
    said = [
        f"{event.length}:{size}>{event.out}=0" if isinstance(event, Converted) else f"{event.length}:{size}>0=-36"
        for event, size in zip(tried, sizes)
    ]
    return " ".join(said) or "-"


def _scenario(row: Case) -> Scenario:
    return Scenario(
        operation=row["call"],
        length=row["name_bytes"],
        second=row["second_bytes"],
        on_server=row["name_on_server"] != "no",
        extra_depth=row["extra_depth_bytes"],
        expansion=row["expansion"],
        nls=row["nls"] == "yes",
    )


TABLES = {"calls": one_call}
