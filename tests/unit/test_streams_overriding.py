"""Native streams call every method that somebody has replaced, in a class or on an object, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from aioxide.natives import streams


class Recording(streams.StreamReader):
    """Notes which of its own methods are called."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.calls: list[str] = []

    def _wakeup_waiter(self) -> None:
        self.calls.append("_wakeup_waiter")
        super()._wakeup_waiter()

    def _maybe_resume_transport(self) -> None:
        self.calls.append("_maybe_resume_transport")
        super()._maybe_resume_transport()

    async def _wait_for_data(self, func_name: str) -> None:
        self.calls.append(f"_wait_for_data {func_name}")
        await super()._wait_for_data(func_name)

    async def read(self, n: int = -1) -> bytes:
        self.calls.append(f"read {n}")
        return await super().read(n)

    async def readuntil(self, separator: Any = b"\n") -> bytes:
        self.calls.append(f"readuntil {separator!r}")
        return await super().readuntil(separator)

    async def readline(self) -> bytes:
        self.calls.append("readline")
        return await super().readline()


async def test_methods_of_a_derived_reader_are_called_where_asyncio_calls_them(
    loop: asyncio.AbstractEventLoop,
) -> None:
    reader = Recording(loop=loop, limit=8)
    task = loop.create_task(reader.__anext__())
    await asyncio.sleep(0)
    reader.feed_data(b"line\nrest")
    assert await task == b"line\n"
    reader.feed_eof()
    assert await reader.read() == b"rest"
    assert reader.calls == [
        "readline",
        "readuntil b'\\n'",
        "_wait_for_data readuntil",
        "_wakeup_waiter",
        "_maybe_resume_transport",
        "_wakeup_waiter",
        "read -1",
        "read 8",
        "_maybe_resume_transport",
        "read 8",
        "_maybe_resume_transport",
    ]


async def test_a_derived_reader_may_fail_a_line_in_its_own_way(
    loop: asyncio.AbstractEventLoop,
) -> None:
    reader = Recording(loop=loop, limit=4)
    reader.feed_data(b"too long\nshort\n")
    with pytest.raises(ValueError, match="Separator is found, but chunk is longer than limit"):
        await reader.readline()
    reader.feed_data(b"x" * 10)
    with pytest.raises(ValueError, match="Separator is found, but chunk is longer than limit"):
        await reader.readline()
    with pytest.raises(ValueError, match="Separator is not found, and chunk exceed the limit"):
        await reader.readline()
    reader.feed_data(b"abc")
    reader.feed_eof()
    assert await reader.readline() == b"abc"
    assert [line async for line in reader] == []


async def test_a_method_set_on_the_object_counts(loop: asyncio.AbstractEventLoop) -> None:
    reader = streams.StreamReader(loop=loop)

    async def readuntil(separator: bytes) -> bytes:
        return b"from " + separator

    reader.readuntil = readuntil  # type: ignore[assignment, method-assign]
    assert await reader.readline() == b"from \n"
    del reader.readuntil
    reader.feed_data(b"own\n")
    assert await reader.readline() == b"own\n"


def _noting(received: list[bytes]) -> Callable[[Any, bytes], None]:
    def data_received(self: Any, data: bytes) -> None:
        received.append(data)
        streams.StreamReaderProtocol.data_received(self, data)

    return data_received


@pytest.mark.parametrize("place", ["class", "object", "reader"])
async def test_a_transport_calls_what_was_replaced(
    loop: asyncio.AbstractEventLoop, place: str
) -> None:
    received: list[bytes] = []
    reader = streams.StreamReader(loop=loop)
    protocol = streams.StreamReaderProtocol(reader, loop=loop)
    if place == "class":
        derived = type("P", (streams.StreamReaderProtocol,), {"data_received": _noting(received)})
        protocol = derived(reader, loop=loop)
    elif place == "object":
        protocol.data_received = _noting(received).__get__(protocol)  # type: ignore[method-assign]
    else:

        def feed_data(data: Any) -> None:
            received.append(data)
            streams.StreamReader.feed_data(reader, data)

        reader.feed_data = feed_data  # type: ignore[method-assign]

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hi\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport, _ = await loop.create_connection(lambda: protocol, "127.0.0.1", port)
    assert await reader.readline() == b"hi\n"
    assert received == [b"hi\n"]
    transport.close()
    await protocol._closed
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
    server.close()
    await server.wait_closed()


async def test_a_drain_asks_a_protocol_of_somebody_else_s(loop: asyncio.AbstractEventLoop) -> None:
    asked: list[str] = []

    class Transport(asyncio.Transport):
        def is_closing(self) -> bool:
            return False

        def close(self) -> None:
            asked.append("close")

    class Protocol(asyncio.Protocol):
        async def _drain_helper(self) -> None:
            asked.append("drain")

    writer = streams.StreamWriter(Transport(), Protocol(), None, loop)
    await writer.drain()
    assert asked == ["drain"]
    with pytest.warns(ResourceWarning, match="unclosed <StreamWriter"):
        del writer
    assert asked == ["drain", "close"]
