"""Page reclaim of 2.4.23 to 2.4.27: read fates.py and rules.py; the rest is machinery for runs of equal pages."""

from vmteach.kernel.reclaim.fates import RULES, Fate, visit
from vmteach.kernel.reclaim.lists import Lists
from vmteach.kernel.reclaim.page import Absent, Buffers, Kind, Page, PageRun, PageState, Pte, PteRun, Where
from vmteach.kernel.reclaim.setup import COUNTERS, SECOND, Costs, Rules, Setup, Snapshot
from vmteach.kernel.reclaim.view import Recorder, View
from vmteach.kernel.reclaim.watch import Watched, watch
from vmteach.kernel.reclaim.work import Reclaim

__all__ = [
    "COUNTERS",
    "RULES",
    "SECOND",
    "Absent",
    "Buffers",
    "Costs",
    "Fate",
    "Kind",
    "Lists",
    "Page",
    "PageRun",
    "PageState",
    "Pte",
    "PteRun",
    "Reclaim",
    "Recorder",
    "Rules",
    "Setup",
    "Snapshot",
    "View",
    "Watched",
    "Where",
    "visit",
    "watch",
]
