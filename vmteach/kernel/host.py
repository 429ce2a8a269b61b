"""A SCSI host adapter and its disks' queues: what the threads of drivers/scsi share, and what dispatch does to it.

source      scsi_request_fn() in drivers/scsi/scsi_lib.c of Red Hat's 2.4.18-14 (READ, and RUN: docs/cases.md)
left out    completions, plugged queues, the host's blocked flag
"""

from collections.abc import Collection
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Host(NamedTuple):
    """What the threads share: the host's flag and counter, and each disk's queue."""

    in_recovery: bool
    busy: int  # commands sent and not completed
    queued: tuple[int, ...]  # commands waiting, by disk
    out: tuple[int, ...]  # commands sent, by disk: the completion of one dispatches its disk again
    starved: tuple[bool, ...]  # dispatch found the host full and none of its own out: a completion comes back to it


class Dispatch(NamedTuple):
    """What the rows of one disk's dispatch ask of the host, and do to it.

    >>> does, host = Dispatch(disk=1, can_queue=1, blocked=False), Host(False, 0, (0, 1), (0, 0), (False, False))
    >>> does.count_it(host), does.full(host), does.full(does.count_it(host))
    (Host(in_recovery=False, busy=1, queued=(0, 1), out=(0, 1), starved=(False, False)), False, True)
    """

    disk: int
    can_queue: int  # commands that the host takes at once; 0: no limit
    blocked: bool  # the disk takes no command for now

    def nothing_to_do(self, host: Host) -> bool:
        """R3: the disk takes no command for now, or nobody has one for it."""
        return self.blocked or not host.queued[self.disk]

    def full(self, host: Host) -> bool:
        """R5: the host has as many commands out as it takes."""
        return 0 < self.can_queue <= host.busy

    def full_or_blocked(self, host: Host) -> bool:
        """What the restart asks before it dispatches a disk."""
        return self.full(host) or self.blocked

    def count_it(self, host: Host) -> Host:
        """R5: one more command is out, of the host and of this disk."""
        return host._replace(busy=host.busy + 1, out=self._set(host.out, host.out[self.disk] + 1))

    def starve(self, host: Host) -> Host:
        """R5b: without a command of its own out, no completion would come back to this disk: the host has to."""
        return host._replace(starved=self._set(host.starved, host.starved[self.disk] or not host.out[self.disk]))

    def dequeue(self, host: Host) -> Host:
        """R7: the command that was counted leaves the queue."""
        return host._replace(queued=self._set(host.queued, host.queued[self.disk] - 1))

    def _set(self, row: tuple[T, ...], value: T) -> tuple[T, ...]:
        """The row with a new value for this disk."""
        return (*row[: self.disk], value, *row[self.disk + 1 :])


def left_waiting(host: Host, blocked: Collection[int] = frozenset()) -> tuple[int, ...]:
    """The disks that could work, have a command, and that nobody will come back to.

    >>> left_waiting(Host(False, 1, (0, 1), (1, 0), (False, False)))
    (1,)
    """
    waiting = (disk for disk, queued in enumerate(host.queued) if queued and not host.starved[disk])
    return tuple(disk for disk in waiting if not host.out[disk] and disk not in blocked)
