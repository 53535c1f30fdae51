"""Pipe transports: `connect_read_pipe` and `connect_write_pipe`, on the stdlib's transports."""

from __future__ import annotations

import asyncio
from asyncio import unix_events
from asyncio.log import logger
from typing import IO, TYPE_CHECKING, Any, TypeVar

from aioxide.foundation import Foundation

if TYPE_CHECKING:
    from collections.abc import Callable

P = TypeVar("P", bound=asyncio.BaseProtocol)

# Private in the stdlib, and the same in every Python from 3.11 to 3.14: they ask of the loop only `call_soon`,
# `get_debug`, `call_exception_handler`, `_add_reader`, `_remove_reader`, `_add_writer` and `_remove_writer`.
_ReadPipeTransport: Any = unix_events._UnixReadPipeTransport  # type: ignore[attr-defined]
_WritePipeTransport: Any = unix_events._UnixWritePipeTransport  # type: ignore[attr-defined]


class Pipes(Foundation):
    """Connects pipes, sockets and character devices to protocols."""

    async def connect_read_pipe(
        self, protocol_factory: Callable[[], P], pipe: Any
    ) -> tuple[asyncio.ReadTransport, P]:
        """Give a protocol the data of a pipe.

        Args:
            protocol_factory: makes the protocol.
            pipe: a file object of a pipe, a socket or a character device; the transport owns it from here.

        Raises:
            ValueError: the file is of another kind.

        """
        protocol = protocol_factory()
        waiter: asyncio.Future[None] = self.create_future()
        transport = _ReadPipeTransport(self, pipe, protocol, waiter)
        await self._pipe_connected("Read", pipe, transport, protocol, waiter)
        return transport, protocol

    async def connect_write_pipe(
        self, protocol_factory: Callable[[], P], pipe: Any
    ) -> tuple[asyncio.WriteTransport, P]:
        """Let a protocol write to a pipe.

        Args:
            protocol_factory: makes the protocol.
            pipe: a file object of a pipe, a socket or a character device; the transport owns it from here.

        Raises:
            ValueError: the file is of another kind.

        """
        protocol = protocol_factory()
        waiter: asyncio.Future[None] = self.create_future()
        transport = _WritePipeTransport(self, pipe, protocol, waiter)
        await self._pipe_connected("Write", pipe, transport, protocol, waiter)
        return transport, protocol

    async def _pipe_connected(
        self,
        direction: str,
        pipe: IO[Any],
        transport: asyncio.BaseTransport,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None],
    ) -> None:
        """Wait until the protocol was told of its connection."""
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        if self.get_debug():
            logger.debug(
                "%s pipe %r connected: (%r, %r)", direction, pipe.fileno(), transport, protocol
            )
