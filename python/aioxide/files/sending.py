"""`sendfile`: a file's bytes on their way over a connection, by the kernel itself where it can."""

from __future__ import annotations

import asyncio
import io
import os
from typing import TYPE_CHECKING, Any

from aioxide.files.binary import BinaryFile

if TYPE_CHECKING:
    from typing import IO

__all__ = ["sendfile"]


async def sendfile(
    transport: asyncio.WriteTransport | asyncio.StreamWriter,
    file: BinaryFile | IO[bytes],
    offset: int = 0,
    count: int | None = None,
    *,
    fallback: bool = True,
) -> int:
    """Send a file over a connection, as `loop.sendfile` does.

    What was written to the connection before goes out first. The file's position ends behind the last byte sent.
    Nobody else may write to the connection meanwhile.

    Args:
        transport: a stream transport, plain or encrypted, or the stream writer of one.
        file: a file that is open in binary mode, of ours or of Python's.
        offset: the first byte to send, counted from 0.
        count: how many bytes to send; None for all that follow.
        fallback: whether to read and write the file where the kernel cannot send it.

    Returns:
        The number of bytes sent.

    Raises:
        asyncio.SendfileNotAvailableError: the kernel cannot send this file, and `fallback` is false.
        RuntimeError: the transport is closing, or cannot send files in this way.
        ValueError: the file is closed or is one of text, the offset is negative, or the count is below 1.
        OSError: the connection was lost, or what the file holds back could not be written.

    """
    if isinstance(transport, asyncio.StreamWriter) or hasattr(transport, "transport"):
        transport = transport.transport
    loop = asyncio.get_running_loop()
    if not isinstance(file, BinaryFile):
        return await loop.sendfile(transport, file, offset, count, fallback=fallback)
    if file.writable():
        await file.flush()
    # A descriptor of its own, which stays open if somebody closes the file. Both have one position.
    with io.FileIO(os.dup(file.fileno())) as lent:
        try:
            return await loop.sendfile(transport, lent, offset, count, fallback=fallback)
        finally:
            await _follow(file, lent)


async def _follow(file: BinaryFile, lent: Any) -> None:
    """Have a file of ours go where the descriptor has gone."""
    if not file.closed:
        await file.seek(lent.tell())
