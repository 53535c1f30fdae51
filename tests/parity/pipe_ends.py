"""The ends of a pipe, connected."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from .support import Loop, Recorder

# What Linux gives a pipe.
CAPACITY = 65_536


class Writing(asyncio.BaseProtocol):
    """A protocol for the writing end that remembers."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.events: list[str] = []
        self.lost: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.events.append("made")

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.events.append("lost")
        self.lost.set_result(exc)


async def connect_reader(loop: Loop, fd: int) -> Recorder:
    """Connect a reading end; the transport owns it."""
    _, protocol = await loop.connect_read_pipe(Recorder, os.fdopen(fd, "rb", 0))
    return protocol


async def connect_writer(loop: Loop, fd: int) -> Writing:
    """Connect a writing end; the transport owns it."""
    _, protocol = await loop.connect_write_pipe(Writing, os.fdopen(fd, "wb", 0))
    return protocol
