"""Tasks, example 6: the counter is started after the data has come; it gets to one number."""

import asyncio


async def fetch_data() -> dict[str, int]:
    """Pretend to wait for the network."""
    print("start fetching")
    await asyncio.sleep(0.3)
    print("done fetching")
    return {"data": 1}


async def print_numbers() -> None:
    """Count from 0 to 9, a number every 0.2 s."""
    for number in range(10):
        print(number)
        await asyncio.sleep(0.2)


async def main() -> None:
    """Wait for the data first, then start counting and leave."""
    fetching = asyncio.create_task(fetch_data())
    value = await fetching
    asyncio.create_task(print_numbers())  # noqa: RUF006 - nobody keeps it: that is the example.
    print(value)


asyncio.run(main())
