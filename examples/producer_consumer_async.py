"""Two producers and one consumer over an `asyncio.Queue`: values are processed while more come.

The producers take turns, each resting 0.4 s after an item and the second starting 0.2 s after the
first, so that the order of all lines is certain.
"""

import asyncio
import datetime
import sys

Data = asyncio.Queue[tuple[str, int, datetime.datetime]]


async def generate_data(name: str, num: int, data: Data, start_s: float) -> None:
    """Put `num` squares into `data`, the first after `start_s` seconds."""
    await asyncio.sleep(start_s)
    for idx in range(1, num + 1):
        await data.put((name, idx * idx, datetime.datetime.now()))
        print(f" -- {name} generated item {idx}", flush=True)
        await asyncio.sleep(0.4)


async def process_data(num: int, data: Data) -> None:
    """Take `num` values from `data`, waiting for those that are not there yet."""
    for _ in range(num):
        name, value, born = await data.get()
        age_s = (datetime.datetime.now() - born).total_seconds()
        print(f" +++ Processed value {value} of {name}", flush=True)
        print(f"value {value} waited {age_s:.4f} s", file=sys.stderr)
        await asyncio.sleep(0.1)


def main() -> None:
    """Run the three tasks on the loop of this thread until all are done."""
    t0 = datetime.datetime.now()
    print("App started.", flush=True)

    # From Python 3.14 on get_event_loop() finds a loop but makes none.
    if sys.version_info >= (3, 14):
        asyncio.set_event_loop(asyncio.new_event_loop())
    loop = asyncio.get_event_loop()
    # The queue is made before the loop runs and binds itself to the loop at its first wait.
    data: Data = asyncio.Queue()

    task1 = loop.create_task(generate_data("left", 3, data, 0.0))
    task3 = loop.create_task(generate_data("right", 3, data, 0.2))
    task2 = loop.create_task(process_data(6, data))

    final_task = asyncio.gather(task1, task2, task3)
    loop.run_until_complete(final_task)
    loop.close()

    print("App exiting.", flush=True)
    print(f"total time: {(datetime.datetime.now() - t0).total_seconds():.2f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
