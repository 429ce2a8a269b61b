"""The stack of a task in the kernel: one small area with the task's descriptor at its low end, and no check.

source      i386 of 2.4: 8 KiB with the task descriptor in them (read; what calls take: run, docs/cases.md)
left out    interrupts on the same stack, what the overwritten bytes then do
"""

from collections.abc import Iterator
from typing import NamedTuple


class TookArray(NamedTuple):
    """An array of `size` bytes was laid on the stack; it reaches down to address `low` of the stack area."""

    size: int
    low: int


class Overran(NamedTuple):
    """The stack reached below its room: into the task descriptor, and by `beyond` out of the stack area."""

    task: int
    beyond: int


class Stack:
    """The kernel stack of one task: addresses from 0, its descriptor at the low end, and it grows downwards.

    `top` is where the call comes in, `task` are the bytes of the descriptor, `word` those of a machine word.

    >>> stack = Stack(top=8132, task=1440, word=4)
    >>> stack.enter(716), stack.take(4096), stack.take(3000), [*stack.overran()]
    (None, TookArray(size=4096, low=3320), TookArray(size=3000, low=320), [Overran(task=1120, beyond=0)])
    """

    def __init__(self, top: int, task: int, word: int) -> None:
        self.task, self.word = task, word
        self.low = self.lowest = self.top = top

    def enter(self, frames: int) -> None:
        """Come from the top with functions that take so many bytes, their arrays apart."""
        self.low = self.top - frames
        self.lowest = min(self.lowest, self.low)

    def take(self, size: int) -> TookArray:
        """Lay an array on the stack, in whole words. Nothing checks whether there is room."""
        self.low -= aligned(size, self.word)
        self.lowest = min(self.lowest, self.low)
        return TookArray(size, self.low)

    @property
    def overrun(self) -> int:
        """Bytes by which the stack has reached into the descriptor and beyond."""
        return max(0, self.task - self.lowest)

    def overran(self) -> Iterator[Overran]:
        """The damage so far, if there is any: whatever is written or called from here on lies there."""
        inside = min(self.overrun, self.task)
        if inside:
            yield Overran(inside, self.overrun - inside)


def aligned(size: int, word: int) -> int:
    """`size` in whole words.

    >>> aligned(4095 + 1, 4), aligned(3128 + 1, 4)
    (4096, 3132)
    """
    return -(-size // word) * word
