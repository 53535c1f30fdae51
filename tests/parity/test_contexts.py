"""The contexts that callbacks run in: each its own, whatever the loop shares between them."""

from __future__ import annotations

import asyncio
import contextvars
import random
import socket
from typing import Any

from tests.parity.support import Loop, Reports

VARIABLE: contextvars.ContextVar[int] = contextvars.ContextVar("VARIABLE", default=0)
OTHER: contextvars.ContextVar[str] = contextvars.ContextVar("OTHER", default="")


def _settle(loop: Loop) -> None:
    """Run what is scheduled now and what that schedules, for a few turns."""

    async def turns() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    loop.run_until_complete(turns())


def test_what_a_callback_sets_no_other_callback_sees(loop: Loop) -> None:
    seen: list[int] = []

    def set_and_look(value: int) -> None:
        seen.append(VARIABLE.get())
        VARIABLE.set(value)

    for value in range(1, 6):
        loop.call_soon(set_and_look, value)
    _settle(loop)
    assert seen == [0] * 5
    assert VARIABLE.get() == 0


def test_a_callback_passes_what_it_set_on_to_what_it_schedules(loop: Loop) -> None:
    seen: list[int] = []

    def parent(value: int) -> None:
        VARIABLE.set(value)
        loop.call_soon(lambda: seen.append(VARIABLE.get()))
        loop.call_later(0, lambda: seen.append(-VARIABLE.get()))

    for value in (1, 2):
        loop.call_soon(parent, value)
    _settle(loop)
    assert sorted(seen) == [-2, -1, 1, 2]


def test_a_callback_sees_the_variables_of_the_moment_it_was_scheduled_in(loop: Loop) -> None:
    seen: list[int] = []
    token = VARIABLE.set(1)
    try:
        loop.call_soon(lambda: seen.append(VARIABLE.get()))
        VARIABLE.set(2)
        loop.call_soon(lambda: seen.append(VARIABLE.get()))
        loop.call_soon_threadsafe(lambda: seen.append(VARIABLE.get()))
    finally:
        VARIABLE.reset(token)
    loop.call_soon(lambda: seen.append(VARIABLE.get()))
    _settle(loop)
    assert seen == [1, 2, 2, 0]


def test_a_variable_that_is_reset_leaves_no_trace(loop: Loop) -> None:
    seen: list[int] = []

    def set_and_reset() -> None:
        VARIABLE.reset(VARIABLE.set(7))
        seen.append(VARIABLE.get())

    for _ in range(3):
        loop.call_soon(set_and_reset)
    _settle(loop)
    assert seen == [0, 0, 0]


def test_a_copy_that_a_callback_keeps_stays_as_it_was(loop: Loop) -> None:
    kept: list[contextvars.Context] = []
    token = VARIABLE.set(3)
    loop.call_soon(lambda: kept.append(contextvars.copy_context()))
    VARIABLE.reset(token)
    loop.call_soon(VARIABLE.set, 4)
    _settle(loop)
    assert kept[0][VARIABLE] == 3


def test_the_exception_handler_sees_what_the_failing_callback_set(
    loop: Loop, reports: Reports
) -> None:
    seen: list[int] = []

    def failing() -> None:
        VARIABLE.set(9)
        raise ZeroDivisionError

    def handler(_loop: Loop, _context: dict[str, Any]) -> None:
        seen.append(VARIABLE.get())

    loop.set_exception_handler(handler)
    loop.call_soon(failing)
    loop.call_soon(lambda: seen.append(VARIABLE.get()))
    _settle(loop)
    # From Python 3.12 on the handler runs in the callback's context; before, in the loop's caller's.
    assert seen in ([9, 0], [0, 0])


def test_all_calls_of_a_reader_share_one_context(loop: Loop) -> None:
    near, far = socket.socketpair()
    seen: list[int] = []

    def readable() -> None:
        near.recv(1)
        seen.append(VARIABLE.get())
        VARIABLE.set(VARIABLE.get() + 1)
        if len(seen) == 3:
            loop.remove_reader(near)
            loop.stop()

    loop.add_reader(near, readable)
    far.send(b"abc")
    loop.run_forever()
    near.close()
    far.close()
    assert seen == [0, 1, 2]


def test_random_programs_of_callbacks_see_what_copies_would_give(loop: Loop) -> None:
    """Each callback carries the values it must see, and randomly sets, nests and schedules."""
    dice = random.Random(20_26)
    left = 2_000

    def step(number: int, text: str) -> None:
        nonlocal left
        assert (VARIABLE.get(), OTHER.get()) == (number, text)
        if dice.random() < 0.4:
            number = dice.randrange(5)
            VARIABLE.set(number)
        if dice.random() < 0.3:
            text = dice.choice("abc")
            OTHER.set(text)
        for _ in range(dice.randrange(3)):
            if left > 0:
                left -= 1
                schedule = dice.choice([loop.call_soon, loop.call_soon_threadsafe, _soon])
                if dice.random() < 0.2:
                    contextvars.copy_context().run(schedule, step, number, text)
                else:
                    schedule(step, number, text)

    def _soon(callback: Any, *args: Any) -> None:
        loop.call_later(0, callback, *args)

    for _ in range(50):
        loop.call_soon(step, 0, "")
    for _ in range(200):
        _settle(loop)
