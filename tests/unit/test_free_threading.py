"""Loops in many threads at once, and one loop that many threads call: on free-threaded builds and on all others.

Without the GIL these run side by side; with it, threads take turns. The promises are the same.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import sysconfig
import threading
import weakref
from concurrent.futures import Future as ThreadFuture
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import aioxide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THREADS = 4
DEADLINE_S = 60.0


def in_threads(function: Callable[[int], object], count: int = THREADS) -> list[object]:
    """Call `function` with 0, 1, … in as many threads, which begin together. Raises what the first of them raised."""
    barrier = threading.Barrier(count)

    def begin(number: int) -> object:
        barrier.wait(DEADLINE_S)
        return function(number)

    with ThreadPoolExecutor(count) as pool:
        return [
            called.result(DEADLINE_S) for called in [pool.submit(begin, n) for n in range(count)]
        ]


@pytest.fixture
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop of ours that runs in a thread of its own until the test is over."""
    loop = aioxide.new_event_loop()
    reports: list[object] = []
    loop.set_exception_handler(lambda _loop, context: reports.append(context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    loop.close()
    assert reports == []


def call(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> object:
    """Call `function` in the thread of `loop`, and return what it returns."""
    answer: ThreadFuture[object] = ThreadFuture()
    loop.call_soon_threadsafe(lambda: answer.set_result(function()))
    return answer.result(DEADLINE_S)


async def _exchange(rounds: int) -> int:
    """Let tasks hand numbers on through queues, with timers in between; return the sum that came out."""
    numbers: asyncio.Queue[int] = asyncio.Queue(maxsize=3)
    squares: asyncio.Queue[int] = asyncio.Queue()

    async def produce() -> None:
        for number in range(rounds):
            await numbers.put(number)

    async def square() -> None:
        while True:
            number = await numbers.get()
            await asyncio.sleep(0.0001 if number % 50 == 0 else 0)
            await squares.put(number * number)
            numbers.task_done()

    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(square()) for _ in range(5)]
        await group.create_task(produce())
        await numbers.join()
        for worker in workers:
            worker.cancel()
    return sum(squares.get_nowait() for _ in range(squares.qsize()))


def test_each_thread_has_a_loop_of_its_own() -> None:
    rounds = 500
    expected = sum(number * number for number in range(rounds))
    results = in_threads(lambda _number: [aioxide.run(_exchange(rounds)) for _ in range(3)])
    assert results == [[expected] * 3] * THREADS


def test_timers_of_loops_in_many_threads_fire_in_order() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        fired: list[int] = []
        done = loop.create_future()
        for number in range(200):
            handle = loop.call_later(0.001 + number * 1e-6, fired.append, -1)
            handle.cancel()
            loop.call_later(0.001 + number * 1e-5, fired.append, number)
        loop.call_later(0.01, done.set_result, None)
        await done
        return fired

    assert in_threads(lambda _number: aioxide.run(main())) == [list(range(200))] * THREADS


def test_streams_of_loops_in_many_threads_keep_their_bytes() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main(number: int) -> bool:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            sent = bytes([number]) * 300_000
            writer.write(sent)
            writer.write_eof()
            received = await reader.read()
            writer.close()
            await writer.wait_closed()
        return received == sent

    assert in_threads(lambda number: aioxide.run(main(number))) == [True] * THREADS


def test_no_call_of_a_storm_from_many_threads_is_lost_or_out_of_order(
    running_loop: asyncio.AbstractEventLoop,
) -> None:
    count = 5_000
    calls: list[list[int]] = [[] for _ in range(THREADS)]

    def storm(number: int) -> None:
        for index in range(count):
            running_loop.call_soon_threadsafe(calls[number].append, index)

    in_threads(storm)
    call(running_loop, lambda: None)
    assert calls == [list(range(count))] * THREADS


def test_a_call_from_another_thread_wakes_a_loop_that_sleeps(
    running_loop: asyncio.AbstractEventLoop,
) -> None:
    # Each call is answered before the next one is made, so that the loop goes to sleep in between.
    assert [call(running_loop, lambda n=n: n) for n in range(2_000)] == list(range(2_000))  # type: ignore[misc]


def test_handles_cancelled_from_other_threads_run_at_most_once(
    running_loop: asyncio.AbstractEventLoop,
) -> None:
    count = 2_000
    runs: list[list[int]] = [[0] * count for _ in range(THREADS)]

    def run(number: int, index: int) -> None:
        runs[number][index] += 1

    def storm(number: int) -> None:
        for index in range(count):
            handle = running_loop.call_soon_threadsafe(run, number, index)
            if index % 2:
                handle.cancel()
                assert handle.cancelled()

    in_threads(storm)
    call(running_loop, lambda: None)
    assert all(row[::2] == [1] * (count // 2) for row in runs)
    assert all(set(row[1::2]) <= {0, 1} for row in runs)


def test_coroutines_run_from_many_threads_at_once(running_loop: asyncio.AbstractEventLoop) -> None:
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return number * 2

    def submit(number: int) -> list[int]:
        calls = [
            asyncio.run_coroutine_threadsafe(double(number * 1000 + n), running_loop)
            for n in range(200)
        ]
        return [called.result(DEADLINE_S) for called in calls]

    expected = [[(number * 1000 + n) * 2 for n in range(200)] for number in range(THREADS)]
    assert in_threads(submit) == expected


def test_coroutines_are_cancelled_from_other_threads(
    running_loop: asyncio.AbstractEventLoop,
) -> None:
    ended: list[int] = []

    async def wait(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    def submit(number: int) -> None:
        calls = [asyncio.run_coroutine_threadsafe(wait(number), running_loop) for _ in range(100)]
        # They have begun once this has run, because the loop keeps the order.
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), running_loop).result(DEADLINE_S)
        assert all(called.cancel() for called in calls)

    in_threads(submit)
    while call(running_loop, lambda: len(asyncio.all_tasks(running_loop))):
        pass
    assert sorted(ended) == sorted(list(range(THREADS)) * 100)


def test_futures_are_finished_by_calls_from_other_threads(
    running_loop: asyncio.AbstractEventLoop,
) -> None:
    async def wait_for_others() -> list[object]:
        futures = [running_loop.create_future() for _ in range(THREADS * 100)]

        def finish(number: int) -> None:
            for index in range(number, len(futures), THREADS):
                future = futures[index]
                if index % 3 == 0:
                    running_loop.call_soon_threadsafe(future.set_exception, KeyError(index))
                else:
                    running_loop.call_soon_threadsafe(future.set_result, index)

        threads = [threading.Thread(target=finish, args=(n,)) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        results = await asyncio.gather(*futures, return_exceptions=True)
        for thread in threads:
            thread.join(DEADLINE_S)
        return [result.args[0] if isinstance(result, KeyError) else result for result in results]

    waiting = asyncio.run_coroutine_threadsafe(wait_for_others(), running_loop)
    assert waiting.result(DEADLINE_S) == list(range(THREADS * 100))


def test_of_many_threads_that_finish_a_future_at_once_one_does() -> None:
    loop = aioxide.new_event_loop()
    for _ in range(200):
        future = loop.create_future()

        def finish(number: int, future: asyncio.Future[int] = future) -> bool:
            try:
                future.set_result(number)
            except asyncio.InvalidStateError:
                return False
            return True

        finished = in_threads(finish)
        assert finished.count(True) == 1
        assert future.result() == finished.index(True)
    loop.close()


def test_all_tasks_sees_a_loop_from_other_threads_while_its_tasks_come_and_go(
    running_loop: asyncio.AbstractEventLoop,
) -> None:
    is_over = threading.Event()
    lasting = asyncio.run_coroutine_threadsafe(asyncio.sleep(3600), running_loop)
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), running_loop).result(DEADLINE_S)

    async def churn() -> None:
        while not is_over.is_set():
            await asyncio.gather(*[asyncio.sleep(0) for _ in range(50)])

    churning = [asyncio.run_coroutine_threadsafe(churn(), running_loop) for _ in range(3)]

    def look(_number: int) -> int:
        least = sys.maxsize
        for _ in range(300):
            tasks = asyncio.all_tasks(running_loop)
            assert all(isinstance(task, asyncio.Task) for task in tasks)
            least = min(least, len(tasks))
        return least

    seen = in_threads(look)
    is_over.set()
    for task in churning:
        task.result(DEADLINE_S)
    assert all(isinstance(least, int) and least >= 1 for least in seen)
    lasting.cancel()
    while call(running_loop, lambda: len(asyncio.all_tasks(running_loop))):
        pass


def test_each_thread_sees_its_own_current_task_and_loop() -> None:
    async def main() -> bool:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        for _ in range(2_000):
            await asyncio.sleep(0)
            if asyncio.get_running_loop() is not loop or asyncio.current_task() is not task:
                return False
        return True

    assert in_threads(lambda _number: aioxide.run(main())) == [True] * THREADS


def test_loops_are_made_and_closed_in_many_threads() -> None:
    async def nothing() -> None:
        await asyncio.sleep(0)

    def make(_number: int) -> int:
        for _ in range(100):
            loop = aioxide.new_event_loop()
            loop.run_until_complete(nothing())
            loop.call_later(3600, print)
            loop.close()
        return 100

    assert in_threads(make) == [100] * THREADS


def test_a_loop_made_in_one_thread_may_run_and_be_closed_in_others() -> None:
    for _ in range(20):
        loop = aioxide.new_event_loop()
        task = loop.create_task(_exchange(20))
        in_threads(lambda _n, loop=loop, task=task: loop.run_until_complete(task), 1)  # type: ignore[misc]
        in_threads(lambda _n, loop=loop: loop.close(), 1)  # type: ignore[misc]
        assert task.result() == sum(number * number for number in range(20))


def test_a_loop_that_is_closed_while_others_call_it_refuses_them_cleanly() -> None:
    for _ in range(20):
        loop = aioxide.new_event_loop()
        may_close = threading.Event()

        def storm(number: int, loop: asyncio.AbstractEventLoop = loop) -> str:
            if number == 0:
                may_close.wait(DEADLINE_S)  # noqa: B023 - all of it happens within one round
                loop.close()
                return "Event loop is closed"
            try:
                for index in range(1_000_000):
                    loop.call_soon_threadsafe(id, index)
                    if index == 100:
                        may_close.set()  # noqa: B023 - as above
            except RuntimeError as refusal:
                return str(refusal)
            return "never closed"

        assert set(in_threads(storm)) == {"Event loop is closed"}


def test_the_collector_frees_loops_and_tasks_that_other_threads_left() -> None:
    left: list[weakref.ref[object]] = []

    async def wait(future: asyncio.Future[None]) -> None:
        await future

    def leave(_number: int) -> None:
        loop = aioxide.new_event_loop()
        for _ in range(50):
            future = loop.create_future()
            task = loop.create_task(wait(future))
            # The task is held by what it waits for, and that by the task.
            task.future = future  # type: ignore[attr-defined]
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            left.append(weakref.ref(task))
        loop.call_soon(loop.stop)
        loop.run_forever()
        left.append(weakref.ref(loop))
        loop.close()

    in_threads(leave)
    gc.collect()
    assert [kept for reference in left if (kept := reference()) is not None] == []


def test_the_collector_runs_beside_loops_at_work() -> None:
    begun = threading.Semaphore(0)
    is_over = threading.Event()

    async def churn() -> None:
        loop = asyncio.get_running_loop()
        begun.release()
        while not is_over.is_set():
            futures = [loop.create_future() for _ in range(20)]
            for future in futures:
                loop.call_soon(future.set_result, None)
            await asyncio.gather(*futures, *[asyncio.sleep(0) for _ in range(20)])

    def work(number: int) -> None:
        if number > 0:
            aioxide.run(churn())
            return
        try:
            for _ in range(THREADS - 1):
                assert begun.acquire(timeout=DEADLINE_S)
            for _ in range(30):
                gc.collect()
        finally:
            is_over.set()

    in_threads(work)


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this build always has the GIL"
)
def test_the_gil_can_be_kept_off() -> None:
    source = "import sys, aioxide; sys.exit(sys._is_gil_enabled())"
    command = [sys.executable, "-X", "gil=0", "-W", "error", "-c", source]
    assert subprocess.run(command, check=False, timeout=DEADLINE_S).returncode == 0
