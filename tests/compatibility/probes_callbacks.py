"""Probes of callbacks, timers, tasks, executors, and of running and ending a loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import logging
import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

from catalogue import probe
from peers import expect, in_thread, refused

Loop = asyncio.AbstractEventLoop

_MARK: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="none")


def _marked(text: str) -> contextvars.Context:
    """Return a context in which the mark has this value."""
    context = contextvars.copy_context()
    context.run(_MARK.set, text)
    return context


def _what_runs(loop: Loop, schedule: Callable[[Callable[[], None]], Any]) -> str:
    """Return the mark that a callback sees, once it has been scheduled and has run."""
    seen = []

    def callback() -> None:
        seen.append(_MARK.get())
        loop.stop()

    _marked("caller").run(schedule, callback)
    loop.run_forever()
    return seen[0]


@probe("call_soon")
def call_soon(loop: Loop) -> None:
    expect(
        _what_runs(loop, loop.call_soon) == "caller", "runs in another context than the caller's"
    )


@probe("call_soon", "context")
def call_soon_context(loop: Loop) -> None:
    mark = _what_runs(loop, lambda f: loop.call_soon(f, context=_marked("given")))
    expect(mark == "given", "runs in another context")


@probe("call_soon_threadsafe")
def call_soon_threadsafe(loop: Loop) -> None:
    mark = _what_runs(loop, loop.call_soon_threadsafe)
    expect(mark == "caller", "runs in another context than the caller's")
    thread = threading.Timer(0.01, loop.call_soon_threadsafe, [loop.stop])
    thread.start()
    loop.run_forever()
    thread.join()


@probe("call_soon_threadsafe", "context")
def call_soon_threadsafe_context(loop: Loop) -> None:
    mark = _what_runs(loop, lambda f: loop.call_soon_threadsafe(f, context=_marked("given")))
    expect(mark == "given", "runs in another context")


@probe("call_later")
def call_later(loop: Loop) -> None:
    for delay in (0.0012, 0.0024, 0.0036, 0.0048):
        began = time.monotonic()
        mark = _what_runs(loop, lambda f, delay=delay: loop.call_later(delay, f))
        # asyncio's own timers may be early by the resolution of its clock.
        expect(time.monotonic() - began > delay - 1e-4, "too early")
    expect(mark == "caller", "runs in another context than the caller's")
    handle = loop.call_later(3600, print)
    handle.cancel()
    expect(handle.cancelled(), "not cancelled")


@probe("call_later", "context")
def call_later_context(loop: Loop) -> None:
    mark = _what_runs(loop, lambda f: loop.call_later(0.001, f, context=_marked("given")))
    expect(mark == "given", "runs in another context")


@probe("call_at")
def call_at(loop: Loop) -> None:
    began = loop.time()
    _what_runs(loop, lambda f: loop.call_at(began + 0.01, f))
    expect(loop.time() - began > 0.009, "too early")
    handle = loop.call_at(began + 3600, print)
    expect(abs(handle.when() - began - 3600) < 0.01, "when() is another time")


@probe("call_at", "context")
def call_at_context(loop: Loop) -> None:
    mark = _what_runs(loop, lambda f: loop.call_at(loop.time(), f, context=_marked("given")))
    expect(mark == "given", "runs in another context")


@probe("time")
def loop_time(loop: Loop) -> None:
    first = loop.time()
    expect(isinstance(first, float) and loop.time() >= first, "not a clock")


@probe("create_future")
async def create_future(loop: Loop) -> None:
    future = loop.create_future()
    expect(
        isinstance(future, asyncio.Future) and future.get_loop() is loop, "not a future of the loop"
    )
    loop.call_soon(future.set_result, 1)
    expect(await future == 1, "another result")


@probe("create_task")
async def create_task(loop: Loop) -> None:
    task = loop.create_task(asyncio.sleep(0, "result"))
    expect(task in asyncio.all_tasks(), "not among all_tasks()")
    expect(await task == "result", "another result")


@probe("create_task", "name")
async def create_task_name(loop: Loop) -> None:
    task = loop.create_task(asyncio.sleep(0), name="a name")
    expect(task.get_name() == "a name", "another name")
    await task


@probe("create_task", "context")
async def create_task_context(loop: Loop) -> None:
    async def mark() -> str:
        return _MARK.get()

    expect(await loop.create_task(mark(), context=_marked("given")) == "given", "another context")


@probe("create_task", "eager_start")
async def create_task_eager_start(loop: Loop) -> None:
    started = []

    async def program() -> None:
        started.append(True)

    coroutine = program()
    try:
        task = loop.create_task(coroutine, eager_start=True)  # type: ignore[call-arg]
    finally:
        coroutine.close()
    expect(started, "not started at once")
    await task


@probe("set_task_factory")
@probe("get_task_factory")
async def task_factory(loop: Loop) -> None:
    made = []

    def factory(loop: Loop, coro: Any, **keywords: Any) -> asyncio.Task[Any]:
        made.append(coro)
        return asyncio.Task(coro, loop=loop, **keywords)

    expect(loop.get_task_factory() is None, "a factory to begin with")
    loop.set_task_factory(factory)
    expect(loop.get_task_factory() is factory, "another factory")
    await loop.create_task(asyncio.sleep(0))
    expect(len(made) == 1, "the factory was not called")


@probe("get_exception_handler")
def get_exception_handler(loop: Loop) -> None:
    expect(loop.get_exception_handler() is None, "a handler to begin with")
    loop.set_exception_handler(print)
    expect(loop.get_exception_handler() is print, "another handler")


@probe("set_exception_handler")
@probe("call_exception_handler")
def exception_handler(loop: Loop) -> None:
    reports: list[dict[str, Any]] = []

    def handler(loop: Loop, context: dict[str, Any]) -> None:
        reports.append(context)

    loop.set_exception_handler(handler)
    loop.call_exception_handler({"message": "called"})
    expect(reports, "the handler is not called with the loop and the context")
    loop.call_soon(lambda: 1 // 0)
    loop.call_soon(loop.stop)
    loop.run_forever()
    expect(reports[0]["message"] == "called", "not called")
    expect(
        isinstance(reports[1]["exception"], ZeroDivisionError), "a callback's error is not reported"
    )


@probe("default_exception_handler")
def default_exception_handler(loop: Loop) -> None:
    records = _records_of(lambda: loop.default_exception_handler({"message": "something"}))
    expect(records and "something" in records[0], "nothing logged")


def _records_of(program: Callable[[], Any]) -> list[str]:
    """Return what asyncio's logger is given while a program runs."""
    records: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record.getMessage())

    logger, handler = logging.getLogger("asyncio"), Keep()
    logger.addHandler(handler)
    try:
        program()
    finally:
        logger.removeHandler(handler)
    return records


