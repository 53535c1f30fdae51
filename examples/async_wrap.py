"""A decorator that makes a synchronous function asynchronous, in the loop's executor or another."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial, wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def async_wrap(
    loop: asyncio.AbstractEventLoop | None = None, executor: Executor | None = None
) -> Callable[[Callable[P, R]], Callable[P, Awaitable[R]]]:
    """Return a decorator that runs a function in `executor` and awaits its result.

    None stands for the running loop, and for its default executor.
    """

    def decorator(func: Callable[P, R]) -> Callable[P, Awaitable[R]]:
        @wraps(func)
        async def run(*args: P.args, **kwargs: P.kwargs) -> R:
            running = asyncio.get_event_loop() if loop is None else loop
            return await running.run_in_executor(executor, partial(func, *args, **kwargs))

        return run

    return decorator


own_pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="own")


def speak(text: str, rounds: int) -> str:
    """Say `text` `rounds` times, 0.3 s apart, blocking the thread; tell which kind of thread."""
    for _ in range(rounds):
        time.sleep(0.3)
        print(f"{text} from sync", flush=True)
    thread = threading.current_thread()
    if thread is threading.main_thread():
        return "the main thread"
    if thread.name.startswith("own"):
        return "a thread of our own pool"
    return "a thread of the loop"


@async_wrap()
def foo(rounds: int) -> str:
    """Run in the loop's default executor."""
    return speak("foo", rounds)


@async_wrap(executor=own_pool)
def baz(*, rounds: int) -> str:
    """Run in the executor that the decorator was given."""
    return speak("baz", rounds)


@async_wrap()
def fail(message: str) -> None:
    """Raise; the exception arrives where the call is awaited."""
    raise ValueError(message)


async def bar(rounds: int) -> None:
    """Say bar half-way between the lines of the blocking function."""
    await asyncio.sleep(0.15)
    for _ in range(rounds):
        print("bar from async", flush=True)
        await asyncio.sleep(0.3)


async def main() -> None:
    """Run each wrapped function beside a coroutine, then one that fails."""
    thread, _ = await asyncio.gather(foo(3), bar(3))
    print(f"foo ran in {thread}")
    thread, _ = await asyncio.gather(baz(rounds=2), bar(2))
    print(f"baz ran in {thread}")
    try:
        await fail("no luck")
    except ValueError as error:
        print(f"fail raised {error!r}")
    print(f"names are kept: {foo.__name__}, {baz.__name__}, {fail.__name__}")


with own_pool:
    asyncio.run(main())
