"""Rows about timers: the ones that never fire, the ones that are due together, and the zero delay."""

import time
from asyncio import AbstractEventLoop
from collections.abc import Callable

from suite.stopwatch import Stopwatch

#: The deadlines of one batch lie in a window this long, in microseconds.
BATCH_WINDOW_US = 10_000
LIVE_TIMERS = 10_000


def _nothing() -> None:
    """Be a callback that never runs."""


def _countdown(loop: AbstractEventLoop, count: int) -> Callable[[], None]:
    """Return a callback that stops the loop when it has run *count* times."""

    def tick() -> None:
        nonlocal count
        count -= 1
        if not count:
            loop.stop()

    return tick


def timer_cancel(loop: AbstractEventLoop, count: int, clock: Stopwatch) -> None:
    """Schedule a timer far ahead and cancel it, as each timeout that is kept does."""
    with clock:
        for _ in range(count):
            loop.call_later(30, _nothing).cancel()
        loop.call_soon(loop.stop)
        loop.run_forever()


def timer_cancel_among_live(loop: AbstractEventLoop, count: int, clock: Stopwatch) -> None:
    """Do the same while many other timers wait: a server with a timeout for each connection."""
    live = [loop.call_later(60 + i * 0.001, _nothing) for i in range(LIVE_TIMERS)]
    with clock:
        for _ in range(count):
            loop.call_later(30, _nothing).cancel()
        loop.call_soon(loop.stop)
        loop.run_forever()
    for handle in live:
        handle.cancel()


def timers_due_together(loop: AbstractEventLoop, count: int, clock: Stopwatch) -> None:
    """Schedule timers in no order, let all of them become due, then run them in one go."""
    tick = _countdown(loop, count)
    with clock:
        for i in range(count):
            # A multiplier prime to the window scatters the deadlines over it.
            loop.call_later(i * 7_919 % BATCH_WINDOW_US / 1e6, tick)
    time.sleep(BATCH_WINDOW_US * 1.2 / 1e6)
    with clock:
        loop.run_forever()


def zero_delay_chain(loop: AbstractEventLoop, count: int, clock: Stopwatch) -> None:
    """Let each callback schedule the next with ``call_later(0, …)``."""
    left = count

    def link() -> None:
        nonlocal left
        left -= 1
        if left:
            loop.call_later(0, link)
        else:
            loop.stop()

    with clock:
        loop.call_soon(link)
        loop.run_forever()
