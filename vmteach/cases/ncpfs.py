"""Rows of directory operations: every array, every conversion, what went to the server, the answer, the damage."""

from vmteach.cases import Outside
from vmteach.kernel.stack import TookArray
from vmteach.patches import ncpfs
from vmteach.patches.ncpfs import Scenario
from vmteach.run import Run, of_kind
from vmteach.tables import Case

KERNELS = {"2.4.22": ncpfs.UNPATCHED, "2.4.27": ncpfs.MAINLINE}
ERRORS = {0: "success", -2: "ENOENT", -17: "EEXIST", -36: "ENAMETOOLONG"}


def one_call(row: Case) -> str:
    """A row on the model: the first thing in which they differ, or Outside."""
    if max(row["name_bytes"], row["second_bytes"]) >= ncpfs.PATH_MAX:
        return Outside("a path holds no such name")
    run = ncpfs.simulate(_scenario(row), ncpfs.POLICIES[KERNELS[row["kernel"]]])
    if row["outcome"] == "crashed":
        return "" if run.numbers["overrun (B)"] else f"{row['kernel']}: crashed, and the model does not overrun"
    differ = (f"{what} {ours} for {theirs}" for what, (ours, theirs) in compared(row, run).items() if ours != theirs)
    return next((f"{row['kernel']}, {row['call']}: {what}" for what in differ), "")


def compared(row: Case, run: Run) -> dict[str, tuple[object, object]]:
    """What the model gives and what the kernel gave, by name."""
    over, inside = run.numbers["overrun (B)"], run.numbers["of it in the task descriptor (B)"]
    used = run.numbers["stack used (B)"] - ncpfs.SAVED - row["extra_depth_bytes"]
    exact = row["kernel"] == "2.4.22"  # 2.4.27's frames hold the arrays, and are up to 24 bytes smaller
    near = used - row["stack_used_bytes"] in range(1 if exact else 25)
    wire = " ".join(str(sent.wire) for sent in of_kind(run.events, ncpfs.Sent)) or "-"
    return {
        "arrays": (arrays(run), row["arrays"]),
        "answer": (run.numbers["answer"], ERRORS[row["answer"]]),
        "lengths on the wire": (wire, str(row["wire_lengths"])),
        "overrun into the descriptor and below": (
            (inside, over - inside),
            (row["into_descriptor_bytes"], row["below_area_bytes"]),
        ),
        "bytes of stack": (used, used if near else row["stack_used_bytes"]),
    }


def arrays(run: Run) -> str:
    """The conversions of a run in the words of the table: name:array>what came out=error."""
    sizes = [event.size for event in of_kind(run.events, TookArray)]
    tried = [event for event in run.events if isinstance(event, ncpfs.Converted | ncpfs.Refused)]
    came_out = (f"{e.out}=0" if isinstance(e, ncpfs.Converted) else "0=-36" for e in tried)
    return " ".join(f"{e.length}:{size}>{out}" for e, size, out in zip(tried, sizes, came_out)) or "-"


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
