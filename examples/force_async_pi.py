"""CPU-bound digits of pi, made awaitable by a decorator with a pool, while other tasks go on."""

import asyncio
import decimal
import functools
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def force_async(fn: Callable[P, R]) -> Callable[P, "asyncio.Future[R]"]:
    """Turn a synchronous function into one that runs in a thread and returns an awaitable."""
    pool = ThreadPoolExecutor()

    @functools.wraps(fn)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> "asyncio.Future[R]":
        future = pool.submit(fn, *args, **kwargs)
        return asyncio.wrap_future(future)  # A thread's future cannot be awaited; this one can.

    return wrapper


@force_async
def compute_pi(digits: int) -> str:
    """Return pi with `digits` digits after the point, by Chudnovsky's series."""
    with decimal.localcontext() as context:
        context.prec = digits + 10
        factor = decimal.Decimal(1)
        linear = 13591409
        total = decimal.Decimal(linear)
        for k in range(1, digits // 14 + 2):
            factor *= -(6 * k - 5) * (2 * k - 1) * (6 * k - 1)
            factor /= k**3 * (640320**3 // 24)
            linear += 545140134
            total += factor * linear
        pi = 426880 * decimal.Decimal(10005).sqrt() / total
        return str(pi)[: digits + 2]


async def print_pi(digits: int) -> None:
    """Print the digits once they have come, in full if they fit on a line."""
    pi = await compute_pi(digits)
    print(pi if digits <= 80 else f"{pi[:42]}...{pi[-10:]} ({digits} digits)")


async def greet(message: str) -> None:
    """Print `message` at once."""
    print(message)


async def beat_until_done(work: "asyncio.Task[None]") -> None:
    """Take turns on the loop for as long as `work` computes; say whether there were any."""
    beats = 0
    while not work.done():
        beats += 1
        await asyncio.sleep(0.01)
    print(f"the loop went on meanwhile: {beats > 1}")
    print(f"{beats} beats", file=sys.stderr)


print("Now, compute_pi will be executed")

# From Python 3.14 on get_event_loop() finds a loop but makes none.
if sys.version_info >= (3, 14):
    asyncio.set_event_loop(asyncio.new_event_loop())
loop = asyncio.get_event_loop()

task1 = loop.create_task(print_pi(25_000))
task2 = loop.create_task(greet("Another function gets called"))
task3 = loop.create_task(greet("And another one"))
task4 = loop.create_task(beat_until_done(task1))

loop.run_until_complete(asyncio.gather(task1, task2, task3, task4))
loop.run_until_complete(print_pi(50))
loop.close()
