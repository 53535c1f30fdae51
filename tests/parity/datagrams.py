"""What the tests of datagram endpoints share: a protocol that remembers, and endpoints on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, TypeVar

from .support import Loop


class Datagrams(asyncio.DatagramProtocol):
    """Remembers what it gets, and lets a test wait for it."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.transport: Any = None
        self.queue: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()
        self.errors: asyncio.Queue[Exception] = asyncio.Queue()
        self.lost: asyncio.Future[Exception | None] = loop.create_future()
        self.events: list[str] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.events.append("made")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.queue.put_nowait((data, addr))

    def error_received(self, exc: Exception) -> None:
        self.errors.put_nowait(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append("lost")
        self.lost.set_result(exc)

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")


D = TypeVar("D", bound=Datagrams)


async def endpoint(loop: Loop, kind: Callable[[], D] = Datagrams, **kwargs: Any) -> D:  # type: ignore[assignment]
    """Make an endpoint, on loopback unless told otherwise, and return its protocol."""
    if not kwargs:
        kwargs = {"local_addr": ("127.0.0.1", 0)}
    _, protocol = await loop.create_datagram_endpoint(kind, **kwargs)
    return protocol


async def close(*protocols: Datagrams) -> None:
    """Close endpoints, and wait until they are."""
    for protocol in protocols:
        protocol.transport.close()
        assert await protocol.lost is None


def name_of(protocol: Datagrams) -> Any:
    """Return the address that an endpoint is bound to."""
    return protocol.transport.get_extra_info("sockname")


def send_many(protocol: Datagrams, count: int) -> None:
    """Send from outside, so that many datagrams wait when the loop looks."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        for number in range(count):
            sock.sendto(b"%d" % number, name_of(protocol))
