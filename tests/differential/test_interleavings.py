"""No token is ever lost: every order of releases, cancellations and turns of the loop, with up to four tasks that wait.

A word is such an order. Each word is played from the start, then the loop settles, and then it must not be so that
somebody waits for what is there. AIOXIDE_INTERLEAVINGS is the length of the longest words; the time goes up fivefold
with each letter.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.namespaces import OURS, STDLIB, Names

from .schedule import Kind, OurLoop, StandingLoop

LETTERS_MAX = int(os.environ.get("AIOXIDE_INTERLEAVINGS", "0"))
# How long words are, by the number of tasks: some thousands in all.
LETTERS_BY_TASKS = {1: 7, 2: 6, 3: 5, 4: 5}
SETTLED_TURNS = 8
TURN, GIVE = "turn", "give"


class Tokens:
    """What tasks wait for: a primitive, and what has been given and taken."""

    name = ""

    def __init__(self, names: Any, tasks: int) -> None:
        self.taken: list[int] = []
        self.given = 0
        self.make(names, tasks)

    def make(self, names: Any, tasks: int) -> None:
        """Make the primitive with nothing to take."""
        raise NotImplementedError

    async def take(self, number: int) -> None:
        """Wait for a token."""
        raise NotImplementedError

    def give(self) -> None:
        """Give one."""
        raise NotImplementedError

    def can_give(self) -> bool:
        """Tell whether one more can be given: none, if nobody could take it without breaking the rules."""
        return self.given < 3

    def is_one_there(self) -> bool:
        """Tell whether a token is there for the taking."""
        raise NotImplementedError


class LockTokens(Tokens):
    name = "Lock"

    def make(self, names: Any, tasks: int) -> None:
        self.lock = names.Lock()
        _at_once(self.lock.acquire())

    async def take(self, number: int) -> None:
        await self.lock.acquire()
        self.taken.append(number)

    def can_give(self) -> bool:
        return bool(self.lock.locked())

    def give(self) -> None:
        self.lock.release()

    def is_one_there(self) -> bool:
        assert len(self.taken) <= self.given, "two hold the lock"
        return not self.lock.locked()


class SemaphoreTokens(Tokens):
    name = "Semaphore"
    at_first = 0

    def make(self, names: Any, tasks: int) -> None:
        self.semaphore = getattr(names, self.name)(self.at_first)

    async def take(self, number: int) -> None:
        await self.semaphore.acquire()
        self.taken.append(number)

    def give(self) -> None:
        self.semaphore.release()

    def is_one_there(self) -> bool:
        assert len(self.taken) <= self.given + self.at_first
        return len(self.taken) < self.given + self.at_first


class SemaphoreTokensAtFirst(SemaphoreTokens):
    """Some are there from the start, so that those who come late meet those who were woken."""

    at_first = 1


class BoundedSemaphoreTokens(SemaphoreTokens):
    name = "BoundedSemaphore"

    def make(self, names: Any, tasks: int) -> None:
        self.semaphore = names.BoundedSemaphore(3)
        for _ in range(3):
            _at_once(self.semaphore.acquire())


class ConditionTokens(Tokens):
    """A token is a notification: it must not be lost with the one who was notified and cancelled."""

    name = "Condition"

    def make(self, names: Any, tasks: int) -> None:
        self.condition = names.Condition()

    async def take(self, number: int) -> None:
        async with self.condition:
            await self.condition.wait()
            self.taken.append(number)

    def can_give(self) -> bool:
        return super().can_give() and not self.condition.locked()

    def give(self) -> None:
        _at_once(self.condition.acquire())
        self.condition.notify()
        self.condition.release()

    def is_one_there(self) -> bool:
        return len(self.taken) < self.given


class GetTokens(Tokens):
    name = "Queue"

    def make(self, names: Any, tasks: int) -> None:
        self.queue = names.Queue()

    async def take(self, number: int) -> None:
        item = await self.queue.get()
        assert item == len(self.taken), "the items come out of order"
        self.taken.append(number)

    def give(self) -> None:
        self.queue.put_nowait(self.given)

    def is_one_there(self) -> bool:
        assert len(self.taken) + self.queue.qsize() == self.given
        return not self.queue.empty()


class PutTokens(Tokens):
    """A token is room in a full queue."""

    name = "Queue"

    def make(self, names: Any, tasks: int) -> None:
        self.queue = names.Queue(1)
        self.queue.put_nowait("first")

    async def take(self, number: int) -> None:
        await self.queue.put(number)
        self.taken.append(number)

    def can_give(self) -> bool:
        return not self.queue.empty()

    def give(self) -> None:
        self.queue.get_nowait()

    def is_one_there(self) -> bool:
        assert 1 + len(self.taken) == self.given + self.queue.qsize()
        return not self.queue.full()


def _at_once(coroutine: Any) -> None:
    """Run what does not have to wait."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


