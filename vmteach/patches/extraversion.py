"""The craft of a patch set: a release is an ordered set of diffs, and a diff of two sets says what changed.

changelog   00_extraversion-33 -> 00_extraversion-34: "Rediff."
source      the announcement of 2.4.23aa2 and its fourteen names, the names of the whole set of aa1 in a package
            built from it (read); the patch files were not found, so that every file in the model's tree, but for
            the names in the Makefile, is a stand-in (inferred)
unpatched   the -33 patch: it makes the version string end in aa1
patched     the -34 patch: the same change made again, ending in aa2
left out    the other 280 or so patches, fuzz and offsets of the patch program, hunks in more than one file
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

from vmteach.kernel.udiff import Conflict, Lines, apply_diff, make_diff, reverse
from vmteach.machine import PRESETS, Machine, Sysctl, panel
from vmteach.run import Control, Preset, Run, among, inputs, of_kind, one_of, takes_inputs, within


@dataclass(frozen=True)
class Patch:
    """One file of a release: its name in three parts, what it touches, and what it needs and gives.

    >>> Patch("00", "extraversion", 34).name
    '00_extraversion-34'
    """

    prefix: str
    topic: str
    serial: int = 1
    file: str = ""
    diff: str = ""
    needs: frozenset[str] = frozenset()
    gives: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The file's name, by whose bytes the release is ordered."""
        return f"{self.prefix}_{self.topic}-{self.serial}"


Release = tuple[Patch, ...]


@dataclass(frozen=True)
class Base:
    """A kernel tree: its files, and the symbols that patches may need."""

    files: Mapping[str, Lines]
    symbols: frozenset[str] = frozenset()


def ordered(release: Iterable[Patch]) -> Release:
    """The release in byte order of its names, as apply_one takes them."""
    return tuple(sorted(release, key=lambda patch: patch.name.encode()))


class Applied(NamedTuple):
    """The patch fitted, and the tree was changed."""

    patch: str


class AlreadyIn(NamedTuple):
    """The tree already had this change."""

    patch: str


class Rejected(NamedTuple):
    """The patch was left out: something that it needs is missing, or a line is not as it expects."""

    patch: str
    why: str


Event = Applied | AlreadyIn | Rejected


def apply_one(base: Base, patch: Patch) -> tuple[Base, Event]:
    """The tree after one patch, and what became of the patch.

    As who rebases a set would try it: first backwards, for a change that the base already has.

    >>> (patch,) = extraversion("2.4.23", POLICIES[PATCHED])
    >>> [apply_one(BASES[base], patch)[1] for base in ("2.4.23", "2.4.23 with -33")]  # doctest: +ELLIPSIS
    [Applied(patch='00_extraversion-34'), Rejected(patch='00_extraversion-34', why="Makefile: line 4 must be ...")]
    """
    text = base.files.get(patch.file, ())
    try:
        apply_diff(text, reverse(patch.diff))
        return replace(base, symbols=base.symbols | patch.gives), AlreadyIn(patch.name)
    except Conflict:
        pass
    if missing := patch.needs - base.symbols:
        return base, Rejected(patch.name, f"needs {', '.join(sorted(missing))}")
    try:
        files = {**base.files, patch.file: apply_diff(text, patch.diff)}
    except Conflict as conflict:
        return base, Rejected(patch.name, f"{patch.file}: {conflict}")
    return Base(files, base.symbols | patch.gives), Applied(patch.name)


def apply(base: Base, release: Iterable[Patch]) -> tuple[Base, tuple[Event, ...]]:
    """The tree after the whole release in byte order, and an event a patch; a rejected one is left out.

    >>> tree, happened = apply(BASES["2.4.25"], topics())
    >>> [event.patch for event in happened if isinstance(event, Rejected)]
    ['00_ncpfs-1']
    """
    events: list[Event] = []
    for patch in ordered(release):
        base, event = apply_one(base, patch)
        events.append(event)
    return base, tuple(events)


