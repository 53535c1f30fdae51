"""Two endless loops side by side under one `gather`, ended by cancelling it."""

import asyncio


async def foo() -> None:
    """Say foo for ever."""
    while True:
        await asyncio.sleep(0.1)
        print("foo")


async def bar(rounds: int, heard: asyncio.Event) -> None:
    """Say bar for ever; after `rounds` times, let the listener know."""
    count = 0
    while True:
        await asyncio.sleep(0.1)
        print("bar")
        count += 1
        if count == rounds:
            heard.set()


async def main() -> None:
    """Run both until bar has been heard four times."""
    heard = asyncio.Event()
    both = asyncio.gather(foo(), bar(4, heard))
    await heard.wait()
    both.cancel()
    try:
        await both
    except asyncio.CancelledError:
        print("both loops were cancelled")


asyncio.run(main())
