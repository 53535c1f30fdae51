"""Tasks, example 3: a task that is awaited at once behaves like the coroutine of example 1."""

import asyncio


async def foo(text: str) -> None:
    """Print `text`, then take a while."""
    print(text)
    await asyncio.sleep(0.2)


async def main() -> None:
    """Create a task and await it."""
    print("hello")
    task = asyncio.create_task(foo("text"))
    await task
    print("finished")


asyncio.run(main())