def makefile(sublevel: int, local: str = "") -> Lines:
    """The first lines of a kernel's Makefile.

    >>> makefile(23)[-1]
    'EXTRAVERSION ='
    """
    return "VERSION = 2", "PATCHLEVEL = 4", f"SUBLEVEL = {sublevel}", f"EXTRAVERSION = {local}".rstrip()


def version_string(text: Lines) -> str:
    """What the four lines of the Makefile make together.

    >>> version_string(makefile(23, "aa2"))
    '2.4.23aa2'
    """
    version, patchlevel, sublevel, local = (line.partition("=")[2].strip() for line in text[:4])
    return f"{version}.{patchlevel}.{sublevel}{local}"


# topic -> prefix, old line, new line, needs, gives. Each edits a file of its own, but for two that build on another.
# All lines are stand-ins; the names of the two that carry others, and their serials, are real. So this table and BASES
# decide what becomes of a patch on 2.4.25: that the fixes are there was read, that their text is equal was not.
_SET: dict[str, tuple[str, str, str, str, str]] = {
    "blkdev-eof": ("00", "last block refused", "last block read", "", ""),
    "elf-interp-check-arch": ("00", "any interpreter", "interpreter of this machine", "", ""),
    "mremap": ("00", "length 0 taken", "length 0 refused", "", ""),
    "ncpfs": ("00", "any name", "name limited", "", ""),
    "rawio-crash": ("00", "short list used", "short list handled", "", ""),
    "vm_28-shmem-big-iron": ("05", "one way to scan", "clean cache first", "vm_cache_scan_ratio", ""),
    "pte-highmem": ("20", "page tables low", "page tables high", "", "pte-highmem"),
    "pte-highmem-mremap-smp-scale": ("21", "page tables high", "looked up again", "pte-highmem", ""),
    "20-nfs-directio-lfs": ("30", "offset cut to 32 bits", "offset whole", "", ""),
    "io_request_scale": ("9930", "one lock", "split locks", "", "split locks"),
    "overflow-buffers": ("9999900", "sums may wrap", "sums checked", "", ""),
    "scsi-deadlock-fix": ("9999900", "split locks", "split locks, in order", "split locks", ""),
}
_FILE_OF = {"pte-highmem-mremap-smp-scale": "pte-highmem", "scsi-deadlock-fix": "io_request_scale"}
_SERIALS = {"pte-highmem": 32, "pte-highmem-mremap-smp-scale": 2, "io_request_scale": 6}


def _file(topic: str) -> str:
    return f"{_FILE_OF.get(topic, topic)}.c"


def _around(line: str) -> Lines:
    return "first", line, "last"


def _stock(sublevel: int, local: str = "", **instead: str) -> Base:
    """A base: the stand-in files as the set expects them, but for the topics (with _ for -) named in `instead`.

    vm_cache_scan_ratio is in mainline since 2.4.23-pre4 (facts: section 11, corrected); the set adds a use of it.
    """
    files = {_file(t): _around(old) for t, (_, old, *_rest) in _SET.items() if t not in _FILE_OF}
    files |= {_file(topic.replace("_", "-")): _around(line) for topic, line in instead.items()}
    return Base({"Makefile": makefile(sublevel, local), **files}, frozenset({"vm_cache_scan_ratio"}))


BASES: dict[str, Base] = {
    "2.4.23": _stock(23),
    "2.4.23 with -33": _stock(23, "aa1"),  # the last release's extraversion patch was not taken out
    "2.4.25": _stock(
        25,
        elf_interp_check_arch="interpreter of this machine",
        mremap="length 0 refused",
        ncpfs="name in a fixed array",
        **{"20_nfs_directio_lfs": "offset whole"},
    ),
}


def topics(scsi_prefix: str = "9999900") -> Release:
    """The set without its extraversion patch: ten of the eleven names of aa2, and two that carry them.

    >>> [patch.name for patch in topics(scsi_prefix="00")][4:6]
    ['00_rawio-crash-1', '00_scsi-deadlock-fix-1']
    """
    patches = []
    for topic, (prefix, old, new, needs, gives) in _SET.items():
        where = scsi_prefix if topic == "scsi-deadlock-fix" else prefix
        diff = make_diff(_file(topic), _around(old), _around(new))
        need, give = (frozenset(filter(None, [symbol])) for symbol in (needs, gives))
        patches.append(Patch(where, topic, _SERIALS.get(topic, 1), _file(topic), diff, need, give))
    return ordered(patches)


