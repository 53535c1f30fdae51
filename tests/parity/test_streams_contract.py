"""Stream readers and writers, the stdlib's and ours: fed by hand, subclassed, misused."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Any

import pytest
from tests.namespaces import Names

from .support import Loop, turns


def shown(thing: object) -> str:
    return re.sub(r" (at |transport=)[^\[>]*", " ", repr(thing))


async def test_a_reader_is_fed_by_hand(loop: Loop, names: Names) -> None:
    reader = names.StreamReader()
    reader.feed_data(b"one\ntwo\nthr")
    assert await reader.readline() == b"one\n"
    assert [await reader.read(2), await reader.readexactly(1)] == [b"tw", b"o"]
    reader.feed_eof()
    assert reader.at_eof() is False
    assert [line async for line in reader] == [b"\n", b"thr"]
    assert reader.at_eof()
    assert await reader.read() == b""


async def test_a_reader_shows_its_state(loop: Loop, names: Names) -> None:
    reader = names.StreamReader(loop=loop)
    assert repr(reader) == "<StreamReader>"
    reader.feed_data(b"abc")
    assert repr(reader) == "<StreamReader 3 bytes>"
    reader.feed_eof()
    assert repr(reader) == "<StreamReader 3 bytes eof>"
    small = names.StreamReader(limit=5)
    small.set_exception(ValueError("e"))
    assert repr(small) == "<StreamReader limit=5 exception=ValueError('e')>"
    assert isinstance(small.exception(), ValueError)


async def test_a_reader_refuses_what_it_always_has(loop: Loop, names: Names) -> None:
    with pytest.raises(ValueError, match="^Limit cannot be <= 0$"):
        names.StreamReader(limit=0)
    reader = names.StreamReader(limit=4)
    with pytest.raises(ValueError, match="^readexactly size can not be less than zero$"):
        await reader.readexactly(-1)
    with pytest.raises(ValueError, match="^Separator should be at least one-byte string$"):
        await reader.readuntil(b"")
    task = asyncio.create_task(reader.read(1))
    await turns(1)
    with pytest.raises(
        RuntimeError,
        match=r"^read\(\) called while another coroutine is already waiting for incoming data$",
    ):
        await reader.read(1)
    reader.feed_data(b"x")
    assert await task == b"x"
    reader.set_exception(KeyError("broken"))
    for read in (reader.read, reader.readline):
        with pytest.raises(KeyError, match="broken"):
            await read()


async def test_what_is_too_short_or_too_long_is_told_with_what_there_is(
    loop: Loop, names: Names
) -> None:
    reader = names.StreamReader(limit=4)
    reader.feed_data(b"abcdefgh;")
    with pytest.raises(asyncio.LimitOverrunError) as long:
        await reader.readuntil(b";")
    assert long.value.args == ("Separator is found, but chunk is longer than limit",)
    assert long.value.consumed == 8
    with pytest.raises(asyncio.LimitOverrunError) as without:
        await reader.readuntil(b"!")
    assert without.value.args == ("Separator is not found, and chunk exceed the limit",)
    reader.feed_data(b"\nrest")
    with pytest.raises(ValueError, match="^Separator is found, but chunk is longer than limit$"):
        await reader.readline()
    reader.feed_eof()
    with pytest.raises(asyncio.IncompleteReadError) as short:
        await reader.readexactly(9)
    assert (short.value.partial, short.value.expected) == (b"rest", 9)
    assert short.value.args == ("4 bytes read on a total of 9 expected bytes",)


async def test_a_reader_that_is_subclassed_sees_what_is_fed(loop: Loop, names: Names) -> None:
    class Counting(names.StreamReader):  # type: ignore[misc, name-defined]
        fed = 0

        def feed_data(self, data: bytes) -> None:
            self.fed += len(data)
            super().feed_data(data)

        async def readline(self) -> Any:
            return (await super().readline()).upper()

    reader = Counting()
    names.require("StreamReaderProtocol")
    protocol = names.StreamReaderProtocol(reader, loop=loop)
    protocol.data_received(b"line\n")
    assert reader.fed == 5
    assert await reader.readline() == b"LINE\n"
    assert [line async for line in _ended(reader)] == []


def _ended(reader: Any) -> Any:
    reader.feed_eof()
    return reader


async def test_streams_talk_to_each_other(loop: Loop, names: Names) -> None:
    names.require("start_server", "open_connection")
    closed = loop.create_future()

    async def serve(reader: Any, writer: Any) -> None:
        async for line in reader:
            writer.write(line.upper())
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        closed.set_result(type(reader))

    server = await names.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    reader, writer = await names.open_connection(host, port, limit=1000)
    assert isinstance(reader, names.StreamReader)
    assert isinstance(writer, names.StreamWriter)
    assert writer.get_extra_info("peername") == (host, port)
    assert writer.get_extra_info("nothing", 5) == 5
    writer.writelines([b"a\n", b"b", b"\n"])
    await writer.drain()
    assert [await reader.readline(), await reader.readline()] == [b"A\n", b"B\n"]
    assert writer.can_write_eof()
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    assert writer.is_closing()
    await writer.wait_closed()
    assert await closed is names.StreamReader
    server.close()
    await server.wait_closed()


async def test_unix_streams_talk_to_each_other(loop: Loop, names: Names, tmp_path: Any) -> None:
    names.require("start_unix_server", "open_unix_connection")
    path = str(tmp_path / "socket")

    def serve(reader: Any, writer: Any) -> None:
        writer.write(b"hello")
        writer.close()

    server = await names.start_unix_server(serve, path)
    reader, writer = await names.open_unix_connection(path)
    assert await reader.read() == b"hello"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def test_a_handler_that_fails_is_reported(loop: Loop, names: Names, reports: Any) -> None:
    async def serve(reader: Any, writer: Any) -> None:
        raise LookupError("handler")

    names.require("start_server", "open_connection")
    server = await names.start_server(serve, "127.0.0.1", 0)
    reader, writer = await names.open_connection(*server.sockets[0].getsockname())
    if sys.version_info >= (3, 12) or names.native:
        assert await reader.read() == b""
    writer.close()
    await turns(3)
    server.close()
    [report] = reports
    reports.clear()
    assert report["message"] == "Unhandled exception in client_connected_cb"
    assert isinstance(report["exception"], LookupError)
    assert {"transport", "exception", "message"} <= set(report)


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("readuntil", asyncio.IncompleteReadError),
        ("readexactly", asyncio.IncompleteReadError),
        ("readuntil", asyncio.LimitOverrunError),
        ("readline", ValueError),
    ],
)
async def test_an_error_of_reading_remembers_what_is_being_handled(
    loop: Loop, names: Names, method: str, error: type[Exception]
) -> None:
    reader = names.StreamReader(limit=2)
    reader.feed_data(b"long" if error is not asyncio.IncompleteReadError else b"")
    reader.feed_eof()
    arguments = {"readuntil": (b"\n",), "readexactly": (8,)}.get(method, ())
    handled = KeyError("handled")
    with pytest.raises(error) as raised:
        try:
            raise handled
        finally:
            await getattr(reader, method)(*arguments)
    chain = raised.value.__context__
    if error is ValueError:
        assert isinstance(chain, asyncio.LimitOverrunError)
        chain = chain.__context__
    assert chain is handled
