"""Fixtures for every test: the loop under test, and a guard that fails a test for whatever its loop complains about.

A test that asks for `loop` or `loop_factory` runs twice, on the stdlib's asyncio and on aioxide. An `async def` test
that asks for `loop` runs on it. When the test function is over, its loop is closed in the open, and the test fails if
the loop's exception handler was called, if the asyncio logger saw an error, if an exception could not be raised
anywhere, or if a ResourceWarning or a never-awaited coroutine came up. A test that means to cause such a report
takes it out of `reports`.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import os
import signal
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

LOOP_NAMES = ("asyncio", "aioxide")

# Long enough for a loaded machine; a test that needs it all has hung.
DEADLINE_S = 30.0
CLEANUP_DEADLINE_S = 15.0

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks of this suite, and hear of Ctrl-C, as children started by it must."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell has its background jobs ignore it, and they have their children do so.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line(
        "markers",
        "asyncio_since(major, minor, reason): the stdlib half runs from this Python on, aioxide's half on every one",
    )
    config.addinivalue_line(
        "markers",
        "asyncio_bug(reason, on=...): the stdlib half is left out (only on the Pythons in `on`, where given), "
        "because the stdlib is wrong there",
    )
    config.addinivalue_line(
        "markers",
        "python_since(major, minor, reason): neither half can run before this Python",
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Spare the collector what lives for the whole run: it is asked for a full collection after every test."""
    gc.collect()
    gc.freeze()


def factory_named(name: str) -> LoopFactory:
    """Return the zero-argument factory of the named loop. Raises ImportError where aioxide is not built."""
    if name == "asyncio":
        return asyncio.SelectorEventLoop
    import aioxide

    factory: LoopFactory = aioxide.new_event_loop
    return factory


def _leave_out_by_mark(request: pytest.FixtureRequest, name: str) -> None:
    for mark in request.node.iter_markers("python_since"):
        major, minor, reason = mark.args
        if sys.version_info < (major, minor):
            pytest.skip(reason)
    if name != "asyncio":
        return
    for mark in request.node.iter_markers("asyncio_since"):
        *version, reason = mark.args
        if sys.version_info < tuple(version):
            pytest.skip(f"stdlib only from {'.'.join(map(str, version))}: {reason}")
    for mark in request.node.iter_markers("asyncio_bug"):
        if sys.version_info[:2] in mark.kwargs.get("on", [sys.version_info[:2]]):
            pytest.skip(f"stdlib: {mark.args[0]}")


@pytest.fixture(params=LOOP_NAMES)
def loop_name(request: pytest.FixtureRequest) -> str:
    """The name of the loop under test: "asyncio" or "aioxide"."""
    name: str = request.param
    _leave_out_by_mark(request, name)
    return name


@pytest.fixture
def loop_factory(loop_name: str) -> LoopFactory:
    """A zero-argument callable that makes a loop of the kind under test. The caller closes what it makes."""
    return factory_named(loop_name)