class Play:
    """One word, played."""

    def __init__(self, loop: Any, kind: type[Tokens], names: Any, tasks: int) -> None:
        self._loop = loop
        self._tokens = kind(names, tasks)
        self._tasks = [loop.create_task(self._tokens.take(number)) for number in range(tasks)]
        self._cancelled: set[int] = set()
        self._turns = 0
        # All wait before anything happens.
        self._turn()

    def next_letters(self) -> Iterator[str | int]:
        """Give what can come next. A third turn in a row would change nothing that a settled loop does not show."""
        if self._turns < 2:
            yield TURN
        if self._tokens.can_give():
            yield GIVE
        for number, task in enumerate(self._tasks):
            if number not in self._cancelled and not task.done():
                yield number

    def step(self, letter: str | int) -> None:
        if letter == TURN:
            self._turns += 1
            self._turn()
            return
        self._turns = 0
        if letter == GIVE:
            self._tokens.give()
            self._tokens.given += 1
        else:
            self._cancelled.add(int(letter))
            self._tasks[int(letter)].cancel()

    def settle(self) -> None:
        """Let everything happen that can happen, and see whether somebody waits for what is there."""
        for _ in range(SETTLED_TURNS):
            self._turn()
        waiting = [number for number, task in enumerate(self._tasks) if not task.done()]
        assert not (waiting and self._tokens.is_one_there()), f"{waiting} wait for what is there"
        for number, task in enumerate(self._tasks):
            if task.done():
                if not task.cancelled():
                    task.result()
                assert (number in self._tokens.taken) is not task.cancelled()
                assert not task.cancelled() or number in self._cancelled

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        for _ in range(SETTLED_TURNS):
            self._turn()
        assert all(task.done() for task in self._tasks)

    def _turn(self) -> None:
        self._loop.call_soon(self._loop.stop)
        self._loop.run_forever()


def play_all(kind: type[Tokens], names: Any, loop: Any, tasks: int, longest: int) -> int:
    """Play every word up to that length; return how many there are."""
    words: list[tuple[str | int, ...]] = [()]
    played = 0
    while words:
        word = words.pop()
        play = Play(loop, kind, names, tasks)
        for letter in word:
            play.step(letter)
        if len(word) < longest:
            words += [(*word, letter) for letter in play.next_letters()]
        try:
            play.settle()
        except AssertionError as wrong:
            raise AssertionError(f"after {word}: {wrong}") from wrong
        play.end()
        played += 1
    return played


KINDS = [
    LockTokens,
    SemaphoreTokens,
    SemaphoreTokensAtFirst,
    BoundedSemaphoreTokens,
    ConditionTokens,
    GetTokens,
    PutTokens,
]

# Before 3.13 a notification, and a wake-up of a semaphore, could be lost; ours never are.
STDLIB_LOSES = {ConditionTokens} if sys.version_info < (3, 13) else set()


@pytest.mark.parametrize("loop_class", [StandingLoop, OurLoop])
@pytest.mark.parametrize("names", [STDLIB, OURS], ids=repr)
@pytest.mark.parametrize("tasks", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_no_order_of_events_loses_a_token(
    kind: type[Tokens], tasks: int, names: Names, loop_class: Any
) -> None:
    names.require(kind.name)
    if kind in STDLIB_LOSES and not names.native:
        pytest.skip("stdlib: a notification is lost with its waiter before 3.13")
    loop = loop_class()
    try:
        assert play_all(kind, names, loop, tasks, LETTERS_MAX or LETTERS_BY_TASKS[tasks]) > 10
    finally:
        loop.close()


class LosesWakeUps(asyncio.Semaphore):
    """Keeps the token of a waiter that was woken and cancelled."""

    async def acquire(self) -> Any:
        inner: Any = self
        if inner._value > 0:
            inner._value -= 1
            return True
        future = asyncio.get_running_loop().create_future()
        inner._waiters = inner._waiters if inner._waiters is not None else _deque()
        inner._waiters.append(future)
        try:
            await future
        finally:
            inner._waiters.remove(future)
        return True


class LosesNotifications(asyncio.Condition):
    """Notifies nobody else for a waiter that was notified and cancelled."""

    async def wait(self) -> Any:
        inner: Any = self
        future = asyncio.get_running_loop().create_future()
        inner._waiters.append(future)
        self.release()
        try:
            try:
                return await future
            finally:
                inner._waiters.remove(future)
        finally:
            await self.acquire()


class LosesItems(asyncio.Queue[Any]):
    """Wakes nobody else for a getter that was woken and cancelled."""

    async def get(self) -> Any:
        inner: Any = self
        while self.empty():
            getter = asyncio.get_running_loop().create_future()
            inner._getters.append(getter)
            await getter
        return self.get_nowait()


def _deque() -> Any:
    from collections import deque

    return deque()


MUTANTS: list[tuple[type[Tokens], Any]] = [
    (SemaphoreTokens, LosesWakeUps),
    (ConditionTokens, LosesNotifications),
    (GetTokens, LosesItems),
]


@pytest.mark.parametrize(("kind", "mutant"), MUTANTS, ids=lambda cls: cls.__name__)
def test_a_primitive_that_loses_tokens_is_found_out(kind: type[Tokens], mutant: Any) -> None:
    names = Kind(STDLIB, StandingLoop).with_(**{kind.name: mutant})
    loop = StandingLoop()
    try:
        with pytest.raises(AssertionError, match="wait for what is there"):
            play_all(kind, names, loop, 2, 6)
        # What was left waiting when the word broke off.
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
    finally:
        loop.close()
