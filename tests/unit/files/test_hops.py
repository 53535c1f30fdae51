"""Hops: who gives back what a thread has brought for somebody who has gone."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from aioxide.files.hops import hop, hop_and_take

from .outcomes import Gate


async def test_a_hop_calls_in_a_thread(loop: asyncio.AbstractEventLoop) -> None:
    assert await hop(threading.get_ident) != threading.get_ident()
    assert await hop(int, "ff", base=16) == 255
    with pytest.raises(ValueError, match="invalid literal"):
        await hop(int, "x")


async def test_what_is_taken_is_not_undone(loop: asyncio.AbstractEventLoop) -> None:
    undone: list[str] = []
    assert await hop_and_take(lambda: "result", undone.append) == "result"
    with pytest.raises(KeyError):
        await hop_and_take({}.popitem, undone.append)
    await loop.shutdown_default_executor()
    assert undone == []


async def test_a_call_that_ends_after_the_cancellation_is_undone(
    loop: asyncio.AbstractEventLoop,
) -> None:
    gate = Gate()
    undone: list[str] = []

    def call() -> str:
        gate.pass_through()
        return "result"

    taking = asyncio.ensure_future(hop_and_take(call, undone.append))
    await gate.arrival()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert undone == []
    gate.open()
    await loop.shutdown_default_executor()
    assert undone == ["result"]


async def test_a_call_that_has_ended_when_it_is_cancelled_is_undone(
    loop: asyncio.AbstractEventLoop,
) -> None:
    undone: list[str] = []
    executor = ThreadPoolExecutor(1)
    loop.set_default_executor(executor)
    gate = Gate()

    def call() -> str:
        gate.pass_through()
        return "result"

    taking = asyncio.ensure_future(hop_and_take(call, undone.append))
    await gate.arrival()
    gate.open()
    # The one thread is done with it, which the loop has not heard of.
    executor.submit(int).result()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    await loop.shutdown_default_executor()
    assert undone == ["result"]


async def test_an_undoing_that_fails_is_nobodys_to_hear_of(loop: asyncio.AbstractEventLoop) -> None:
    gate = Gate()

    def undo(result: None) -> None:
        raise OSError("gone already")

    taking = asyncio.ensure_future(hop_and_take(gate.pass_through, undo))
    await gate.arrival()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    gate.open()
    await loop.shutdown_default_executor()
