"""The virtual clock: time stands still, and passes when it is moved or when there is nothing else to do."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from tests.parity.support import turns

import aioxide

T = TypeVar("T")

# Long enough for a loaded machine; a test that needs it all has hung.
DEADLINE_S = 30.0


def run(clock: aioxide.VirtualClock, main: Coroutine[Any, Any, T]) -> T:
    """Run a program on a loop with that clock."""
    return aioxide.run(main, loop_factory=lambda: aioxide.new_event_loop(clock=clock))


def in_thread(target: Any, *args: Any) -> threading.Thread:
    """Start a thread that is no part of any loop."""
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


def now() -> float:
    """Return the running loop's time."""
    return asyncio.get_running_loop().time()


def test_a_million_seconds_pass_in_no_time() -> None:
    async def main() -> float:
        for _ in range(1_000):
            await asyncio.sleep(1_000)
        return now()

    assert run(aioxide.VirtualClock(), main()) == 1_000_000.0


def test_the_clock_begins_where_it_is_told_to_and_goes_on_with_the_next_loop() -> None:
    clock = aioxide.VirtualClock(100.5)

    async def main() -> float:
        await asyncio.sleep(2)
        return now()

    assert clock.time() == 100.5
    assert run(clock, main()) == 102.5
    assert run(clock, main()) == 104.5
    assert clock.time() == 104.5


def test_timers_run_at_their_deadlines_to_the_nanosecond() -> None:
    async def main() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        ran: list[tuple[str, float]] = []
        for delay in (3.0, 1.0, 2.5, 1e-9, 1.0):
            loop.call_later(delay, lambda delay=delay: ran.append((str(delay), now())))
        loop.call_at(2.0, lambda: ran.append(("at 2", now())))
        await asyncio.sleep(3)
        return ran

    assert run(aioxide.VirtualClock(), main()) == [
        ("1e-09", 1e-9),
        ("1.0", 1.0),
        ("1.0", 1.0),
        ("at 2", 2.0),
        ("2.5", 2.5),
        ("3.0", 3.0),
    ]


def test_timeouts_pass_as_sleeps_do() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.create_future(), 60)
        assert now() == 60
        assert await asyncio.wait_for(asyncio.sleep(59, "slept"), 60) == "slept"
        assert now() == 119
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.Event().wait()
        assert now() == 120
        done, pending = await asyncio.wait(
            [asyncio.ensure_future(asyncio.sleep(seconds)) for seconds in (1, 5, 9)], timeout=5.5
        )
        assert (len(done), len(pending), now()) == (2, 1, 125.5)

    run(aioxide.VirtualClock(), main())


def test_the_same_program_always_runs_in_the_same_order() -> None:
    async def wander(name: int, dice: random.Random, log: list[tuple[int, float]]) -> None:
        for _ in range(20):
            await asyncio.sleep(dice.choice([0, 0, 0.25, 1.0, dice.random()]))
            log.append((name, now()))

    async def main() -> list[tuple[int, float]]:
        log: list[tuple[int, float]] = []
        dice = random.Random(3)
        async with asyncio.TaskGroup() as group:
            for name in range(20):
                group.create_task(wander(name, random.Random(dice.random()), log))
        return log

    first = run(aioxide.VirtualClock(), main())
    assert [time for _, time in first] == sorted(time for _, time in first)
    assert all(run(aioxide.VirtualClock(), main()) == first for _ in range(5))


def test_a_timer_that_was_cancelled_does_not_move_the_clock() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        # Neither is the last place of the queue, so that both stay in it for a while.
        timers = [loop.call_later(delay, pytest.fail) for delay in (10, 20, 30)]
        for timer in timers:
            timer.cancel()
        heard: asyncio.Future[None] = loop.create_future()
        thread = in_thread(loop.call_soon_threadsafe, heard.set_result, None)
        await heard
        thread.join()
        assert now() == 0

    run(aioxide.VirtualClock(), main())