@dataclass(frozen=True)
@inputs
class Scenario:
    """A base that the set is applied to, and the prefix of one patch of it.

    >>> Scenario(base="2.6.0")
    Traceback (most recent call last):
        ...
    ValueError: base must be one of 2.4.23, 2.4.23 with -33, 2.4.25, got 2.6.0
    """

    machine: Machine = PRESETS["256 MB"]
    vm_cache_scan_ratio: Sysctl = 6
    base: Annotated[str, among(*BASES)] = "2.4.23"
    scsi_prefix: str = "9999900"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9]+", self.scsi_prefix):
            raise ValueError(f'scsi_prefix must be digits in quotes, such as "9930", got {self.scsi_prefix!r}')


@dataclass(frozen=True)
@inputs
class Policy:
    """The extraversion patch: its serial, the name that it gives, and the Makefile that it was made against."""

    serial: Annotated[int, within(0, 10**6)] = 33
    local: str = "aa1"
    made_for: str = "2.4.23"  # empty: made again for whatever base there is
    edits: bool = True  # the Makefile; if not, the suffix is a setting of the build

    def __post_init__(self) -> None:
        if self.made_for:
            one_of("made_for", self.made_for, tuple(BASES))


UNPATCHED, PATCHED = "unpatched (-33)", "patched (-34)"
POLICIES: dict[str, Policy] = {
    UNPATCHED: Policy(),
    PATCHED: Policy(34, "aa2"),
    "what if: rediffed": Policy(35, "aa2", ""),
    "today: a setting": Policy(0, "aa2", "", False),
}

_WHY_NOT = "Which patches fit a tree is a matter of text, settled before a kernel is built"
CONTROLS = (
    *panel(
        machine=f"{_WHY_NOT} or a machine started.",
        ratio=f"{_WHY_NOT}. One patch of the set uses this setting of the base; its value is chosen later.",
    ),
    Control("base", "base", tuple(BASES)),
    Control("scsi_prefix", "prefix of the scsi fix", ("00", "9930", "9999900")),
)
TRY = (
    Preset("the prefix of the lock split", {"scsi_prefix": "9930"}),
    Preset("2.4.25, and the fix too early", {"base": "2.4.25", "scsi_prefix": "00"}),
)


def extraversion(base: str, policy: Policy) -> Release:
    """The patch of the version line; no patch where the suffix is a setting, or is there already.

    >>> [patch.name for patch in extraversion("2.4.23", POLICIES[UNPATCHED])]
    ['00_extraversion-33']
    """
    old = BASES[policy.made_for or base].files["Makefile"]
    new = (*old[:3], f"EXTRAVERSION = {policy.local}")
    if not policy.edits or old == new:
        return ()
    return (Patch("00", "extraversion", policy.serial, "Makefile", make_diff("Makefile", old, new)),)


@takes_inputs
def simulate(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Run:
    """The set, with this extraversion patch, applied to the base in byte order.

    >>> [simulate(policy=POLICIES[label]).numbers["version string"] for label in (UNPATCHED, PATCHED)]
    ['2.4.23aa1', '2.4.23aa2']
    >>> simulate(Scenario(scsi_prefix="00")).numbers["first rejected"]
    '00_scsi-deadlock-fix-1'
    """
    release = extraversion(scenario.base, policy) + topics(scenario.scsi_prefix)
    tree, events = apply(BASES[scenario.base], release)
    rejected = [event.patch for event in of_kind(events, Rejected)]
    numbers = {
        "patches": len(events),
        "applied": len(of_kind(events, Applied)),
        "already in": len(of_kind(events, AlreadyIn)),
        "rejected": len(rejected),
        "first rejected": rejected[0] if rejected else "none",
        "version string": version_string(tree.files["Makefile"]) + ("" if policy.edits else policy.local),
    }
    return Run(scenario, policy, events, numbers)