@probe("get_debug")
def get_debug(loop: Loop) -> None:
    expect(loop.get_debug() is False, "set to begin with")
    loop.set_debug(True)
    expect(loop.get_debug() is True, "not set")


@probe("set_debug")
def set_debug(loop: Loop) -> None:
    loop.set_debug(True)
    failures: list[BaseException] = []

    def call() -> None:
        try:
            loop.call_soon(print)
        except RuntimeError as error:
            failures.append(error)

    async def program() -> None:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()

    loop.run_until_complete(program())
    expect(failures, "a call_soon() from another thread is not noticed in debug mode")


@probe("slow_callback_duration")
def slow_callback_duration(loop: Loop) -> None:
    loop.set_debug(True)
    loop.slow_callback_duration = 0.001  # type: ignore[attr-defined]

    def slow() -> None:
        time.sleep(0.01)
        loop.stop()

    loop.call_soon(slow)
    expect(any("took" in record for record in _records_of(loop.run_forever)), "no warning")


@probe("run_forever")
def run_forever(loop: Loop) -> None:
    ran = []
    loop.call_soon(ran.append, 1)
    loop.call_soon(loop.stop)
    loop.call_soon(ran.append, 2)
    loop.run_forever()
    expect(ran == [1, 2], "does not end the turn in which it is stopped")


@probe("stop")
def stop(loop: Loop) -> None:
    ran = []
    loop.stop()
    loop.call_soon(ran.append, 1)
    loop.run_forever()
    expect(ran == [1], "a stop() before does not leave one turn")


@probe("run_until_complete")
def run_until_complete(loop: Loop) -> None:
    expect(loop.run_until_complete(asyncio.sleep(0, 5)) == 5, "another result")
    with refused(RuntimeError):
        loop.run_until_complete(_stop_early(loop))


async def _stop_early(loop: Loop) -> None:
    loop.stop()
    await asyncio.sleep(60)


@probe("is_running")
def is_running(loop: Loop) -> None:
    async def program() -> bool:
        return loop.is_running()

    expect(not loop.is_running(), "running before it runs")
    expect(loop.run_until_complete(program()), "not running while it runs")


@probe("is_closed")
def is_closed(loop: Loop) -> None:
    expect(not loop.is_closed(), "closed to begin with")
    loop.close()
    expect(loop.is_closed(), "not closed")


@probe("close")
def close(loop: Loop) -> None:
    loop.close()
    loop.close()
    with refused(RuntimeError, what="call_soon() after close() raises nothing"):
        loop.call_soon(print)


@probe("shutdown_asyncgens")
async def shutdown_asyncgens(loop: Loop) -> None:
    closed = []

    async def generator() -> Any:
        try:
            yield 1
        finally:
            closed.append(True)

    numbers = generator()
    await anext(numbers)
    await loop.shutdown_asyncgens()
    expect(closed, "an open generator is not closed")


