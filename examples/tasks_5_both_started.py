"""Tasks, example 5: two tasks are started, one is awaited; the other ends with the program."""

import asyncio


async def fetch_data() -> dict[str, int]:
    """Pretend to wait for the network for 0.7 s: three of the counter's steps and a half."""
    print("start fetching")
    await asyncio.sleep(0.7)
    print("done fetching")
    return {"data": 1}


async def print_numbers() -> None:
    """Count from 0 to 9, a number every 0.2 s."""
    for number in range(10):
        print(number)
        await asyncio.sleep(0.2)


async def main() -> None:
    """Start both, wait for the data only."""
    fetching = asyncio.create_task(fetch_data())
    asyncio.create_task(print_numbers())  # noqa: RUF006 - nobody keeps it: that is the example.
    value = await fetching
    print(value)


asyncio.run(main())
