"""Tasks, example 2: a task nobody awaits starts once `main` is done, and does not delay the end."""

import asyncio


async def foo(text: str) -> None:
    """Print `text`, then take a while."""
    print(text)
    await asyncio.sleep(10)
    print("never reached: the end of main cancels this task")


async def main() -> None:
    """Create a task and go on without it."""
    print("hello")
    asyncio.create_task(foo("text"))  # noqa: RUF006 - nobody keeps it: that is the example.
    print("finished")


asyncio.run(main())