@probe("run_in_executor")
async def run_in_executor(loop: Loop) -> None:
    name = await loop.run_in_executor(None, threading.get_ident)
    expect(name != threading.get_ident(), "not in another thread")
    with concurrent.futures.ThreadPoolExecutor(1, "own") as executor:
        thread = await loop.run_in_executor(executor, threading.current_thread)
        expect(thread.name.startswith("own"), "not in the given executor")


@probe("set_default_executor")
async def set_default_executor(loop: Loop) -> None:
    with concurrent.futures.ThreadPoolExecutor(1, "own") as executor:
        loop.set_default_executor(executor)
        thread = await loop.run_in_executor(None, threading.current_thread)
        expect(thread.name.startswith("own"), "not in the given executor")


@probe("shutdown_default_executor")
async def shutdown_default_executor(loop: Loop) -> None:
    await loop.run_in_executor(None, int)
    await loop.shutdown_default_executor()
    with refused(RuntimeError):
        await loop.run_in_executor(None, int)


@probe("shutdown_default_executor", "timeout")
async def shutdown_default_executor_timeout(loop: Loop) -> None:
    over = threading.Event()
    busy = loop.run_in_executor(None, over.wait, 3)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            await loop.shutdown_default_executor(timeout=0.01)
        expect(not over.is_set() and not busy.done(), "waits for the threads all the same")
        expect(
            any(one.category is RuntimeWarning for one in caught), "no warning that threads remain"
        )
    finally:
        over.set()
    await busy


@probe("add_signal_handler")
@probe("remove_signal_handler")
async def signal_handler(loop: Loop) -> None:
    heard = loop.create_future()
    loop.add_signal_handler(signal.SIGUSR1, heard.set_result, "heard")
    os.kill(os.getpid(), signal.SIGUSR1)
    expect(await heard == "heard", "other arguments")
    expect(loop.remove_signal_handler(signal.SIGUSR1) is True, "not removed")
    expect(loop.remove_signal_handler(signal.SIGUSR1) is False, "removed twice")
    expect(
        signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL, "the signal's default is not restored"
    )


@probe("add_reader")
async def add_reader(loop: Loop) -> None:
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        heard = loop.create_future()
        loop.add_reader(one, lambda: heard.done() or heard.set_result(one.recv(10)))
        other.send(b"hello")
        expect(await heard == b"hello", "other data")
        loop.remove_reader(one)


@probe("remove_reader")
async def remove_reader(loop: Loop) -> None:
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        loop.add_reader(one.fileno(), print)
        expect(loop.remove_reader(one.fileno()) is True, "remove_reader() does not return True")
        expect(
            loop.remove_reader(one) is False,
            "remove_reader() does not return False the second time",
        )


@probe("add_writer")
async def add_writer(loop: Loop) -> None:
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        heard = loop.create_future()
        loop.add_writer(one, lambda text: heard.done() or heard.set_result(text), "ready")
        expect(await heard == "ready", "other arguments")
        loop.remove_writer(one)


@probe("remove_writer")
async def remove_writer(loop: Loop) -> None:
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        loop.add_writer(one.fileno(), print)
        expect(loop.remove_writer(one.fileno()) is True, "remove_writer() does not return True")
        expect(
            loop.remove_writer(one) is False,
            "remove_writer() does not return False the second time",
        )


@probe("getaddrinfo")
async def getaddrinfo(loop: Loop) -> None:
    question = ("127.0.0.1", 80)
    answer = await loop.getaddrinfo(*question)
    expect(answer == await in_thread(socket.getaddrinfo, *question), "another answer than socket's")


def _asked(keyword: str, value: int) -> None:
    @probe("getaddrinfo", keyword)
    async def ask(loop: Loop) -> None:
        question: dict[str, Any] = {"host": "127.0.0.1", "port": 80, keyword: value}
        answer = await loop.getaddrinfo(**question)
        expect(answer == socket.getaddrinfo(**question), "another answer than socket's")
        if keyword == "family":
            with refused(socket.gaierror):
                await loop.getaddrinfo("127.0.0.1", 80, family=socket.AF_INET6)


_asked("family", socket.AF_INET)
_asked("type", socket.SOCK_STREAM)
_asked("proto", socket.IPPROTO_UDP)
_asked("flags", socket.AI_NUMERICHOST | socket.AI_CANONNAME)


@probe("getnameinfo")
async def getnameinfo(loop: Loop) -> None:
    answer = await loop.getnameinfo(
        ("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    )
    expect(answer == ("127.0.0.1", "80"), "another answer")


@probe("getnameinfo", "flags")
async def getnameinfo_flags(loop: Loop) -> None:
    answer = await loop.getnameinfo(
        sockaddr=("127.0.0.1", 80), flags=socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    )
    expect(answer == ("127.0.0.1", "80"), "another answer")
