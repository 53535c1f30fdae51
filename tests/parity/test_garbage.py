"""Garbage: what is closed is gone, without the help of the cycle collector where that can be, and nothing leaks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import weakref
from typing import Any

import pytest

from .support import Loop, Recorder, connected, nonblocking_pair, turns


class Thing:
    """Something that can be weakly referenced."""


def test_a_closed_loop_is_collected(loop_factory) -> None:  # type: ignore[no-untyped-def]
    loop = loop_factory()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None


def test_a_loop_with_callbacks_that_point_back_to_it_is_collected(loop_factory) -> None:  # type: ignore[no-untyped-def]
    loop = loop_factory()
    loop.call_soon(loop.stop)
    loop.call_later(3600, loop.stop)
    loop.set_exception_handler(loop.default_exception_handler)
    loop.mine = loop
    loop.close()
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None


def test_an_unclosed_loop_with_a_reader_pointing_back_is_collected(loop_factory) -> None:  # type: ignore[no-untyped-def]
    loop = loop_factory()
    a, b = nonblocking_pair()
    loop.add_reader(a, loop.stop)
    loop.call_later(3600, loop.stop)
    gone = weakref.ref(loop)
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        del loop
        gc.collect()
    assert gone() is None
    a.close()
    b.close()


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_an_unclosed_loop_that_an_argument_points_back_to_is_collected(
    loop_factory, count: int
) -> None:  # type: ignore[no-untyped-def]
    loop = loop_factory()
    thing = Thing()
    thing.loop = loop  # type: ignore[attr-defined]
    arguments = [None] * (count - 1) + [thing]
    loop.call_soon(print, *arguments)
    loop.call_soon_threadsafe(print, *arguments)
    loop.call_later(3600, print, *arguments)
    gone = weakref.ref(loop)
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        del loop, thing, arguments
        gc.collect()
    assert gone() is None


def test_closing_lets_go_of_callbacks_timers_readers_and_handlers(loop_factory) -> None:  # type: ignore[no-untyped-def]
    loop = loop_factory()
    thing = Thing()
    a, b = nonblocking_pair()
    loop.call_soon(print, thing)
    loop.call_soon_threadsafe(print, thing)
    loop.call_later(3600, print, thing)
    loop.add_reader(a, print, thing)
    loop.add_writer(a, print, thing)
    gone = weakref.ref(thing)
    del thing
    loop.close()
    gc.collect()
    assert gone() is None
    a.close()
    b.close()


def test_arguments_of_a_callback_are_let_go_after_the_run(loop: Loop) -> None:
    thing = Thing()
    gone = weakref.ref(thing)
    loop.call_soon(lambda _: None, thing)
    loop.call_later(0, lambda _: None, thing)
    del thing
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    gc.collect()
    assert gone() is None


def test_handles_in_cycles_are_collected(loop: Loop) -> None:
    thing = Thing()
    thing.handle = loop.call_soon(print, thing)  # type: ignore[attr-defined]
    thing.timer = loop.call_later(3600, print, thing)  # type: ignore[attr-defined]
    thing.handle.cancel()  # type: ignore[attr-defined]
    thing.timer.cancel()  # type: ignore[attr-defined]
    gone = weakref.ref(thing)
    del thing
    loop.call_soon(loop.stop)
    loop.run_forever()
    gc.collect()
    assert gone() is None


async def test_removed_readers_let_go_of_their_arguments(loop: Loop) -> None:
    a, b = nonblocking_pair()
    thing = Thing()
    gone = weakref.ref(thing)
    loop.add_reader(a, print, thing)
    loop.add_writer(a, print, thing)
    loop.remove_reader(a)
    loop.remove_writer(a)
    del thing
    await turns(2)
    gc.collect()
    assert gone() is None
    a.close()
    b.close()


async def test_closed_transports_and_their_protocols_are_collected(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.write(b"x")
        await pair.server.received(1)
        references = [
            weakref.ref(thing)
            for thing in (pair.client, pair.server, pair.client_transport, pair.server_transport)
        ]
    del pair
    await turns(3)
    gc.collect()
    assert [reference() for reference in references] == [None] * 4


async def test_closed_servers_are_collected(loop: Loop) -> None:
    server = await loop.create_server(Recorder, "127.0.0.1", 0)
    gone = weakref.ref(server)
    server.close()
    await server.wait_closed()
    del server
    await turns(2)
    gc.collect()
    assert gone() is None


async def test_finished_tasks_need_no_collector(loop: Loop) -> None:
    async def work(thing: Thing) -> None:
        await asyncio.sleep(0)
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        await future

    gc.collect()
    gc.disable()
    try:
        thing = Thing()
        gone = weakref.ref(thing)
        task = loop.create_task(work(thing))
        del thing
        await task
        del task
        await turns(2)
        assert gone() is None
    finally:
        gc.enable()


async def test_ordinary_work_leaves_no_cycles(loop: Loop) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        async with asyncio.timeout(100):
            await asyncio.sleep(0.0001)
        loop.call_soon(int)
        loop.call_later(100, int).cancel()

    await work()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(20):
            await work()
        await turns(2)
        gc.collect()
        garbage: list[Any] = [
            thing
            for thing in gc.garbage
            if not isinstance(thing, (BaseException, type(work.__code__)))
        ]
        kinds = {type(thing).__name__ for thing in garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert not kinds & {"Handle", "TimerHandle", "Task", "Future"}, kinds


def test_loops_that_come_and_go_leave_no_fds(loop_factory) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        async with connected(Recorder, Recorder) as pair:
            pair.client_transport.write(b"x")
            await pair.server.received(1)
        await asyncio.to_thread(int)

    def once() -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(main())

    once()
    gc.collect()
    before = os.listdir("/proc/self/fd")
    for _ in range(20):
        once()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= len(before)


async def test_connections_that_come_and_go_leave_no_memory(loop: Loop) -> None:
    import tracemalloc

    async def once() -> None:
        async with connected(Recorder, Recorder, unix=True) as pair:
            pair.client_transport.write(b"x" * 1000)
            await pair.server.received(1000)

    for _ in range(20):
        await once()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(100):
        await once()
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 100_000


async def test_timeouts_that_come_and_go_leave_no_memory(loop: Loop) -> None:
    import tracemalloc

    async def once() -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(loop.create_future(), 0)
        await asyncio.wait_for(asyncio.sleep(0), 3600)

    for _ in range(300):
        await once()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(2000):
        await once()
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 300_000
