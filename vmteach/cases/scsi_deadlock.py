"""Chapter 12: every interleaving of Red Hat's dispatch and restart, switched before each lock operation."""

from collections import deque

from vmteach.cases import first_difference
from vmteach.kernel.host import Host
from vmteach.kernel.interleavings import Explored
from vmteach.kernel.threads import State
from vmteach.machine import PRESETS
from vmteach.patches.scsi_deadlock import POLICIES, UNPATCHED, Scenario, explored
from vmteach.tables import Case


def scenario_of(row: Case) -> Scenario:
    """The scenario of a row, with a CPU for each thread."""
    fields = {name: row[name] for name in ("dispatchers", "disks", "commands", "can_queue")}
    blocked, sends = frozenset(row["blocked"]), bool(row["send_takes_H"])
    return Scenario(PRESETS["16 GB"], **fields, blocked=blocked, send_takes_h=sends)


def interleavings(row: Case) -> str:
    """Whether a deadlock is reachable, after how few lock operations, who waits for whom, and all ends."""
    found = explored(scenario_of(row), POLICIES[UNPATCHED])
    dead, count = found.deadlocked, row["deadlocked_states"]
    ends = {(*end[:2], *map(tuple, end[2:])) for end in row["ends"]}
    return first_difference(
        {
            "the verdict": (bool(dead), count > 0),
            "the shortest way": (_lock_operations(found), row["shortest_lock_ops"]),
            "who waits for whom": ({_pattern(found, s) for s in dead}, set(map(frozenset, row["deadlocks"]))),
            "the ends": ({_end(state.data) for state in found.ends}, ends),
            "the number of deadlocked states": (len(dead), count),
        }
    )


def _lock_operations(found: Explored) -> int:
    """The fewest locks taken and given on a way to a state in which nobody can go on; -1 without one.

    States in the order of that number: a step without a lock costs nothing, and comes first.
    """
    if not found.deadlocked:
        return -1
    program, dead = found.program, set(found.deadlocked)
    costs = [{step.at: bool(step.take or step.give) for step in each.steps} for each in program.threads]
    queue, seen = deque([(0, program.start)]), set()
    while True:
        locks, state = queue.popleft()
        if state in dead:
            return locks
        if state in seen:
            continue
        seen.add(state)
        for i, after in program.moves(state):
            cost = costs[i][state.at[i]]
            (queue.append if cost else queue.appendleft)((locks + cost, after))


def _pattern(found: Explored, state: State) -> frozenset[str]:
    """Who waits for which lock, and who holds it: {"E>Q0>R0", "R0>H>E"}."""
    program, names = found.program, [each.name for each in found.program.threads]
    waits = ((i, program.wants(i, at)) for i, at in enumerate(state.at))
    held = ((names[i], lock, program.owner(state, lock)) for i, lock in waits if lock)
    return frozenset(f"{name}>{lock}>{names[owner]}" for name, lock, owner in held if owner is not None)


def _end(host: Host) -> tuple[object, ...]:
    """The host at an end, as the table has it."""
    return int(host.in_recovery), host.busy, host.queued, tuple(map(int, host.starved))


TABLES = {"interleavings": interleavings}
