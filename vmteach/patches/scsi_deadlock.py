"""The SCSI deadlock: error recovery takes the host's lock and a queue's lock in the wrong order.

changelog   9999900_scsi-deadlock-fix-1 Avoid locking inversion
source      drivers/scsi of Red Hat's 2.4.18-14 (READ, and RUN: docs/cases.md): scsi_unjam_host() and
            scsi_restart_operations() in scsi_error.c, scsi_request_fn() in scsi_lib.c; the -aa text was not found
unpatched   the restart holds the host's lock H while it takes a queue's lock Q; dispatch takes Q, then H
patched     the restart lets go of H before it takes a Q (form 1, INFERRED), or does without H (form 2: READ in
            scsi_queue_next_request() of the same tree, which restarts queues so)
left out    completions, plugged queues, the host's blocked flag, other lock takers, time
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from typing import Annotated, NamedTuple

from vmteach.kernel.host import Dispatch, Host, left_waiting
from vmteach.kernel.interleavings import Explored, explore
from vmteach.kernel.lockorder import Order, cycle, interruptible, lock_order
from vmteach.kernel.threads import END, Program, Schedule, Step, Stepped, Thread, replay
from vmteach.machine import PRESETS, Machine, Sysctl, panel
from vmteach.run import Control, Preset, Run, between, inputs, one_of, takes_inputs, within

HOST = "H"  # the lock of the host adapter: its counters and flags
ONE_LOCK = "io_request_lock"  # what mainline 2.4 has instead of H and all the queues' locks


@dataclass(frozen=True)
@inputs
class Scenario:
    """One host adapter whose error recovery ends while dispatchers come to its disks.

    >>> Scenario(disks=2, blocked={2})
    Traceback (most recent call last):
        ...
    ValueError: blocked disk must be between 0 and 1, got 2
    """

    machine: Machine = PRESETS["8 GB"]
    vm_cache_scan_ratio: Sysctl = 6
    dispatchers: Annotated[int, within(0, 4)] = 1  # threads that dispatch; number i works on disk i modulo disks
    disks: Annotated[int, within(1, 4)] = 1  # disks on the host, each with a queue of its own
    commands: Annotated[int, within(0, 4, "a disk")] = 1  # waiting in each queue when the recovery ends
    can_queue: Annotated[int, within(0, 256, "commands")] = 8  # commands that the host takes at once; 0: no limit
    blocked: frozenset[int] = frozenset()  # disks that take no command for now
    send_takes_h: bool = False  # sending a command takes the host's lock and gives it back, with no other held

    def __post_init__(self) -> None:
        for disk in self.blocked:
            between("blocked disk", disk, 0, self.disks - 1)


@dataclass(frozen=True)
@inputs
class Policy:
    """How error recovery restarts the queues: a script of locks and steps.

    `+H -H +Q -Q` take and give the host's lock and the disk's; `clear` ends the recovery; the part in
    brackets is done once for each disk; `check` leaves the brackets if the host is full or the disk blocked;
    `run` dispatches the disk's queue, with Q held. Without `split` there is one lock for everything.
    """

    restart: str
    split: bool = True


UNPATCHED, PATCHED = "unpatched", "patched (form 1)"
POLICIES: dict[str, Policy] = {
    UNPATCHED: Policy("clear +H [check +Q -H run +H -Q] -H"),
    PATCHED: Policy("clear +H [check -H +Q run -Q +H] -H"),
    "patched (form 2)": Policy("clear [+Q run -Q]"),
    "mainline (one lock)": Policy("clear +H [check run] -H", split=False),
}

CONTROLS = (
    *panel(
        ratio="No step of these threads reclaims memory: whatever share of the inactive list a pass looks at, "
        "the locks are taken in the same order."
    ),
    Control("dispatchers", "dispatchers", (0, 1, 2, 3)),
    Control("disks", "disks on the host", (1, 2, 3)),
)
TRY = (
    Preset("one CPU", {"machine": "1 GB"}),
    Preset("two dispatchers of one disk", {"dispatchers": 2}),
    Preset("three and three", {"dispatchers": 3, "disks": 3}),
)


def scsi_request_fn(scenario: Scenario, policy: Policy, disk: int, leave: str, prefix: str = "") -> Iterator[Step]:
    """Dispatch of one disk's queue, from R2 on: the rows, entered and left with Q held.

    `leave` is the row to go to when there is nothing to dispatch; `prefix` keeps the names of the rows apart where
    one thread dispatches several disks.
    """
    q, h = _locks(policy, disk)
    own = h if policy.split else ""  # with one lock for everything it is already held
    does = Dispatch(disk, scenario.can_queue, disk in scenario.blocked)
    yield Step(prefix + "R2", "host in recovery?", when=lambda host: host.in_recovery, goto=leave)
    yield Step(prefix + "R3", f"disk {disk} blocked, or nothing queued?", when=does.nothing_to_do, goto=leave)
    if own:
        yield Step(prefix + "R4", take=own)
    full = prefix + "R5b"
    yield Step(prefix + "R5", "host full? if not, count the command", do=does.count_it, when=does.full, goto=full)
    if own:
        yield Step(prefix + "R6", give=own)
    yield Step(prefix + "R7", "dequeue a command", do=does.dequeue)
    yield Step(prefix + "R8", f"unlock {q}, send", give=q)
    if scenario.send_takes_h:
        yield Step(prefix + "R8 +H", take=h)
        yield Step(prefix + "R8 -H", give=h)
    yield Step(prefix + "R8b", f"lock {q} again", take=q, goto=prefix + "R2")
    yield Step(prefix + "R5b", "none of its own out? mark starved", give=own, do=does.starve, goto=leave)


def dispatcher(scenario: Scenario, policy: Policy, number: int) -> Thread:
    """A thread that dispatches one disk: R1 to R9.

    >>> [step.at for step in dispatcher(Scenario(), POLICIES[UNPATCHED], 0).steps]
    ['R1', 'R2', 'R3', 'R4', 'R5', 'R6', 'R7', 'R8', 'R8b', 'R5b', 'R9']
    """
    disk = number % scenario.disks
    q, _ = _locks(policy, disk)
    inner = scsi_request_fn(scenario, policy, disk, leave="R9")
    return interruptible(Thread(f"R{number}", (Step("R1", take=q), *inner, Step("R9", give=q))))


class Word(NamedTuple):
    """One word of a restart script, and the disk that it is about."""

    at: str
    word: str
    disk: int


def scsi_restart_operations(scenario: Scenario, policy: Policy) -> Thread:
    """The recovery thread E: the policy's script written out, once for each disk.

    >>> [step.at for step in scsi_restart_operations(Scenario(), POLICIES["patched (form 2)"]).steps][:4]
    ['E1', 'E2.0', 'E3.0 R2', 'E3.0 R3']
    """
    ahead, body, behind = _parsed(policy.restart)
    loop = [Word(f"{at}.{disk}", word, disk) for disk in range(scenario.disks) for at, word in body]
    words = [*(Word(at, word, 0) for at, word in ahead), *loop, *(Word(at, word, 0) for at, word in behind)]
    below = [f"{word.at} R2" if word.word == "run" else word.at for word in words[1:]] + [END]  # dispatch begins at R2
    after_loop = behind[0][0] if behind else END
    rows = [row for word, leave in zip(words, below) for row in _rows(scenario, policy, word, leave, after_loop)]
    return interruptible(Thread("E", tuple(rows)))


def _rows(scenario: Scenario, policy: Policy, word: Word, leave: str, after_loop: str) -> Iterator[Step]:
    """The rows of one word of the script."""
    q, h = _locks(policy, word.disk)
    does = Dispatch(word.disk, scenario.can_queue, word.disk in scenario.blocked)
    match word.word:
        case "clear":
            yield Step(word.at, "end the recovery", do=lambda host: host._replace(in_recovery=False))
        case "check":
            yield Step(word.at, "host full or disk blocked?", when=does.full_or_blocked, goto=after_loop)
        case "run":
            yield from scsi_request_fn(scenario, policy, word.disk, leave, f"{word.at} ")
        case "+H" | "+Q":
            yield Step(word.at, take=h if "H" in word.word else q)
        case "-H" | "-Q":
            yield Step(word.at, give=h if "H" in word.word else q)


ANYWHERE, PER_DISK = ("clear", "+H", "-H"), ("check", "+Q", "-Q", "run")  # the words of a script


def _parsed(script: str) -> tuple[list[tuple[str, str]], ...]:
    """The words ahead of the brackets, in them and behind them, each with its name E1, E2, ...

    >>> _parsed("clear [+Q run -Q]")
    ([('E1', 'clear')], [('E2', '+Q'), ('E3', 'run'), ('E4', '-Q')], [])
    """
    parts = re.fullmatch(r"([^][]*)\[([^][]+)\]([^][]*)", script)
    if not parts:
        raise ValueError(f"restart must have one pair of brackets with words in it, got {script!r}")
    for part, allowed in zip(parts.groups(), (ANYWHERE, ANYWHERE + PER_DISK, ANYWHERE)):
        for word in part.split():
            one_of("word", word, allowed)
    number = count(1)
    return tuple([(f"E{next(number)}", word) for word in part.split()] for part in parts.groups())


def _locks(policy: Policy, disk: int) -> tuple[str, str]:
    """The names of the disk's lock and the host's."""
    return (f"Q{disk}", HOST) if policy.split else (ONE_LOCK, ONE_LOCK)


def program(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Program:
    """The threads of the scenario, the dispatchers first, with the host as recovery left it.

    >>> [each.name for each in program(Scenario(dispatchers=2)).threads]
    ['R0', 'R1', 'E']
    """
    dispatchers = (dispatcher(scenario, policy, number) for number in range(scenario.dispatchers))
    each = scenario.disks
    host = Host(True, 0, (scenario.commands,) * each, (0,) * each, (False,) * each)
    threads = (*dispatchers, scsi_restart_operations(scenario, policy))
    return Program(threads, host, min(scenario.machine.cpus, len(threads)))


class Found(NamedTuple):
    """What exploring one scenario under one policy found."""

    states: int
    deadlocked: int  # states that nobody can leave
    lost: int  # states from which there is no way to a good end
    waiting: int  # disks left waiting, at the worst end
    shortest: Schedule  # to the deadlock; empty if there is none
    too_late: int  # steps of it after which no order of steps helps
    order: tuple[Order, ...]


def explored(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Explored:
    """Every interleaving of the scenario's threads.

    >>> explored(policy=POLICIES[UNPATCHED]).states > 0, explored().deadlocked
    (True, ())
    """
    return explore(program(scenario, policy))


@lru_cache(maxsize=512)
def _found(scenario: Scenario, policy: Policy) -> Found:
    seen = explored(scenario, policy)
    waiting = [len(left_waiting(end.data, scenario.blocked)) for end in seen.ends]
    return Found(
        seen.states,
        len(seen.deadlocked),
        len(seen.lost),
        max(waiting, default=scenario.disks),
        seen.first.get("deadlock", ()),
        seen.too_late("deadlock") if seen.deadlocked else 0,
        tuple(sorted(lock_order(seen.program.threads))),
    )


def found(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Found:
    """What exploring found; kept, because only the CPUs that the threads can use make a difference.

    >>> found(policy=POLICIES[UNPATCHED]).deadlocked, found(policy=POLICIES[PATCHED]).deadlocked
    (1, 0)
    """
    machine = replace(PRESETS["1 GB"], cpus=min(scenario.machine.cpus, scenario.dispatchers + 1))
    return _found(replace(scenario, machine=machine, vm_cache_scan_ratio=6), policy)


@takes_inputs
def simulate(scenario: Scenario = Scenario(), policy: Policy = POLICIES[PATCHED]) -> Run:
    """The shortest schedule into the deadlock, or else one run to the end.

    That run starts with the turns that kill the unpatched kernel (if any do), so that the two can be laid side by
    side; then the threads take turns. The numbers are those of all interleavings.

    >>> simulate(policy=POLICIES[UNPATCHED]).events[-1]
    Waited(thread='E', at='E4.0', wants='Q0', owner='R0')
    >>> simulate(policy=POLICIES[PATCHED]).numbers["deadlock"]
    'impossible'
    """
    here = found(scenario, policy)
    deadly = found(scenario, POLICIES[UNPATCHED]).shortest
    turns = [event.thread for event in deadly] or ["E"]  # E first: then there is work
    events = here.shortest or replay(program(scenario, policy), turns, onward=True)
    way = sum(isinstance(event, Stepped) for event in here.shortest)
    ring = cycle(here.order)
    numbers = {
        "deadlock": "reachable" if here.deadlocked else "impossible",
        "way to the deadlock (steps)": way or "none",
        "no way back after (steps)": here.too_late or "none",
        "states explored": here.states,
        "deadlocked states": here.deadlocked,
        "states with no way out": here.lost,
        "disks left waiting (worst end)": here.waiting,
        "lock-order cycle": " > ".join(ring) if ring else "none",
    }
    return Run(scenario, policy, events, numbers)


def over_cpus(
    policy: Policy, scenario: Scenario = Scenario(disks=2), dispatchers: tuple[int, ...] = (0, 1, 2, 3)
) -> dict[tuple[int, int], Run]:
    """One run for each number of CPUs that the machines have, and each number of dispatchers.

    >>> runs = over_cpus(POLICIES[UNPATCHED], Scenario(), dispatchers=(1,))
    >>> [(cpus, run.numbers["deadlock"]) for (cpus, _), run in runs.items()][:2]
    [(1, 'impossible'), (2, 'reachable')]
    """
    machines = {machine.cpus: machine for machine in PRESETS.values()}
    return {
        (cpus, number): simulate(replace(scenario, machine=machines[cpus], dispatchers=number), policy)
        for cpus in sorted(machines)
        for number in dispatchers
    }
