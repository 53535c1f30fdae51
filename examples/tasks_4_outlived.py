"""Tasks, example 4: the task runs while `main` sleeps, outlasts `main`, and is cut short."""

import asyncio


async def foo(text: str) -> None:
    """Print `text`, then sleep for longer than the program runs."""
    print(text)
    await asyncio.sleep(10)
    print("never reached: the end of main cancels this task")


async def main() -> None:
    """Give the task a moment, not enough of them."""
    print("hello")
    asyncio.create_task(foo("text"))  # noqa: RUF006 - nobody keeps it: that is the example.
    await asyncio.sleep(0.2)
    print("finished")


asyncio.run(main())