def test_a_conversation_takes_no_time_and_meets_its_timeouts() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            await asyncio.sleep(10)
            writer.write(line.upper())
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for hundred in range(100):
            writer.write(b"hello\n")
            async with asyncio.timeout(11):
                assert await reader.readline() == b"HELLO\n"
            assert now() == 10 * (hundred + 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(9):
                writer.write(b"hello\n")
                await reader.readline()
        writer.close()
        server.close()
        # The last answer is written, to nobody, and the other end is closed.
        await asyncio.sleep(60)

    # Nothing real takes so long here; what is virtual does not wait for it.
    run(aioxide.VirtualClock(autojump_threshold=0.02), main())


def test_what_a_thread_does_takes_no_time() -> None:
    async def main() -> None:
        for _ in range(5):
            total = await asyncio.wait_for(asyncio.to_thread(sum, range(300_000)), 0.001)
            assert total == 44_999_850_000
        assert await asyncio.get_running_loop().getaddrinfo("localhost", 80)
        assert now() == 0

    clock = aioxide.VirtualClock()
    # With the end of the run, in which asyncio allows threads five minutes to end.
    run(clock, main())
    assert clock.time() == 0


def test_a_thread_that_waits_for_the_loop_does_not_stop_the_clock() -> None:
    async def main() -> None:
        event = threading.Event()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(event.wait), 5)
        assert now() == 5
        event.set()

    run(aioxide.VirtualClock(), main())


def test_without_jumps_time_passes_by_hand_only() -> None:
    clock = aioxide.VirtualClock(autojump_threshold=None)

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        ran: list[float] = []
        for delay in (0.1, 0.2, 0.3):
            loop.call_later(delay, lambda: ran.append(now()))
        await turns(10)
        assert ran == []
        clock.advance(0.1)
        assert ran == []
        await turns(2)
        assert ran == [0.1]
        clock.advance(0.05)
        await turns(2)
        assert ran == [0.1]
        clock.advance(60)
        await turns(2)
        return ran

    assert run(clock, main()) == [0.1, pytest.approx(60.15), pytest.approx(60.15)]


def test_any_thread_moves_the_clock_of_a_loop_that_sleeps() -> None:
    clock = aioxide.VirtualClock(autojump_threshold=None)
    sleeping = threading.Semaphore(0)

    def move() -> None:
        for _ in range(1_000):
            sleeping.acquire()
            clock.advance(1.5)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for count in range(1_000):
            loop.call_soon(sleeping.release)
            await asyncio.sleep(1.5)
            assert now() == 1.5 * (count + 1)

    thread = in_thread(move)
    run(clock, main())
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


def test_a_call_from_another_thread_runs_while_the_clock_stands_still() -> None:
    clock = aioxide.VirtualClock(autojump_threshold=float("inf"))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        sleeper = asyncio.ensure_future(asyncio.sleep(3600))
        thread = in_thread(loop.call_soon_threadsafe, sleeper.cancel)
        with pytest.raises(asyncio.CancelledError):
            await sleeper
        thread.join()
        assert now() == 0

    assert clock.autojump_threshold is None
    run(clock, main())


def test_jumps_can_be_turned_on_while_the_loop_sleeps() -> None:
    clock = aioxide.VirtualClock(autojump_threshold=None)

    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.call_soon(in_thread, setattr, clock, "autojump_threshold", 0)
        await asyncio.sleep(3600)
        clock.autojump_threshold = None
        return now()

    assert run(clock, main()) == 3600
    assert clock.autojump_threshold is None


def test_loops_in_many_threads_share_a_clock() -> None:
    clock = aioxide.VirtualClock()
    begin = threading.Barrier(3)
    times: dict[int, list[float]] = {}

    async def main(period: int) -> None:
        # Whoever works holds the clock: no loop begins before all of them run.
        begin.wait(DEADLINE_S)
        seen = times[period] = []
        while now() < 210:
            await asyncio.sleep(period)
            seen.append(now())

    threads = [in_thread(run, clock, main(period)) for period in (1, 3, 7)]
    for thread in threads:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
    assert times == {
        period: [float(time) for time in range(period, 211, period)] for period in (1, 3, 7)
    }


