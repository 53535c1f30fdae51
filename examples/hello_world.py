"""Hello world: one coroutine, run to its end by `asyncio.run`."""

import asyncio


async def hello_world() -> None:
    """Wait a moment, then greet."""
    await asyncio.sleep(0.1)
    print("Hello world")


asyncio.run(hello_world())
