"""What asyncio does not tell: whether a TLS stream was cut off, by a FIN without a goodbye (close_notify)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import aioxide

DEADLINE_S = 30.0
CERT = Path(__file__).parent.parent / "parity" / "certs" / "localhost.pem"


def run(main: Callable[[], Any]) -> None:
    aioxide.run(asyncio.wait_for(main(), DEADLINE_S))


@contextlib.asynccontextmanager
async def connection(*, strict: bool = False) -> Any:
    """Give the streams of a client, and the writer of the server that it is connected to."""
    asyncio.get_running_loop().strict_tls = strict  # type: ignore[attr-defined]
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(CERT)
    mine = ssl.create_default_context(cafile=str(CERT))

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(writer)
        with contextlib.suppress(OSError):
            await reader.read()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=theirs)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", server.sockets[0].getsockname()[1], ssl=mine, server_hostname="localhost"
    )
    yield reader, writer, await accepted
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def _cut_off(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Send data, and end the stream without a goodbye."""
    writer.write(data)
    await writer.drain()
    # Sent by the end of the turn.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with socket.socket(fileno=socket.dup(writer.get_extra_info("socket").fileno())) as sock:
        sock.shutdown(socket.SHUT_WR)


def test_a_stream_that_was_cut_off_says_so() -> None:
    async def main() -> None:
        async with connection() as (reader, writer, theirs):
            assert writer.get_extra_info("tls_truncated") is False
            await _cut_off(theirs, b"half of it")
            assert await reader.read() == b"half of it"
            assert writer.get_extra_info("tls_truncated") is True

    run(main)


def test_a_stream_that_ended_with_a_goodbye_is_whole() -> None:
    async def main() -> None:
        async with connection() as (reader, writer, theirs):
            theirs.write(b"all of it")
            theirs.close()
            assert await reader.read() == b"all of it"
            assert writer.get_extra_info("tls_truncated") is False

    run(main)


def test_a_strict_loop_loses_a_connection_that_was_cut_off() -> None:
    async def main() -> None:
        async with connection(strict=True) as (reader, writer, theirs):
            await _cut_off(theirs, b"half of it")
            assert await reader.readexactly(10) == b"half of it"
            with pytest.raises(ssl.SSLEOFError, match="EOF occurred in violation of protocol"):
                await reader.read()
            assert writer.get_extra_info("tls_truncated") is True

    run(main)


def test_a_strict_loop_accepts_a_goodbye() -> None:
    async def main() -> None:
        async with connection(strict=True) as (reader, _writer, theirs):
            theirs.write(b"all of it")
            theirs.close()
            assert await reader.read() == b"all of it"

    run(main)
