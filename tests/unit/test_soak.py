"""What broke the loop when it was treated roughly: each case in its shortest form, on both loops."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

from tests.conftest import Program
from tests.parity.support import Loop, Recorder, nonblocking_pair, turns


class StartsPaused(Recorder):
    """Asks for no data until it is told to, as a proxy does until its other side is connected."""

    def connection_made(self, transport: Any) -> None:
        """Pause before the first read."""
        super().connection_made(transport)
        transport.pause_reading()


def watched_descriptors() -> list[int]:
    """Return what all epoll instances of this process watch."""
    watched = []
    for link in Path("/proc/self/fd").iterdir():
        if link.is_symlink() and "eventpoll" in str(link.readlink()):
            lines = Path("/proc/self/fdinfo", link.name).read_text().splitlines()
            watched += [int(line.split()[1]) for line in lines if line.startswith("tfd:")]
    return watched


def pair_with(fd: int) -> tuple[socket.socket, socket.socket]:
    """Return a connected pair, the first of which has that descriptor, which must be the next to be given out."""
    a, b = nonblocking_pair()
    if b.fileno() == fd:
        a, b = b, a
    assert a.fileno() == fd
    return a, b


async def test_a_transport_closed_while_paused_leaves_its_number_fit_for_the_next(
    loop: Loop,
) -> None:
    a, b = nonblocking_pair()
    fd = a.fileno()
    first, _ = await loop.create_connection(Recorder, sock=a)
    await turns(2)
    first.pause_reading()
    first.close()
    await turns(2)
    b.close()
    a, b = pair_with(fd)
    second, protocol = await loop.create_connection(StartsPaused, sock=a)
    await turns(2)
    second.resume_reading()
    b.send(b"x")
    assert await protocol.received(1) == b"x"
    second.abort()
    b.close()
    await turns(2)


async def test_a_socket_closed_after_a_wait_to_write_leaves_its_number_fit_for_the_next(
    loop: Loop,
) -> None:
    size = 4_000_000
    a, b = nonblocking_pair()
    fd = a.fileno()
    sending = asyncio.ensure_future(loop.sock_sendall(a, bytes(size)))
    count = 0
    while count < size:
        count += len(await loop.sock_recv(b, size))
    await sending
    a.close()
    b.close()
    a, b = pair_with(fd)
    transport, _ = await loop.create_connection(StartsPaused, sock=a)
    transport.write(bytes(size))
    count = 0
    while count < size:
        count += len(await loop.sock_recv(b, size))
    transport.abort()
    b.close()
    await turns(2)


async def test_a_closed_transport_is_watched_no_more_even_if_its_socket_has_a_twin(
    loop: Loop,
) -> None:
    before = watched_descriptors()
    a, b = nonblocking_pair()
    transport, _ = await loop.create_connection(Recorder, sock=a)
    await turns(2)
    twin = transport.get_extra_info("socket").dup()
    assert watched_descriptors() != before
    transport.pause_reading()
    transport.close()
    await turns(2)
    assert watched_descriptors() == before
    twin.close()
    b.close()


async def test_a_socket_closed_after_a_wait_is_watched_no_more_even_if_it_has_a_twin(
    loop: Loop,
) -> None:
    before = watched_descriptors()
    a, b = nonblocking_pair()
    waiting = asyncio.ensure_future(loop.sock_recv(a, 1))
    await asyncio.sleep(0)
    b.send(b"x")
    assert await waiting == b"x"
    twin = a.dup()
    a.close()
    b.send(b"y")
    # The loop sleeps until a timer, and finds that the kernel reports what nobody waits for.
    await asyncio.sleep(0.001)
    assert watched_descriptors() == before
    twin.close()
    b.close()


def test_a_forked_child_ends_though_its_parent_has_looked_names_up(program: Program) -> None:
    run = program.run("""
        loop = new_event_loop()
        loop.run_until_complete(loop.getaddrinfo("localhost", 80))
        child = os.fork()
        if not child:
            loop.close()
            other = new_event_loop()
            other.run_until_complete(other.getaddrinfo("localhost", 80))
            other.close()
            sys.exit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        loop.close()
    """)
    assert run.stdout == "3\n", run.stderr
    assert "Traceback" not in run.stderr
