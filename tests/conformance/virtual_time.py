"""Upstream's TestLoop, on the target's loop: a generator of the test says how far time moves.

Upstream's own TestLoop is the stdlib's loop with a `time` of its own, so that its tests prove a Task on a
foreign loop only. A target that has a virtual clock runs them on its own loop too.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from types import ModuleType
from typing import Any

TimeGenerator = Callable[[], Generator[Any, Any, None]]


def loop_class(target: ModuleType) -> Any:
    """Make the class that stands for `test_utils.TestLoop`, or None if the target has no virtual clock."""
    virtual_clock = getattr(target, "VirtualClock", None)
    return virtual_clock and type(
        "TestLoop", (_TestLoop, target.EventLoop), {"clock": virtual_clock}
    )


class _TestLoop:
    """The part of `test_utils.TestLoop` that tests of futures and tasks use.

    After each turn, the test's generator is sent the time of every timer that was set in it, and yields how
    far to move the clock. Between runs of the loop the test may move it as well.
    """

    clock: Any
    """The target's class of virtual clocks."""

    def __init__(self: Any, gen: TimeGenerator | None = None) -> None:
        """Start the generator; one that is given has to be through when the loop is closed."""
        self._clock = self.clock(autojump_threshold=None)
        super().__init__(clock=self._clock)
        self._check_on_close = gen is not None
        self._gen = (gen or _one_step)()
        next(self._gen)
        self._timers: list[float] = []
        self._is_to_stop = False

    def advance_time(self: Any, advance: float | None) -> None:
        """Move the time forward by some seconds, or not at all."""
        if advance:
            self._clock.advance(advance)

    def call_later(self: Any, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
        """Go through `call_at`, as asyncio's loops do."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(self: Any, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        """Remember the time for the generator."""
        self._timers.append(when)
        return super().call_at(when, callback, *args, context=context)

    def stop(self: Any) -> None:
        """End the loop after this turn and the generator's part in it."""
        self._is_to_stop = True

    def close(self: Any) -> None:
        """Close the loop, and check that the generator has seen all the timers that it waited for."""
        was_closed = self.is_closed()
        super().close()
        if self._check_on_close and not was_closed:
            try:
                self._gen.send(0)
            except StopIteration:
                return
            raise AssertionError("Time generator is not finished")

    def _run_once(self: Any) -> None:
        # A turn of a loop that is to stop never sleeps.
        self._stopping = True
        try:
            super()._run_once()
            timers, self._timers = self._timers, []
            for when in timers:
                self.advance_time(self._gen.send(when))
        finally:
            self._stopping, self._is_to_stop = self._is_to_stop, False


def _one_step() -> Generator[Any, Any, None]:
    yield
