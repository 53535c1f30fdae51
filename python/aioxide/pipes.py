"""Pipes: `connect_read_pipe` and `connect_write_pipe`. Their transports are in `pipe_transports`."""

from __future__ import annotations

import asyncio
from asyncio.log import logger
from typing import IO, TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from aioxide.foundation import Foundation
from aioxide.pipe_transports import PipeTransport, ReadPipeTransport, WritePipeTransport

if TYPE_CHECKING:
    from collections.abc import Callable

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Pipes(Foundation):
    """Connects pipes, sockets and character devices to protocols."""

    _pipe_transports: WeakSet[PipeTransport]

    def __init__(self) -> None:
        super().__init__()
        # Whatever is left of them when the loop closes returns its file to the mode that it had.
        self._pipe_transports = WeakSet()

    async def connect_read_pipe(
        self, protocol_factory: Callable[[], P], pipe: Any
    ) -> tuple[asyncio.ReadTransport, P]:
        """Give a protocol the data of a pipe.

        Args:
            protocol_factory: makes the protocol.
            pipe: a file object of a pipe, a socket or a character device; the transport owns it from here.
                Its file is in non-blocking mode until the transport is closed.

        Raises:
            ValueError: the file is of another kind.

        """
        protocol = protocol_factory()
        transport = ReadPipeTransport(self, pipe, protocol)
        await self._pipe_connected("Read", pipe, transport, protocol)
        return transport, protocol

    async def connect_write_pipe(
        self, protocol_factory: Callable[[], P], pipe: Any
    ) -> tuple[asyncio.WriteTransport, P]:
        """Let a protocol write to a pipe.

        Args:
            protocol_factory: makes the protocol.
            pipe: a file object of a pipe, a socket or a character device; the transport owns it from here.
                Its file is in non-blocking mode until the transport is closed.

        Raises:
            ValueError: the file is of another kind.

        """
        protocol = protocol_factory()
        transport = WritePipeTransport(self, pipe, protocol)
        await self._pipe_connected("Write", pipe, transport, protocol)
        return transport, protocol

    async def _pipe_connected(
        self,
        direction: str,
        pipe: IO[Any],
        transport: asyncio.BaseTransport,
        protocol: asyncio.BaseProtocol,
    ) -> None:
        """Wait until the protocol was told of its connection."""
        try:
            # It is behind `connection_made` in the queue.
            await asyncio.sleep(0)
        except BaseException:
            transport.close()
            raise
        if self.get_debug():
            logger.debug(
                "%s pipe %r connected: (%r, %r)", direction, pipe.fileno(), transport, protocol
            )

    def _close_pipes(self) -> None:
        """Return what is still open to the mode that it had: other processes may share it."""
        for transport in list(self._pipe_transports):
            transport._outlive_loop()
