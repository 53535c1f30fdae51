"""Rows about callbacks that are ready at once: ``call_soon`` and the queue behind it."""

import asyncio
import socket
from asyncio import AbstractEventLoop

from suite.stopwatch import Stopwatch

IDLE_CONNECTIONS = 250


def _nothing(*_args: object) -> None:
    """Be the cheapest callback there is."""


def call_soon(loop: AbstractEventLoop, count: int, clock: Stopwatch) -> None:
    """Schedule all callbacks, then run them."""
    with clock:
        for _ in range(count):
            loop.call_soon(_nothing)
        loop.call_soon(loop.stop)
        loop.run_forever()


def call_soon_3_args(loop: AbstractEventLoop, count: int, clock: Stopwatch) -> None:
    """Do the same with three arguments each."""
    with clock:
        for _ in range(count):
            loop.call_soon(_nothing, 1, 2, 3)
        loop.call_soon(loop.stop)
        loop.run_forever()


def call_soon_chain(loop: AbstractEventLoop, count: int, clock: Stopwatch) -> None:
    """Let each callback schedule the next: one callback for each turn of the loop."""
    left = count

    def link() -> None:
        nonlocal left
        left -= 1
        if left:
            loop.call_soon(link)
        else:
            loop.stop()

    with clock:
        loop.call_soon(link)
        loop.run_forever()


def call_soon_chain_idle_connections(loop: AbstractEventLoop, count: int, clock: Stopwatch) -> None:
    """Do the same while many connections are open on which nothing happens."""
    idle = IdleConnections()
    loop.run_until_complete(idle.open())
    try:
        call_soon_chain(loop, count, clock)
    finally:
        loop.run_until_complete(idle.close())


class IdleConnections:
    """Connections to a server on the running loop; their other ends are plain sockets."""

    def __init__(self) -> None:
        self._clients: list[socket.socket] = []
        self._served = 0
        #: Set whenever ``_served`` is what was last waited for.
        self._settled = asyncio.Event()
        self._expected = IDLE_CONNECTIONS

    async def open(self) -> None:
        """Connect all, and wait until the server has them."""
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        # Asked before, because a loop may take the descriptor out of the socket that it is given.
        address = listener.getsockname()
        self._server = await loop.create_server(
            lambda: _Idle(self), sock=listener, backlog=IDLE_CONNECTIONS
        )
        self._clients = [socket.create_connection(address) for _ in range(IDLE_CONNECTIONS)]
        await self._settled.wait()

    async def close(self) -> None:
        """Close all, and wait until the server has seen it."""
        self._settled.clear()
        self._expected = 0
        self._server.close()
        for client in self._clients:
            client.close()
        await self._settled.wait()

    def count(self, change: int) -> None:
        """Note that a connection came (1) or went (-1)."""
        self._served += change
        if self._served == self._expected:
            self._settled.set()


class _Idle(asyncio.Protocol):
    def __init__(self, owner: IdleConnections) -> None:
        self._owner = owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._owner.count(1)

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.count(-1)
