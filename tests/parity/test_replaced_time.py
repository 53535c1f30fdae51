"""A `time` of the user's own, on the loop or in a derived class: timers are set by it and become due by it."""

from __future__ import annotations

import asyncio

import pytest

from .support import Loop


def turns(loop: Loop, count: int = 3) -> None:
    """Run a few turns, which takes no time."""
    for _ in range(count):
        loop.call_soon(loop.stop)
        loop.run_forever()


def test_timers_wait_for_a_time_that_somebody_moves_by_hand(loop: Loop) -> None:
    now = 1000.0
    fired: list[str] = []
    loop.time = lambda: now  # type: ignore[method-assign]
    loop.call_later(0, fired.append, "now")
    late = loop.call_later(10, fired.append, "late")
    loop.call_at(1005, fired.append, "soon")
    assert late.when() == 1010
    turns(loop)
    assert fired == ["now"]
    now = 1009.99
    turns(loop)
    assert fired == ["now", "soon"]
    now = 1010.0
    turns(loop)
    assert fired == ["now", "soon", "late"]


def test_a_timer_may_be_set_before_and_come_due_after_the_time_was_replaced(loop: Loop) -> None:
    fired: list[str] = []
    loop.call_later(3600, fired.append, "in an hour")
    turns(loop)
    original = loop.time
    loop.time = lambda: original() + 3601  # type: ignore[method-assign]
    turns(loop)
    assert fired == ["in an hour"]


def test_timers_go_by_the_kernels_time_again_once_the_replacement_is_gone(loop: Loop) -> None:
    fired: list[str] = []
    loop.time = lambda: 7.0  # type: ignore[method-assign]
    turns(loop)
    del loop.time  # type: ignore[attr-defined]
    loop.call_later(0.002, fired.append, "due")
    loop.call_later(0.004, loop.stop)
    loop.run_forever()
    assert fired == ["due"]


def test_a_loop_sleeps_for_as_long_as_its_own_time_says(loop: Loop) -> None:
    original = loop.time
    loop.time = lambda: original() + 1_000_000  # type: ignore[method-assign]

    async def main() -> float:
        begin = original()
        await asyncio.sleep(0.02)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.create_future(), 0.02)
        return original() - begin

    assert 0.04 <= loop.run_until_complete(main()) < 20


def test_the_time_of_a_derived_class_counts(loop_factory) -> None:  # type: ignore[no-untyped-def]
    before = loop_factory()
    kind = type(before)
    before.close()

    class Ahead(kind):  # type: ignore[misc, valid-type]
        offset = 500.0

        def time(self) -> float:
            return super().time() + self.offset  # type: ignore[no-any-return]

    loop = Ahead()
    fired: list[str] = []
    try:
        assert loop.call_later(0, fired.append, "at once").when() >= 500
        loop.call_later(100, fired.append, "skipped to")
        turns(loop)
        assert fired == ["at once"]
        loop.offset += 100
        turns(loop)
        assert fired == ["at once", "skipped to"]
    finally:
        loop.close()


def test_an_error_of_the_replaced_time_ends_the_run(loop: Loop) -> None:
    original = loop.time
    is_broken = False

    def time() -> float:
        if is_broken:
            raise RuntimeError("no idea how late it is")
        return original()

    def break_it() -> None:
        nonlocal is_broken
        is_broken = True

    loop.time = time  # type: ignore[method-assign]
    loop.call_later(3600, loop.stop)
    loop.call_soon(break_it)
    with pytest.raises(RuntimeError, match="no idea"):
        loop.run_forever()
    is_broken = False
    turns(loop)


def test_callbacks_are_called_slow_by_the_replaced_time(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0

    def wait_long() -> None:
        nonlocal now
        now += 3600

    loop.time = lambda: now  # type: ignore[method-assign]
    loop.set_debug(True)
    loop.call_soon(wait_long)
    turns(loop)
    assert "wait_long" in caplog.text
    assert "took 3600.000 seconds" in caplog.text
