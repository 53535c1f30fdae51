"""Asynchronous generators, `async for`, comprehensions and `async with`.

Also shown: who cleans up a generator that is left half-way.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType


async def countdown(name: str, start: int) -> AsyncIterator[int]:
    """Yield `start`, ..., 1, giving way to the loop between two numbers; say so when closed."""
    try:
        for number in range(start, 0, -1):
            yield number
            await asyncio.sleep(0)
    finally:
        await asyncio.sleep(0)
        print(f"{name} is closed")


class Room:
    """A room that one enters and leaves asynchronously, and that lets no ValueError out."""

    async def __aenter__(self) -> "Room":
        await asyncio.sleep(0)
        print("enter")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        await asyncio.sleep(0)
        print(f"leave with {kind.__name__ if kind else 'nothing'}")
        return kind is ValueError


class Letters:
    """An asynchronous iterator written as a class."""

    def __init__(self, text: str) -> None:
        self._letters = iter(text)

    def __aiter__(self) -> "Letters":
        return self

    async def __anext__(self) -> str:
        await asyncio.sleep(0)
        try:
            return next(self._letters)
        except StopIteration:
            raise StopAsyncIteration from None


@asynccontextmanager
async def borrowed(thing: str) -> AsyncIterator[str]:
    """Lend `thing` for the time of an `async with`."""
    print(f"borrow the {thing}")
    try:
        yield thing
    finally:
        await asyncio.sleep(0)
        print(f"give the {thing} back")


async def left_half_way() -> None:
    """Break out of a generator: its last reference goes, and the loop closes it in a task."""
    async for number in countdown("abandoned", 9):
        print(number)
        if number == 8:
            break
    for _ in range(5):
        await asyncio.sleep(0)


async def main() -> None:
    """Show each form, in the order of the first line of this file."""
    async for number in countdown("finished", 3):
        print(number)
    print([number * number async for number in countdown("comprehended", 4)])
    print("".join([letter async for letter in Letters("asynchronous")]))
    async with Room(), borrowed("key") as key:
        print(f"inside, with the {key}")
    async with Room():
        raise ValueError("stays in the room")
    await left_half_way()
    kept = countdown("kept to the end", 5)
    print(await anext(kept))
    globals()["kept"] = kept  # Still referenced when main returns: asyncio.run closes it.
    print("main is done")


asyncio.run(main())
