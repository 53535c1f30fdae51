"""Timers: due in order of their deadlines, never early, cheap to cancel, and unmoved by odd numbers."""

from __future__ import annotations

import asyncio
import math
import time
import tracemalloc
import weakref

import pytest
from tests.namespaces import Names

from .support import Loop, turns


def test_timers_fire_in_the_order_of_their_deadlines(loop: Loop) -> None:
    fired: list[int] = []
    now = loop.time()
    for i in (3, 1, 4, 0, 2):
        loop.call_at(now + i * 0.002, fired.append, i)
    loop.call_at(now + 0.012, loop.stop)
    loop.run_forever()
    assert fired == [0, 1, 2, 3, 4]


def test_overdue_timers_fire_in_the_order_of_their_deadlines(loop: Loop) -> None:
    fired: list[int] = []
    now = loop.time()
    for i in (5, 1, 4, 2, 3):
        loop.call_at(now - 10 + i, fired.append, i)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert fired == [1, 2, 3, 4, 5]


def test_timers_with_negative_delays_fire_in_the_order_of_their_deadlines(loop: Loop) -> None:
    fired: list[int] = []
    for delay in (-1, -3, -2):
        loop.call_later(delay, fired.append, delay)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert fired == [-3, -2, -1]


def test_deadlines_before_the_clock_began_keep_their_order(loop: Loop) -> None:
    fired: list[float] = []
    for when in (-1.0, -3.0, 0.0, -2.0, -1e9):
        loop.call_at(when, fired.append, when)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert fired == [-1e9, -3.0, -2.0, -1.0, 0.0]


def test_a_cancelled_timer_never_fires(loop: Loop) -> None:
    fired: list[str] = []
    loop.call_later(0.001, fired.append, "cancelled").cancel()
    loop.call_later(0.002, fired.append, "kept")
    loop.call_later(0.003, loop.stop)
    loop.run_forever()
    assert fired == ["kept"]


def test_a_timer_cancelled_by_an_earlier_timer_of_the_same_turn_never_fires(loop: Loop) -> None:
    fired: list[str] = []
    now = loop.time()
    loop.call_at(now - 2, lambda: victim.cancel())
    victim = loop.call_at(now - 1, fired.append, "victim")
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert fired == []


@pytest.mark.asyncio_bug(
    "a timer may fire early by the clock's resolution, which the loop adds to now"
)
def test_a_timer_never_fires_early(loop: Loop) -> None:
    early: list[float] = []
    left = 300

    def fire(due: float) -> None:
        nonlocal left
        if time.monotonic() < due:
            early.append(due - time.monotonic())
        left -= 1
        if not left:
            loop.stop()

    now = loop.time()
    for i in range(left):
        due = now + i * 0.000_037
        loop.call_at(due, fire, due)
    loop.run_forever()
    assert early == []


async def test_sleep_is_never_short_by_the_monotonic_clock(loop: Loop) -> None:
    for delay in (0.000_05, 0.000_5, 0.001, 0.003_3):
        before = time.monotonic()
        await asyncio.sleep(delay)
        # The stdlib rounds by its clock's resolution, a nanosecond here.
        assert time.monotonic() - before >= delay - 1e-8


async def test_a_sleep_that_is_closed_leaves_what_it_awaited_alone(
    loop: Loop, names: Names
) -> None:
    sleeping = names.sleep(0.001)
    awaited = sleeping.send(None)
    sleeping.close()
    # Due later, so that it would be done by then.
    await names.sleep(0.002)
    assert not awaited.done()


async def test_a_sleep_that_was_woken_by_somebody_else_ends_at_once(
    loop: Loop, names: Names
) -> None:
    sleeping = asyncio.ensure_future(names.sleep(3600))
    await turns(1)
    sleeping._fut_waiter.set_result("early")
    assert await sleeping == "early"


async def test_cancelled_sleeps_do_not_pile_up_among_the_timers(loop: Loop, names: Names) -> None:
    awaited: list[weakref.ref[object]] = []
    for _ in range(1_000):
        sleeping = asyncio.ensure_future(names.sleep(3600))
        await turns(1)
        awaited.append(weakref.ref(sleeping._fut_waiter))
        sleeping.cancel()
        await asyncio.wait([sleeping])
    assert sum(known() is not None for known in awaited) < 200


def test_time_is_the_monotonic_clock(loop: Loop) -> None:
    before = time.monotonic()
    now = loop.time()
    after = time.monotonic()
    assert before <= now <= after
    assert isinstance(now, float)


def test_short_timers_do_not_wait_for_the_next_millisecond(loop: Loop) -> None:
    rounds = 0

    def again() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 20:
            loop.stop()
        else:
            loop.call_later(0.000_1, again)

    before = time.monotonic()
    loop.call_soon(again)
    loop.run_forever()
    # 2 ms by the deadlines; a clock of milliseconds would need twice twenty.
    assert time.monotonic() - before < 5


