"""Independent producers and consumers over one bounded queue, which holds the producers back.

Nothing here waits for a clock. The order of the lines follows from the queue alone, which wakes
those who wait first come, first served. The consumers are cancelled when all is served.
"""

import asyncio

Orders = asyncio.Queue[str]


async def produce(name: str, count: int, orders: Orders) -> None:
    """Put `count` orders; the bound of the queue makes this wait for the consumers."""
    for number in range(1, count + 1):
        order = f"{name}{number}"
        full = orders.full()
        await orders.put(order)
        print(f"{name} put {order}{' after waiting for room' if full else ''}")
    print(f"{name} is done")


async def consume(name: str, orders: Orders) -> None:
    """Serve orders until cancelled."""
    served = 0
    try:
        while True:
            order = await orders.get()
            await asyncio.sleep(0)
            served += 1
            print(f"  {name} served {order}")
            orders.task_done()
    except asyncio.CancelledError:
        print(f"  {name} goes home after {served}")
        raise


async def main() -> None:
    """Wait for the producers, then for the queue, then send the consumers home."""
    orders: Orders = asyncio.Queue(maxsize=2)
    producers = [asyncio.create_task(produce(name, 4, orders)) for name in "AB"]
    consumers = [asyncio.create_task(consume(name, orders)) for name in ("cook", "baker")]
    await asyncio.gather(*producers)
    await orders.join()
    for consumer in consumers:
        consumer.cancel()
    ends = await asyncio.gather(*consumers, return_exceptions=True)
    print(f"ends: {[type(end).__name__ for end in ends]}, left over: {orders.qsize()}")


asyncio.run(main())
