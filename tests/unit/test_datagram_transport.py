"""What our datagram transport promises on every Python, where older stdlib transports do otherwise."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

import aioxide

DEADLINE_S = 30.0


def run(main: Callable[[], Any]) -> None:
    aioxide.run(asyncio.wait_for(main(), DEADLINE_S))


class Recorder(asyncio.DatagramProtocol):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.resumed = asyncio.Event()
        self.lost = asyncio.Event()

    def pause_writing(self) -> None:
        self.events.append("pause")
        self.resumed.clear()

    def resume_writing(self) -> None:
        self.events.append("resume")
        self.resumed.set()

    def error_received(self, exc: Exception) -> None:
        self.events.append(type(exc).__name__)

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append("lost")
        self.lost.set()


def drain(sock: socket.socket) -> int:
    count = 0
    try:
        while True:
            sock.recv(1024)
            count += 1
    except BlockingIOError:
        return count


async def endpoint() -> tuple[Any, Recorder, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Recorder, sock=ours)
    return transport, protocol, theirs


def test_an_empty_datagram_is_sent() -> None:
    async def main() -> None:
        transport, _, theirs = await endpoint()
        with theirs:
            transport.sendto(b"")
            assert theirs.recv(10) == b""
            transport.abort()

    run(main)


def test_a_buffer_that_was_sent_counts_nothing_and_the_protocol_goes_on() -> None:
    async def main() -> None:
        transport, protocol, theirs = await endpoint()
        loop = asyncio.get_running_loop()
        with theirs:
            loop.add_reader(theirs, drain, theirs)
            for _ in range(3):
                for _ in range(2000):
                    transport.sendto(b"x" * 100)
                assert protocol.events[-1] == "pause"
                await protocol.resumed.wait()
            assert protocol.events == ["pause", "resume"] * 3
            transport.close()
            await protocol.lost.wait()
            loop.remove_reader(theirs)
            assert transport.get_write_buffer_size() == 0

    run(main)


def test_what_was_sent_before_the_close_goes_out_and_the_end_is_told_once() -> None:
    async def main() -> None:
        transport, protocol, theirs = await endpoint()
        loop = asyncio.get_running_loop()
        received = 0

        def receive() -> None:
            nonlocal received
            received += drain(theirs)

        with theirs:
            for _ in range(2000):
                transport.sendto(b"x" * 100)
            transport.close()
            loop.add_reader(theirs, receive)
            await protocol.lost.wait()
            loop.remove_reader(theirs)
            received += drain(theirs) if theirs.fileno() != -1 else 0
        assert received == 2000
        assert protocol.events.count("lost") == 1
        # Nobody is left to be told of an error.
        transport.sendto(b"late")

    run(main)


def test_a_transport_that_is_aborted_by_error_received_ends_once() -> None:
    class Impatient(Recorder):
        transport: asyncio.DatagramTransport

        def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
            self.transport = transport

        def error_received(self, exc: Exception) -> None:
            super().error_received(exc)
            self.transport.abort()

    async def main() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(Impatient, sock=ours)
        for _ in range(1000):
            transport.sendto(b"x" * 100)
        theirs.close()
        await protocol.lost.wait()
        assert protocol.events.count("lost") == 1

    run(main)


def test_the_socket_is_closed_if_the_protocol_cannot_be_made() -> None:
    made: list[socket.socket] = []

    def factory() -> asyncio.DatagramProtocol:
        raise LookupError

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        original = loop._ensure_fd_no_transport

        def remember(sock: socket.socket) -> None:
            made.append(sock)
            original(sock)

        loop._ensure_fd_no_transport = remember
        with pytest.raises(LookupError):
            await loop.create_datagram_endpoint(factory, local_addr=("127.0.0.1", 0))
        assert [sock.fileno() for sock in made] == [-1]

    run(main)
