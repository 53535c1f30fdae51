"""Rows about other threads: scheduling from them, running calls in them, resolving names without them."""

import asyncio
import socket
import threading
from asyncio import AbstractEventLoop
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar

from suite.stopwatch import Stopwatch

#: Calls that are awaited together.
IN_FLIGHT = 100


def _nothing() -> None:
    """Be the cheapest callback there is."""


_whose: ContextVar[str] = ContextVar("_whose", default="somebody else")


def wrong_context(loop: AbstractEventLoop) -> str | None:
    """Say what is wrong if ``call_soon_threadsafe`` does not take the caller's context along.

    A loop that saves itself that copy is faster for it, and loses every context variable.
    """
    seen: list[str] = []
    token = _whose.set("the caller")
    try:
        loop.call_soon_threadsafe(lambda: seen.append(_whose.get()))
        loop.call_soon_threadsafe(loop.stop)
        loop.run_forever()
    finally:
        _whose.reset(token)
    if seen == ["the caller"]:
        return None
    return "out of competition: callbacks do not run in a copy of the caller's context"


def threadsafe_same_thread(loop: AbstractEventLoop, count: int, clock: Stopwatch) -> None:
    """Schedule with ``call_soon_threadsafe`` from the loop's own thread, then run all."""
    with clock:
        for _ in range(count):
            loop.call_soon_threadsafe(_nothing)
        loop.call_soon(loop.stop)
        loop.run_forever()


def threadsafe_burst(loop: AbstractEventLoop, count: int, clock: Stopwatch) -> None:
    """Let another thread schedule all callbacks without waiting, while the loop runs them."""

    def schedule_all() -> None:
        for _ in range(count):
            loop.call_soon_threadsafe(_nothing)
        loop.call_soon_threadsafe(loop.stop)

    _run_beside(loop, threading.Thread(target=schedule_all), clock)


def threadsafe_wake(loop: AbstractEventLoop, count: int, clock: Stopwatch) -> None:
    """Let another thread schedule one callback at a time and wait for it: one wake-up each."""
    ran = threading.Lock()
    ran.acquire()

    def schedule_one_by_one() -> None:
        for _ in range(count):
            loop.call_soon_threadsafe(ran.release)
            ran.acquire()
        loop.call_soon_threadsafe(loop.stop)

    _run_beside(loop, threading.Thread(target=schedule_one_by_one), clock)


def _run_beside(loop: AbstractEventLoop, thread: threading.Thread, clock: Stopwatch) -> None:
    with clock:
        thread.start()
        loop.run_forever()
        thread.join()


async def executor_hop(count: int, clock: Stopwatch) -> None:
    """Await a call in the default executor, one after the other."""
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, _nothing)
    with clock:
        for _ in range(count):
            await loop.run_in_executor(None, _nothing)


async def executor_hops_together(count: int, clock: Stopwatch) -> None:
    """Await a hundred calls in the default executor at a time."""
    loop = asyncio.get_running_loop()
    await asyncio.gather(*[loop.run_in_executor(None, _nothing) for _ in range(IN_FLIGHT)])
    with clock:
        for _ in range(count // IN_FLIGHT):
            await asyncio.gather(*[loop.run_in_executor(None, _nothing) for _ in range(IN_FLIGHT)])


async def to_thread(count: int, clock: Stopwatch) -> None:
    """Await ``to_thread``, one call after the other."""
    await asyncio.to_thread(_nothing)
    with clock:
        for _ in range(count):
            await asyncio.to_thread(_nothing)


async def executor_of_the_user(count: int, clock: Stopwatch) -> None:
    """Await a call in an executor that is the user's own, one after the other."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as executor:
        await loop.run_in_executor(executor, _nothing)
        with clock:
            for _ in range(count):
                await loop.run_in_executor(executor, _nothing)


async def wrap_future(count: int, clock: Stopwatch) -> None:
    """Await a future of ``concurrent.futures`` that a callback gives its result."""
    loop = asyncio.get_running_loop()
    with clock:
        for _ in range(count):
            future: Future[None] = Future()
            loop.call_soon(future.set_result, None)
            await asyncio.wrap_future(future)


async def _nothing_on_the_loop() -> None:
    """Be the cheapest coroutine there is."""


def coroutine_from_thread(loop: AbstractEventLoop, count: int, clock: Stopwatch) -> None:
    """Let another thread run one coroutine at a time on the loop, and wait for its result."""

    def run_one_by_one() -> None:
        for _ in range(count):
            asyncio.run_coroutine_threadsafe(_nothing_on_the_loop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)

    _run_beside(loop, threading.Thread(target=run_one_by_one), clock)


async def getaddrinfo_literal(count: int, clock: Stopwatch) -> None:
    """Resolve an address that needs no resolver."""
    loop = asyncio.get_running_loop()
    with clock:
        for _ in range(count):
            await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
