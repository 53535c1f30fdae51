"""The threads of the default executor: reused, ended when they should be, and there again in a forked child."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import sysconfig
import textwrap
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import aioxide
from aioxide.thread_pool import ThreadPool

if TYPE_CHECKING:
    from collections.abc import Iterator

DEADLINE_S = 60.0


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop of ours, which is running in an `async def` test."""
    loop = aioxide.new_event_loop()
    yield loop
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def _run(program: str) -> str:
    """Return what a program has printed; it must end well, and in time."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="without the GIL a result may arrive before its thread has gone to sleep",
)
def test_jobs_one_after_the_other_need_one_thread(loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> set[str]:
        return {
            (await loop.run_in_executor(None, threading.current_thread)).name for _ in range(200)
        }

    assert loop.run_until_complete(main()) == {"asyncio_0"}


def test_jobs_that_wait_for_each_other_all_begin(loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> None:
        await loop.run_in_executor(None, int)
        executor: Any = loop._default_executor  # type: ignore[attr-defined]
        count = executor._max_workers
        for _ in range(20):
            barrier = threading.Barrier(count)
            jobs = [loop.run_in_executor(None, barrier.wait, DEADLINE_S) for _ in range(count)]
            assert sorted(await asyncio.gather(*jobs)) == list(range(count))
        assert {thread.name for thread in executor._threads} == {
            f"asyncio_{number}" for number in range(count)
        }

    loop.run_until_complete(main())


def test_no_job_of_many_loops_and_threads_is_lost(loop: asyncio.AbstractEventLoop) -> None:
    """All of them share one pool, which some of them use as an executor, and others natively."""
    loop.run_until_complete(loop.run_in_executor(None, int))
    pool: Any = loop._default_executor  # type: ignore[attr-defined]

    async def hop(number: int) -> int:
        this_loop = asyncio.get_running_loop()
        this_loop.set_default_executor(pool)
        found = 0
        for begin in range(0, 1000, 50):
            jobs = [this_loop.run_in_executor(None, int, str(n)) for n in range(begin, begin + 50)]
            for job in jobs[::7]:
                job.cancel()
            results = await asyncio.gather(*jobs, return_exceptions=True)
            for place, result in enumerate(results):
                assert result == begin + place or jobs[place].cancelled()
            found += len(results)
        # The pool belongs to another loop, which is to go on using it.
        this_loop._default_executor = None  # type: ignore[attr-defined]
        return number * found

    def run(number: int) -> int:
        with asyncio.Runner(loop_factory=aioxide.new_event_loop) as runner:
            return runner.run(hop(number))

    def submit(number: int) -> int:
        jobs = [pool.submit(int, str(n)) for n in range(1000)]
        return number * sum(job.result(DEADLINE_S) == n for n, job in enumerate(jobs))

    with ThreadPoolExecutor(8) as threads:
        running = [threads.submit(run, n) for n in range(4)]
        running += [threads.submit(submit, n) for n in range(4)]
        assert [done.result(DEADLINE_S) for done in running] == [0, 1000, 2000, 3000] * 2


def test_the_threads_of_a_pool_that_is_collected_end() -> None:
    pool = ThreadPool()
    threads = [pool.submit(threading.current_thread).result(DEADLINE_S) for _ in range(3)]
    known = weakref.ref(pool)
    del pool
    gc.collect()
    assert known() is None
    for thread in threads:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def test_a_thread_that_cannot_be_started_is_an_error_only_if_there_is_no_other(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(_thread: object) -> None:
        raise RuntimeError("can't start new thread")

    pool = ThreadPool()
    loop.set_default_executor(pool)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuses)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            loop.run_in_executor(None, int)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            pool.submit(int)
    assert loop.run_until_complete(loop.run_in_executor(None, int)) == 0
    release = threading.Event()
    busy = loop.run_in_executor(None, release.wait, DEADLINE_S)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuses)
        queued = [
            loop.run_in_executor(None, int, "5"),
            asyncio.wrap_future(pool.submit(int, "6"), loop=loop),
        ]
    release.set()
    assert loop.run_until_complete(asyncio.gather(busy, *queued, return_exceptions=True)) == [
        True,
        5,
        6,
    ]  # type: ignore[call-overload]


def test_a_shutdown_waits_for_the_threads() -> None:
    pool = ThreadPool()
    jobs = [pool.submit(int, str(n)) for n in range(100)]
    threads = list(pool._threads)
    pool.shutdown()
    assert [job.result(0) for job in jobs] == list(range(100))
    assert not any(thread.is_alive() for thread in threads)
    pool.shutdown()


def test_a_forked_child_has_threads_of_its_own() -> None:
    _run("""
        import asyncio, os, threading, warnings
        import aioxide
        warnings.simplefilter("ignore")
        loop = aioxide.new_event_loop()
        async def hop():
            return [(await loop.run_in_executor(None, threading.current_thread)).name for _ in range(2)]
        assert loop.run_until_complete(hop()) == ["asyncio_0"] * 2
        pid = os.fork()
        assert loop.run_until_complete(asyncio.wait_for(hop(), 20)) == ["asyncio_0"] * 2
        assert loop._default_executor.submit(int, "5").result(20) == 5
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        if pid:
            assert os.waitpid(pid, 0)[1] == 0
    """)


def test_a_child_that_is_forked_while_a_thread_works_ends_as_it_should() -> None:
    _run("""
        import asyncio, os, sys, threading, warnings
        import aioxide
        warnings.simplefilter("ignore")
        release = threading.Event()
        async def main():
            loop = asyncio.get_running_loop()
            busy = [loop.run_in_executor(None, release.wait, 30) for _ in range(50)]
            pid = os.fork()
            if pid == 0:
                sys.exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
            release.set()
            assert all(await asyncio.gather(*busy))
        try:
            aioxide.run(main())
        except SystemExit as exit:
            os._exit(exit.code)
    """)


def test_the_interpreter_has_what_is_queued_done_before_it_goes_down() -> None:
    out = _run("""
        import asyncio, threading
        import aioxide
        main_thread = threading.main_thread()
        done = []
        def job(number):
            main_thread.join()
            done.append(number)
            if len(done) == 100:
                try:
                    loop._default_executor.submit(int)
                except RuntimeError as error:
                    print(error)
                print(sorted(done) == list(range(100)), threading.current_thread().daemon)
        loop = aioxide.new_event_loop()
        loop.run_until_complete(loop.run_in_executor(None, int))
        for number in range(100):
            loop.run_in_executor(None, job, number)
        executor = loop._default_executor
        loop.close()
        loop._default_executor = executor
    """)
    assert out == "cannot schedule new futures after interpreter shutdown\nTrue False\n"


def test_a_loop_that_is_never_closed_does_not_keep_the_interpreter() -> None:
    out = _run("""
        import asyncio
        import aioxide
        import warnings
        warnings.simplefilter("ignore")
        loop = aioxide.new_event_loop()
        print(loop.run_until_complete(loop.run_in_executor(None, int)))
    """)
    assert out == "0\n"


def test_a_pool_that_is_made_at_exit_refuses_jobs() -> None:
    out = _run("""
        import atexit
        import aioxide
        from aioxide.thread_pool import ThreadPool
        @atexit.register
        def late():
            try:
                ThreadPool().submit(int)
            except RuntimeError as error:
                print(error)
    """)
    assert out == "cannot schedule new futures after interpreter shutdown\n"
