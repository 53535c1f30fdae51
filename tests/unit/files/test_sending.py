"""`sendfile`: a file of ours on its way over a connection."""

from __future__ import annotations

import asyncio
import builtins
import os
import pathlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aioxide import files

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


async def received(send: Callable[[asyncio.StreamWriter], Awaitable[Any]]) -> bytes:
    """Return what a function sends over a connection."""
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.set_result(await reader.read())
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    try:
        await send(writer)
    finally:
        writer.close()
        await writer.wait_closed()
    content = await got
    server.close()
    await server.wait_closed()
    return content


@pytest.mark.parametrize("part", [(0, None), (1000, None), (0, 500), (7, 300_000)], ids=str)
@pytest.mark.parametrize("through", ["writer", "transport"])
async def test_a_file_is_sent_over_a_connection(
    loop: asyncio.AbstractEventLoop,
    path: pathlib.Path,
    part: tuple[int, int | None],
    through: str,
) -> None:
    offset, count = part
    expected = CONTENT[offset:] if count is None else CONTENT[offset : offset + count]

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(b"before ")
        target: Any = writer if through == "writer" else writer.transport
        async with files.open(path, "rb") as file:
            assert await files.sendfile(target, file, offset, count) == len(expected)
            assert await file.tell() == offset + len(expected)
        writer.write(b" after")

    assert await received(send) == b"before " + expected + b" after"


async def test_what_is_held_back_is_sent_too(
    loop: asyncio.AbstractEventLoop, path: pathlib.Path
) -> None:
    async def send(writer: asyncio.StreamWriter) -> None:
        async with files.open(path, "r+b") as file:
            await file.write(b"new")
            assert await files.sendfile(writer, file) == len(CONTENT)
            # The position has gone with it.
            await file.write(b"end")

    assert await received(send) == b"new" + CONTENT[3:]
    assert path.read_bytes() == b"new" + CONTENT[3:] + b"end"


async def test_files_of_pythons_are_sent_as_well(
    loop: asyncio.AbstractEventLoop, path: pathlib.Path
) -> None:
    async def send(writer: asyncio.StreamWriter) -> None:
        with builtins.open(path, "rb") as file:
            assert await files.sendfile(writer, file, 5, 10) == 10
            assert file.tell() == 15

    assert await received(send) == CONTENT[5:15]


async def test_what_cannot_be_sent_is_refused(
    loop: asyncio.AbstractEventLoop, path: pathlib.Path
) -> None:
    async def send(writer: asyncio.StreamWriter) -> None:
        async with files.open(path, "rb") as file:
            with pytest.raises(ValueError, match="must be a positive integer"):
                await files.sendfile(writer, file, 0, -1)
            with pytest.raises(ValueError, match="must be a non-negative integer"):
                await files.sendfile(writer, file, -1)
        with pytest.raises(ValueError, match="closed file"):
            await files.sendfile(writer, file)
        async with files.open(path, encoding="latin-1") as text:
            with pytest.raises(ValueError, match="binary mode"):
                await files.sendfile(writer, text)  # type: ignore[arg-type]

    assert await received(send) == b""


async def test_no_descriptor_is_left_behind(
    loop: asyncio.AbstractEventLoop, path: pathlib.Path
) -> None:
    async def send(writer: asyncio.StreamWriter) -> None:
        async with files.open(path, "rb") as file:
            before = len(os.listdir("/proc/self/fd"))
            await files.sendfile(writer, file)
            assert len(os.listdir("/proc/self/fd")) == before

    await received(send)