@pytest.mark.parametrize("delay", [math.inf, 2**55, 1e18, 1e300, 10**9], ids=repr)
def test_a_timer_in_the_far_future_neither_fires_nor_hurts(loop: Loop, delay: float) -> None:
    fired: list[int] = []
    timer = loop.call_later(delay, fired.append, 1)
    loop.call_later(0.002, loop.stop)
    loop.run_forever()
    assert fired == []
    assert timer.when() > 1e8
    timer.cancel()


def test_a_loop_with_only_a_timer_at_infinity_can_still_be_woken(loop: Loop) -> None:
    import threading

    timer = loop.call_later(math.inf, int)
    started = threading.Event()
    loop.call_soon(started.set)

    def wake() -> None:
        started.wait()
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=wake)
    thread.start()
    loop.run_forever()
    thread.join()
    timer.cancel()


@pytest.mark.parametrize("delay", [-1, -1e9, -math.inf, 0, -0.0, 1e-300], ids=repr)
def test_a_timer_in_the_past_fires_at_once(loop: Loop, delay: float) -> None:
    loop.call_later(delay, loop.stop)
    before = time.monotonic()
    loop.run_forever()
    assert time.monotonic() - before < 5


def test_delays_may_be_ints_floats_and_bools(loop: Loop) -> None:
    fired: list[object] = []
    for delay in (0, 0.0, False):
        loop.call_later(delay, fired.append, delay)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert fired == [0, 0.0, False]


def test_call_later_without_a_delay_is_a_type_error(loop: Loop) -> None:
    with pytest.raises(TypeError, match="^delay must not be None$"):
        loop.call_later(None, int)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="^when cannot be None$"):
        loop.call_at(None, int)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["1", [], object()], ids=["str", "list", "object"])
def test_a_delay_that_is_no_number_is_a_type_error(loop: Loop, wrong: object) -> None:
    with pytest.raises(TypeError):
        loop.call_later(wrong, int)  # type: ignore[arg-type]


@pytest.mark.asyncio_bug("a timer at nan stops the loop with a ValueError")
def test_a_timer_at_nan_does_not_break_the_others(loop: Loop) -> None:
    fired: list[int] = []
    try:
        timer = loop.call_later(math.nan, fired.append, 0)
    except ValueError:
        timer = None  # refusing it is fine as well
    loop.call_later(0.001, fired.append, 1)
    loop.call_later(0.002, loop.stop)
    loop.run_forever()
    assert 1 in fired
    if timer is not None:
        timer.cancel()


def test_schedule_and_cancel_keeps_memory_bounded(loop: Loop) -> None:
    async def churn() -> None:
        for _ in range(200):
            for _ in range(500):
                loop.call_later(3600, int).cancel()
            await asyncio.sleep(0)

    loop.run_until_complete(churn())
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    loop.run_until_complete(churn())
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 1_000_000


def test_many_timers_fire_once_each(loop: Loop) -> None:
    count = 5000
    fired: list[int] = []
    now = loop.time()
    for i in range(count):
        loop.call_at(now + (i * 7919 % count) * 1e-6, fired.append, i)
    loop.call_at(now + 0.05, loop.stop)
    loop.run_forever()
    assert sorted(fired) == list(range(count))


def test_cancelling_half_of_many_timers_keeps_the_other_half(loop: Loop) -> None:
    fired: list[int] = []
    now = loop.time()
    timers = [loop.call_at(now + 0.001 + i * 1e-6, fired.append, i) for i in range(2000)]
    for timer in timers[::2]:
        timer.cancel()
    loop.call_at(now + 0.05, loop.stop)
    loop.run_forever()
    assert fired == list(range(1, 2000, 2))


def test_a_timer_keeps_its_deadline_over_two_runs(loop: Loop) -> None:
    fired: list[int] = []
    loop.call_later(0.1, fired.append, 1)  # far enough for the first run to end before it
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert fired == []
    loop.call_later(0.11, loop.stop)
    loop.run_forever()
    assert fired == [1]


@pytest.mark.parametrize("delay", [0, 0.001])
def test_call_later_returns_its_timer_for_cancelling_from_the_callback(
    loop: Loop, delay: float
) -> None:
    timers: list[asyncio.TimerHandle] = []

    def callback() -> None:
        timers[0].cancel()
        loop.call_soon(loop.stop)

    timers.append(loop.call_later(delay, callback))
    loop.run_forever()
    assert timers[0].cancelled()


async def test_wait_for_times_out(loop: Loop) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(loop.create_future(), 0.001)


async def test_timeout_leaves_no_timer_behind_when_work_is_done_in_time(loop: Loop) -> None:
    async with asyncio.timeout(3600):
        await asyncio.sleep(0)