def test_loops_that_share_a_clock_give_each_other_work_at_one_point_in_time() -> None:
    clock = aioxide.VirtualClock()
    there = aioxide.new_event_loop(clock=clock)
    thread = in_thread(there.run_forever)

    async def task() -> float:
        await asyncio.sleep(0.5)
        return now()

    async def main() -> None:
        for second in range(300):
            answer = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(task(), there))
            assert await answer == second + 0.5
            await asyncio.sleep(0.5)

    run(clock, main())
    there.call_soon_threadsafe(there.stop)
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    there.close()


def test_ready_work_does_not_keep_a_loop_whose_clock_stands_still_from_its_sources() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        heard: asyncio.Future[None] = loop.create_future()
        with ours, theirs:
            loop.add_reader(ours, heard.set_result, None)
            turns = 0
            # First without anything to hear, so that this is not the poll that follows every add_reader.
            while not heard.done() and turns < 1_000:
                turns += 1
                if turns == 10:
                    theirs.send(b"x")
                await asyncio.sleep(0)
            loop.remove_reader(ours)
        return turns

    assert run(aioxide.VirtualClock(autojump_threshold=None), main()) <= 12


def test_a_loop_class_may_choose_its_own_clock() -> None:
    class Loop(aioxide.EventLoop):
        def __init__(self, start: float) -> None:
            super().__init__(clock=aioxide.VirtualClock(start))

    loop = Loop(7.0)
    assert loop.time() == 7.0
    loop.run_until_complete(asyncio.sleep(3))
    assert loop.time() == 10.0
    with pytest.raises(RuntimeError, match="has a clock already"):
        aioxide.EventLoop.__init__(loop, clock=aioxide.VirtualClock())
    loop.close()


def test_debug_mode_finds_no_callback_slow_on_a_clock_that_stands_still(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        asyncio.get_running_loop().slow_callback_duration = 1e-6
        sum(range(100_000))
        await asyncio.sleep(3600)

    clock = aioxide.VirtualClock()
    loop = aioxide.new_event_loop(clock=clock)
    loop.set_debug(True)
    loop.run_until_complete(main())
    loop.close()
    assert "seconds" not in caplog.text


def test_deadlines_that_are_never_reached_are_not_jumped_to() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.call_at(float("inf"), pytest.fail)
        loop.call_later(1e300, pytest.fail)
        await asyncio.sleep(1)
        heard: asyncio.Future[None] = loop.create_future()
        in_thread(loop.call_soon_threadsafe, heard.set_result, None)
        await heard
        return now()

    assert run(aioxide.VirtualClock(), main()) == 1.0


@pytest.mark.parametrize("seconds", [-1, -1e-9, float("nan"), float("inf"), float("-inf")])
def test_no_clock_goes_back_or_to_no_time_at_all(seconds: float) -> None:
    clock = aioxide.VirtualClock(5)
    with pytest.raises(ValueError, match=r"^seconds must be a finite number of seconds"):
        clock.advance(seconds)
    with pytest.raises(ValueError, match=r"^start must be a finite number of seconds"):
        aioxide.VirtualClock(seconds)
    if seconds != float("inf"):
        with pytest.raises(ValueError, match=r"^autojump_threshold must be"):
            clock.autojump_threshold = seconds
        with pytest.raises(ValueError, match=r"^autojump_threshold must be"):
            aioxide.VirtualClock(autojump_threshold=seconds)
    assert clock.time() == 5.0
    assert clock.autojump_threshold == 0.0


def test_no_clock_goes_beyond_its_range() -> None:
    with pytest.raises(ValueError, match="292 years"):
        aioxide.VirtualClock(1e10)
    clock = aioxide.VirtualClock(9e9)
    with pytest.raises(ValueError, match="292 years"):
        clock.advance(1e9)
    assert clock.time() == 9e9


def test_what_is_no_clock_or_no_number_is_refused() -> None:
    wrong: Any = "noon"
    with pytest.raises(TypeError, match="VirtualClock"):
        aioxide.new_event_loop(clock=wrong)
    with pytest.raises(TypeError):
        aioxide.VirtualClock(wrong)
    with pytest.raises(TypeError):
        aioxide.VirtualClock().advance(wrong)


def test_a_clock_says_what_time_it_is() -> None:
    clock = aioxide.VirtualClock(1.5, autojump_threshold=None)
    assert repr(clock) == "<aioxide.VirtualClock time=1.5 autojump_threshold=None>"
