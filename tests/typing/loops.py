"""What a type checker knows of loops and how programs start. Read by mypy in `make lint`, and never run."""

from collections.abc import Generator
from typing import Any, assert_type

import aioxide as asyncio


class Answer:
    """An awaitable that is no coroutine."""

    def __await__(self) -> Generator[Any, None, int]:
        yield
        return 42


async def main() -> str:
    loop = asyncio.get_running_loop()
    assert_type(loop, asyncio.AbstractEventLoop)
    assert_type(await loop.run_in_executor(None, len, "four"), int)
    handle = loop.call_later(1, print, "late")
    assert_type(handle, asyncio.TimerHandle)
    return "done"


def starting() -> None:
    assert_type(asyncio.run(main()), str)
    assert_type(asyncio.run(Answer()), int)
    assert_type(asyncio.run(asyncio.gather(main(), Answer())), tuple[str, int])
    asyncio.run(main)  # type: ignore[arg-type]
    with asyncio.Runner(debug=True, loop_factory=asyncio.EventLoop) as runner:
        assert_type(runner.run(main()), str)
        assert_type(runner.get_loop(), asyncio.AbstractEventLoop)


def loops() -> None:
    clock = asyncio.VirtualClock()
    assert_type(asyncio.new_event_loop(clock=clock), asyncio.EventLoop)
    assert_type(asyncio.EventLoop(clock=clock).strict_tls, bool)
    loop: asyncio.AbstractEventLoop = asyncio.SelectorEventLoop()
    asyncio.set_event_loop(loop)
    assert_type(asyncio.get_event_loop(), asyncio.AbstractEventLoop)


class Echo(asyncio.Protocol):
    """A protocol on asyncio's own class."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")


def installing() -> None:
    assert_type(asyncio.install(natives=False), None)
    assert_type(asyncio.installed(), bool)
    asyncio.install(False)  # type: ignore[call-arg]