class Guard:
    """One loop under test, and what it reported."""

    def __init__(self, factory: LoopFactory) -> None:
        """Make the loop and listen to its exception handler."""
        self.loop = factory()
        self.reports: list[dict[str, Any]] = []
        self.loop.set_exception_handler(self._record)

    def _record(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.reports.append(context)

    def run(self, coro: Coroutine[Any, Any, object]) -> None:
        """Run the test's coroutine to its end."""
        task = self.loop.create_task(coro)
        try:
            self.loop.run_until_complete(task)
        finally:
            # A failed test's traceback must not keep the task, and so its transports, alive.
            del task

    def finish(self) -> None:
        """Cancel what still runs, and close the loop, as a Runner does."""
        loop = self.loop
        if loop.is_closed():
            return
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@pytest.fixture
def guard(loop_factory: LoopFactory) -> Iterator[Guard]:
    """The loop under test with its guard; most tests want `loop` and `reports` instead."""
    made = Guard(loop_factory)
    yield made
    if not made.loop.is_closed():  # the test never ran
        made.loop.close()


@pytest.fixture
def loop(guard: Guard) -> asyncio.AbstractEventLoop:
    """A fresh loop, closed at the end of the test. In an `async def` test it is the running one."""
    return guard.loop


@pytest.fixture
def reports(guard: Guard) -> list[dict[str, Any]]:
    """The contexts that the exception handler of `loop` got. What a test leaves in the list fails it."""
    return guard.reports


class DeadlinePassed(KeyboardInterrupt):
    """The test hangs. A KeyboardInterrupt, because every loop lets that one out of whatever it is doing."""


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    def hung(signum: int, frame: FrameType | None) -> None:
        raise DeadlinePassed

    before = signal.signal(signal.SIGALRM, hung)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except DeadlinePassed as exc:
        raise pytest.fail.Exception(f"nothing happened for {seconds} s") from exc
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _Complaints(logging.Handler):
    """Everything that was said about the test behind its back."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(f"logged: {record.getMessage()}")

    def unraisable(self, args: Any) -> None:
        self.heard.append(f"unraisable in {args.object!r}: {args.exc_value!r}")

    def add_warnings(self, caught: list[warnings.WarningMessage]) -> None:
        for warning in caught:
            text = str(warning.message)
            if issubclass(warning.category, ResourceWarning) or "never awaited" in text:
                self.heard.append(f"{warning.category.__name__}: {text}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Run the test under a deadline, on its loop if it is a coroutine function, and hear every complaint."""
    if not {"loop_name", "guard"} & set(pyfuncitem.fixturenames):
        return (yield)
    guard: Guard | None = pyfuncitem.funcargs.get("guard")
    function = pyfuncitem.obj
    if inspect.iscoroutinefunction(function):
        assert guard is not None, "an async test asks for the `loop` fixture"
        pyfuncitem.obj = lambda **kwargs: guard.run(function(**kwargs))
    complaints = _Complaints()
    logger = logging.getLogger("asyncio")
    hears_log = "caplog" not in pyfuncitem.fixturenames
    hook_before = sys.unraisablehook
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sys.unraisablehook = complaints.unraisable
        if hears_log:
            logger.addHandler(complaints)
        try:
            with _deadline(DEADLINE_S):
                result = yield
            with _deadline(CLEANUP_DEADLINE_S):
                if guard is not None:
                    guard.finish()
                gc.collect()
        finally:
            pyfuncitem.obj = function
            logger.removeHandler(complaints)
            sys.unraisablehook = hook_before
    complaints.add_warnings(caught)
    if guard is not None:
        complaints.heard += [f"exception handler: {context!r}" for context in guard.reports]
    if complaints.heard:
        pytest.fail("the loop complained:\n" + "\n".join(complaints.heard))
    return result


class Program:
    """Runs Python source in a fresh interpreter that has `new_event_loop` of the loop under test."""

    def __init__(self, loop_name: str) -> None:
        """Remember which loop the programs use."""
        module = "asyncio" if loop_name == "asyncio" else "aioxide"
        self._prelude = f"import asyncio, os, signal, sys, threading, time\nfrom {module} import new_event_loop\n"
        self._processes: list[subprocess.Popen[str]] = []

    def start(
        self, source: str, *options: str, env: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start the program; `options` go to the interpreter."""
        command = [sys.executable, *options, "-c", self._prelude + textwrap.dedent(source)]
        pipe = subprocess.PIPE
        environment = {**os.environ, **(env or {})}
        process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment
        )
        self._processes.append(process)
        return process

    def run(
        self, source: str, *options: str, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the program to its end, within a deadline."""
        process = self.start(source, *options, env=env)
        try:
            out, err = process.communicate(timeout=DEADLINE_S * 0.8)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"the program hung\n{out}\n{err}")
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def end(self) -> None:
        """Kill what a test that failed has left running."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.communicate()


@pytest.fixture
def program(loop_name: str) -> Iterator[Program]:
    """Runs source text in a subprocess, with `new_event_loop` of the loop under test in its globals."""
    program = Program(loop_name)
    yield program
    program.end()
