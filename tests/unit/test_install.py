"""What `install` and `uninstall` promise: every way of asyncio to make a loop, ours, and put back as it was."""

from __future__ import annotations

import asyncio
import selectors
import subprocess
import sys
import textwrap
import unittest
from asyncio import events, unix_events
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import aioxide

STDLIB_LOOP = asyncio.SelectorEventLoop


def snapshot() -> dict[str, dict[str, object]]:
    """Copy the name spaces that an installation could touch."""
    policy: type = aioxide.EventLoopPolicy
    owners = [
        asyncio,
        events,
        unix_events,
        asyncio.runners,
        asyncio.base_events,
        *policy.__mro__[:-1],
    ]
    return {
        f"{owner.__module__ if isinstance(owner, type) else ''} {owner}": dict(vars(owner))
        for owner in owners
    }


@pytest.fixture
def installed() -> Iterator[None]:
    aioxide.install()
    yield
    aioxide.uninstall()


def in_fresh_process(source: str) -> str:
    """Run source in a Python of its own that treats warnings as errors, and return what it prints."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(source)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def made_by_get_event_loop() -> asyncio.AbstractEventLoop:
    policy = events._event_loop_policy  # type: ignore[attr-defined]
    loop = policy.new_event_loop()
    policy.set_event_loop(loop)
    assert asyncio.get_event_loop() is loop
    policy.set_event_loop(None)
    return loop


def made_by_runner() -> asyncio.AbstractEventLoop:
    with asyncio.Runner() as runner:
        return runner.get_loop()


def made_by_run() -> asyncio.AbstractEventLoop:
    async def current() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    return asyncio.run(current())


def made_by_unittest() -> asyncio.AbstractEventLoop:
    seen = []

    class Case(unittest.IsolatedAsyncioTestCase):
        async def test(self) -> None:
            seen.append(asyncio.get_running_loop())

    result = unittest.TestResult()
    Case("test").run(result)
    assert result.wasSuccessful()
    return seen[0]


WAYS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "run": made_by_run,
    "Runner": made_by_runner,
    "new_event_loop": lambda: asyncio.new_event_loop(),
    "get_event_loop": made_by_get_event_loop,
    "SelectorEventLoop": lambda: asyncio.SelectorEventLoop(),
    "SelectorEventLoop with a selector": lambda: asyncio.SelectorEventLoop(
        selectors.SelectSelector()
    ),
    "unittest": made_by_unittest,
}
if sys.version_info >= (3, 13):
    WAYS["EventLoop"] = lambda: asyncio.EventLoop()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("make", WAYS.values(), ids=WAYS)
def test_every_way_of_asyncio_to_make_a_loop_makes_ours(
    make: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    loop = make()
    loop.close()
    assert isinstance(loop, aioxide.EventLoop)
    assert isinstance(loop, asyncio.SelectorEventLoop)


@pytest.mark.usefixtures("installed")
def test_a_policy_that_a_program_derives_from_asyncios_makes_our_loops() -> None:
    default: Any = aioxide.EventLoopPolicy.__base__

    class Policy(default):  # type: ignore[misc]
        pass

    loop = Policy().new_event_loop()
    loop.close()
    assert isinstance(loop, aioxide.EventLoop)


@pytest.mark.usefixtures("installed")
def test_a_selector_class_of_the_program_keeps_asyncios_loop() -> None:
    class Recording(selectors.SelectSelector):
        pass

    loop = asyncio.SelectorEventLoop(Recording())
    loop.close()
    assert type(loop) is STDLIB_LOOP


@pytest.mark.usefixtures("installed")
def test_the_loop_class_can_be_derived_from() -> None:
    class Loop(asyncio.SelectorEventLoop):
        def time(self) -> float:
            return super().time()

    loop = Loop()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert isinstance(loop, aioxide.EventLoop)


def test_uninstall_puts_back_exactly_what_was_there() -> None:
    before = snapshot()
    aioxide.install()
    assert snapshot() != before
    aioxide.uninstall()
    assert snapshot() == before


def test_uninstall_puts_back_the_policy_and_the_loop_that_were_set() -> None:
    out = in_fresh_process(
        """
        import asyncio, sys, aioxide
        from asyncio import events
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        policy = events._event_loop_policy
        aioxide.install()
        assert events._event_loop_policy is not policy
        aioxide.uninstall()
        assert events._event_loop_policy is policy
        assert asyncio.get_event_loop() is loop
        loop.close()
        print("same")
        """
    )
    assert out == "same\n"


def test_a_second_call_of_either_does_nothing() -> None:
    before = snapshot()
    aioxide.uninstall()
    assert snapshot() == before
    aioxide.install()
    once = snapshot()
    aioxide.install()
    assert snapshot() == once
    assert aioxide.installed()
    aioxide.uninstall()
    aioxide.uninstall()
    assert snapshot() == before
    assert not aioxide.installed()


def test_uninstall_leaves_what_others_have_replaced_in_the_meantime() -> None:
    class Foreign(STDLIB_LOOP):
        pass

    aioxide.install()
    asyncio.SelectorEventLoop = Foreign  # type: ignore[misc]
    aioxide.uninstall()
    assert asyncio.SelectorEventLoop is Foreign
    asyncio.SelectorEventLoop = STDLIB_LOOP  # type: ignore[misc]


def test_importing_aioxide_changes_nothing_in_asyncio() -> None:
    out = in_fresh_process(
        """
        import asyncio, signal, sys, threading, warnings
        import asyncio.sslproto, asyncio.trsock
        def state():
            modules = {n: dict(vars(m)) for n, m in sys.modules.items() if n.split(".")[0] in {"asyncio", "_asyncio"}}
            classes = {
                f"{n}.{k}": dict(vars(v))
                for n, names in modules.items() for k, v in names.items() if isinstance(v, type)
            }
            hooks = (sys.excepthook, sys.get_asyncgen_hooks(), signal.getsignal(signal.SIGINT), list(warnings.filters),
                     threading.active_count())
            return modules, classes, hooks
        before = state()
        import aioxide
        after = state()
        for mine, theirs in zip(before, after):
            if isinstance(mine, dict):
                for name, value in mine.items():
                    assert theirs[name] == value, name
            else:
                assert mine == theirs
        print("same")
        """
    )
    assert out == "same\n"


def test_importing_everything_warns_of_nothing() -> None:
    out = in_fresh_process(
        """
        import aioxide
        from aioxide import *
        loop = EventLoopPolicy().new_event_loop()
        loop.close()
        print(isinstance(loop, EventLoop), sorted(aioxide.__all__) == sorted(set(aioxide.__all__)))
        """
    )
    assert out == "True True\n"


def test_the_policy_can_be_set_the_way_of_asyncio() -> None:
    out = in_fresh_process(
        """
        import asyncio, warnings, aioxide
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(aioxide.EventLoopPolicy())
        async def main():
            return type(asyncio.get_running_loop())
        print(asyncio.run(main()) is aioxide.EventLoop)
        """
    )
    assert out == "True\n"
