"""Random trees of tasks that are gathered, grouped, shielded and timed out leave the same trace with ours."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .schedule import REFERENCE
from .strategies import check, heir, notice
from .wait_programs import FAMILIES, WaitMachine

NEWER = "a task group takes back that it has cancelled its parent when it raises"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_random_program_leaves_the_same_trace(family: str) -> None:
    needed, programs = FAMILIES[family]
    newer = NEWER if "TaskGroup" in needed else None
    check(WaitMachine, programs, needed, newer)


def gathers_in_order_of_completion(*things: Any, return_exceptions: bool = False) -> Any:
    """Ignore the order of the arguments."""
    return asyncio.gather(*reversed(things), return_exceptions=return_exceptions)


def shields_nothing(thing: Any) -> Any:
    """Hand out what was to be shielded."""
    return asyncio.ensure_future(thing)


async def waits_for_one_only(things: Any, *, return_when: str = "", **options: Any) -> Any:
    """Take any outcome for an exception."""
    if return_when == asyncio.FIRST_EXCEPTION:
        return_when = asyncio.FIRST_COMPLETED
    return await asyncio.wait(things, return_when=return_when, **options)


async def waits_for_ever(thing: Any, delay: Any) -> Any:
    """Has no deadline that has passed already."""
    return await asyncio.wait_for(thing, delay if delay is None or delay > 0 else 0.25)


def completes_in_the_order_asked(things: Any, *, timeout: Any = None) -> Any:
    """Ignore who is done first."""
    for thing in things:
        yield asyncio.wait_for(thing, timeout)


async def sleeps_a_turn_longer(delay: float, result: object = None) -> object:
    """Give way once more."""
    await asyncio.sleep(0)
    return await asyncio.sleep(delay, result)


class NeverExpires(asyncio.Timeout):
    """Forgets to say that it was the one who cancelled."""

    async def __aexit__(self, *exc_info: Any) -> Any:
        self._task.uncancel()  # type: ignore[attr-defined]
        return await super().__aexit__(*exc_info)


class SwallowsErrors(asyncio.TaskGroup):
    """Raises nothing if the block itself succeeded."""

    async def __aexit__(self, kind: Any, exc: Any, tb: Any) -> Any:
        try:
            return await super().__aexit__(kind, exc, tb)
        except BaseExceptionGroup:
            if exc is not None:
                raise


def never_expires(delay: Any) -> Any:
    """Make such a timeout."""
    loop = asyncio.get_running_loop()
    return NeverExpires(None if delay is None else loop.time() + delay)


MUTANTS = [
    ("gather", gathers_in_order_of_completion),
    ("shield", shields_nothing),
    ("wait", waits_for_one_only),
    ("wait_for", waits_for_ever),
    ("as_completed", completes_in_the_order_asked),
    ("sleep", sleeps_a_turn_longer),
    ("timeouts", never_expires),
    ("task groups", SwallowsErrors),
]


@pytest.mark.parametrize(
    ("family", "mutant"), MUTANTS, ids=lambda value: getattr(value, "__name__", None)
)
def test_the_programs_notice_what_is_a_little_wrong(family: str, mutant: Any) -> None:
    (name, *_), programs = FAMILIES[family]
    if isinstance(mutant, type):
        mutant = heir(mutant, name)
    assert notice(WaitMachine, programs, REFERENCE.with_(**{name: mutant}))
