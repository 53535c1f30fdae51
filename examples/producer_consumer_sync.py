"""Producer and consumer without asyncio: everything is generated before anything is processed."""

import datetime
import random
import sys
import time

Item = tuple[int, datetime.datetime]


def generate_data(num: int, data: list[Item]) -> None:
    """Append `num` squares to `data`, resting a random while after each."""
    for idx in range(1, num + 1):
        data.append((idx * idx, datetime.datetime.now()))
        print(f" -- generated item {idx}", flush=True)
        time.sleep(0.02 + random.random() / 50)


def process_data(num: int, data: list[Item]) -> None:
    """Take `num` values from `data` in the order they were put there."""
    for _ in range(num):
        value, born = data.pop(0)
        age_s = (datetime.datetime.now() - born).total_seconds()
        print(f" +++ Processed value {value}", flush=True)
        print(f"value {value} waited {age_s:.2f} s", file=sys.stderr)
        time.sleep(0.02)


def main() -> None:
    """Generate, then process."""
    t0 = datetime.datetime.now()
    print("App started.", flush=True)
    data: list[Item] = []
    generate_data(10, data)
    process_data(10, data)
    print("App exiting.", flush=True)
    print(f"total time: {(datetime.datetime.now() - t0).total_seconds():.2f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
