"""Async generators: the loop finishes those that nobody finished."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncGenerator

import pytest

from .support import Loop, Reports, turns


async def _numbers(closed: list[str], name: str = "gen") -> AsyncGenerator[int, None]:
    try:
        for i in range(10):
            yield i
            await asyncio.sleep(0)
    finally:
        await asyncio.sleep(0)
        closed.append(name)


def test_shutdown_asyncgens_closes_those_that_were_left(loop: Loop) -> None:
    closed: list[str] = []
    a, b = _numbers(closed, "a"), _numbers(closed, "b")

    async def main() -> None:
        await anext(a)
        await anext(b)

    loop.run_until_complete(main())
    assert closed == []
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert sorted(closed) == ["a", "b"]


async def test_a_dropped_generator_is_closed_by_the_loop(loop: Loop) -> None:
    closed: list[str] = []
    generator = _numbers(closed)
    async for _ in generator:
        break
    del generator
    gc.collect()
    await turns(5)
    assert closed == ["gen"]


async def test_a_finished_generator_is_not_closed_again(loop: Loop) -> None:
    closed: list[str] = []
    assert [i async for i in _numbers(closed)] == list(range(10))
    await loop.shutdown_asyncgens()
    assert closed == ["gen"]


async def test_an_error_while_closing_is_reported(loop: Loop, reports: Reports) -> None:
    async def bad() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            raise LookupError("closing")

    generator = bad()
    await anext(generator)
    await loop.shutdown_asyncgens()
    [report] = reports
    assert isinstance(report["exception"], LookupError)
    assert report["asyncgen"] is generator
    assert "an error occurred during closing of asynchronous generator" in report["message"]
    reports.clear()


async def test_a_generator_started_after_the_shutdown_warns(loop: Loop) -> None:
    await loop.shutdown_asyncgens()
    closed: list[str] = []
    generator = _numbers(closed)
    with pytest.warns(ResourceWarning, match="was scheduled after loop.shutdown_asyncgens"):
        await anext(generator)
    await generator.aclose()


async def test_shutdown_without_generators_is_nothing(loop: Loop) -> None:
    assert await loop.shutdown_asyncgens() is None


def test_the_hooks_are_ours_during_a_run_and_restored_after(loop: Loop) -> None:
    def first_iter(agen: object) -> None:
        """A hook of the user's."""

    sys.set_asyncgen_hooks(firstiter=first_iter)
    try:
        seen: list[object] = []
        loop.call_soon(lambda: seen.append(sys.get_asyncgen_hooks().firstiter))
        loop.call_soon(loop.stop)
        loop.run_forever()
        assert seen[0] is not first_iter
        assert sys.get_asyncgen_hooks().firstiter is first_iter
    finally:
        sys.set_asyncgen_hooks(None, None)


def test_the_hooks_are_restored_after_an_exit(loop: Loop) -> None:
    def leave() -> None:
        raise KeyboardInterrupt

    loop.call_soon(leave)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    assert sys.get_asyncgen_hooks() == (None, None)


async def test_a_generator_dropped_in_another_thread_is_closed_on_the_loop(loop: Loop) -> None:
    closed: list[str] = []
    box = [_numbers(closed)]
    await anext(box[0])
    await loop.run_in_executor(None, box.clear)
    gc.collect()
    await turns(6)
    assert closed == ["gen"]
