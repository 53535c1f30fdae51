"""Tasks, example 1: a coroutine that is awaited directly runs to its end before the next line."""

import asyncio


async def foo(text: str) -> None:
    """Print `text`, then take a while."""
    print(text)
    await asyncio.sleep(0.2)


async def main() -> None:
    """Await foo between two lines."""
    print("hello")
    await foo("text")
    print("finished")


asyncio.run(main())
