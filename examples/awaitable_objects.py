"""What can be awaited besides coroutines and tasks: objects with `__await__`, and generators."""

import asyncio
import inspect
import types
from collections.abc import Generator
from typing import Any


class After:
    """An object that can be awaited: it waits, then gives `value`."""

    def __init__(self, delay_s: float, value: str) -> None:
        self._delay_s = delay_s
        self._value = value

    def __await__(self) -> Generator[Any, None, str]:
        yield from asyncio.sleep(self._delay_s).__await__()
        return self._value


@types.coroutine
def give_way() -> Generator[None, None, None]:
    """Let every other ready task run once: what a bare yield means to the loop."""
    yield


async def stepper(name: str, steps: int) -> str:
    """Take `steps` steps, giving way after each."""
    for step in range(1, steps + 1):
        print(f"{name} takes step {step}")
        await give_way()
    return name


async def doubled(number: int) -> int:
    """Return at once."""
    return 2 * number


async def main() -> None:
    """Await one of each."""
    print(await After(0.1, "an object with __await__"))
    print(await asyncio.gather(stepper("left", 3), stepper("right", 2)))
    coroutine = doubled(21)
    print(f"calling made a {type(coroutine).__name__}, {inspect.getcoroutinestate(coroutine)}")
    print(f"awaiting it gave {await coroutine}, {inspect.getcoroutinestate(coroutine)}")
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.1, future.set_result, "a future set by a timer")
    print(await future)
    print(await asyncio.wait_for(After(0, "an object again, under wait_for"), timeout=5))
    try:
        await asyncio.wait_for(After(30, "never"), timeout=0.1)
    except TimeoutError:
        print("and one that took too long")
    things = (After(0, ""), future, give_way, 1)
    print(f"which is awaitable? {[inspect.isawaitable(thing) for thing in things]}")


asyncio.run(main())
