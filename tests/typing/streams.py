"""What a type checker knows of streams and subprocesses. Read by mypy in `make lint`, and never run."""

from typing import assert_type

import aioxide as asyncio
from aioxide import subprocess


async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    assert_type(await reader.read(), bytes)
    assert_type(await reader.readline(), bytes)
    assert_type(await reader.readexactly(4), bytes)
    assert_type(await reader.readuntil(b"\n"), bytes)
    assert_type(reader.at_eof(), bool)
    async for line in reader:
        assert_type(line, bytes)
    writer.write("text")  # type: ignore[arg-type]
    assert_type(await writer.drain(), None)
    assert_type(writer.is_closing(), bool)
    assert_type(writer.transport, asyncio.WriteTransport)
    await writer.wait_closed()


async def connections() -> None:
    assert_type(
        await asyncio.open_connection("localhost", 80),
        tuple[asyncio.StreamReader, asyncio.StreamWriter],
    )
    assert_type(
        await asyncio.open_unix_connection("path"),
        tuple[asyncio.StreamReader, asyncio.StreamWriter],
    )
    server = await asyncio.start_server(client, port=0)
    assert_type(server, asyncio.Server)
    async with server:
        await server.serve_forever()
    assert_type(await asyncio.start_unix_server(client, "path"), asyncio.Server)


async def processes() -> None:
    process = await asyncio.create_subprocess_exec("true", stdout=asyncio.subprocess.PIPE)
    assert_type(process, asyncio.subprocess.Process)
    assert_type(process, subprocess.Process)
    assert_type(process.stdout, asyncio.StreamReader | None)
    assert_type(await process.wait(), int)
    assert_type(await process.communicate(), tuple[bytes, bytes])
    await asyncio.create_subprocess_shell(3)  # type: ignore[arg-type]


def parsed(data: bytes) -> bytes:
    try:
        return data
    except asyncio.IncompleteReadError as error:
        assert_type(error.partial, bytes)
        return error.partial
    except (asyncio.exceptions.LimitOverrunError, asyncio.queues.QueueEmpty):
        return b""
