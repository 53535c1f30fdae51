"""Datagram endpoints that fail or end: what protocols raise, what they are told, contexts, closing, forking."""

from __future__ import annotations

import contextvars
import gc
import logging
import socket
from typing import Any

import pytest

from .datagrams import Datagrams, close, endpoint, name_of, send_many
from .support import Loop, Reports, refused_port, turns

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


# Errors.


async def test_an_exception_in_error_received_is_reported_and_the_endpoint_lives_on(
    loop: Loop, reports: Reports
) -> None:
    class Raises(Datagrams):
        def error_received(self, exc: Exception) -> None:
            super().error_received(exc)
            raise LookupError

    a = await endpoint(loop, Raises, remote_addr=("127.0.0.1", refused_port()))
    a.transport.sendto(b"x")
    assert isinstance(await a.errors.get(), ConnectionRefusedError)
    assert [type(report["exception"]) for report in reports] == [LookupError]
    reports.clear()
    assert not a.transport.is_closing()
    await close(a)


async def test_sendto_raises_what_error_received_raises_within_it(loop: Loop) -> None:
    class Raises(Datagrams):
        def error_received(self, exc: Exception) -> None:
            raise LookupError from exc

    a = await endpoint(loop, Raises)
    with pytest.raises(LookupError):
        a.transport.sendto(b"x" * 70_000, name_of(a))
    assert not a.transport.is_closing()
    await close(a)


async def test_an_error_is_told_before_sendto_returns(loop: Loop) -> None:
    a = await endpoint(loop)
    a.transport.sendto(b"x" * 70_000, name_of(a))
    assert a.errors.qsize() == 1
    await close(a)


async def test_an_abort_from_error_received_ends_the_endpoint_once(loop: Loop) -> None:
    class Impatient(Datagrams):
        def error_received(self, exc: Exception) -> None:
            super().error_received(exc)
            self.transport.abort()

    a = await endpoint(loop, Impatient, remote_addr=("127.0.0.1", refused_port()))
    a.transport.sendto(b"x")
    assert await a.lost is None
    await turns(2)
    assert a.events == ["made", "lost"]


# The end.


async def test_an_endpoint_without_a_peer_sends_until_its_end_is_told(loop: Loop) -> None:
    a, b = await endpoint(loop), await endpoint(loop)
    a.transport.close()
    a.transport.sendto(b"last words", name_of(b))
    assert (await b.queue.get())[0] == b"last words"
    assert await a.lost is None
    await close(b)


async def test_sending_to_a_peer_after_the_close_is_warned_of_in_the_end(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    b = await endpoint(loop)
    a = await endpoint(loop, remote_addr=name_of(b))
    a.transport.close()
    with caplog.at_level(logging.WARNING, logger="asyncio"):
        for _ in range(4):
            a.transport.sendto(b"late")
        assert not caplog.messages
        for _ in range(2):
            a.transport.sendto(b"late")
        assert caplog.messages == ["socket.send() raised exception."] * 2
    assert await a.lost is None
    await turns(2)
    assert b.queue.empty()
    await close(b)


async def test_no_callback_follows_the_end(loop: Loop) -> None:
    a = await endpoint(loop)
    send_many(a, 3)
    a.transport.abort()
    assert await a.lost is None
    await turns(3)
    assert a.queue.empty()
    assert a.events == ["made", "lost"]
    assert a.transport.is_closing()
    assert not a.transport.is_reading()
    a.transport.close()
    a.transport.abort()
    a.transport.resume_reading()
    await turns(2)
    assert a.events == ["made", "lost"]


async def test_the_protocol_may_close_in_connection_made(loop: Loop) -> None:
    class Closes(Datagrams):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.close()
            assert not self.lost.done()

    a = await endpoint(loop, Closes)
    assert await a.lost is None
    assert a.events == ["made", "lost"]


async def test_an_exception_in_connection_lost_is_reported_and_the_socket_closed(
    loop: Loop, reports: Reports
) -> None:
    class Raises(Datagrams):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            raise LookupError

    a = await endpoint(loop, Raises)
    sock = a.transport.get_extra_info("socket")
    a.transport.close()
    assert await a.lost is None
    await turns(1)
    assert sock.fileno() == -1
    assert [type(report["exception"]) for report in reports] == [LookupError]
    reports.clear()


async def test_every_callback_sees_the_variables_of_the_making(loop: Loop) -> None:
    class Looks(Datagrams):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.seen.append(VARIABLE.get())

        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            self.seen.append(VARIABLE.get())

        def error_received(self, exc: Exception) -> None:
            super().error_received(exc)
            self.seen.append(VARIABLE.get())

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self.seen.append(VARIABLE.get())

    VARIABLE.set("making")
    remote = ("127.0.0.1", refused_port())
    a = await endpoint(loop, Looks, local_addr=("127.0.0.1", 0), remote_addr=remote)
    VARIABLE.set("using")
    a.transport.sendto(b"x")
    await a.errors.get()
    b = await endpoint(loop, local_addr=remote)
    b.transport.sendto(b"x", name_of(a))
    await a.queue.get()
    VARIABLE.set("making")
    await close(a, b)
    assert a.seen == ["making"] * 4


@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")
async def test_an_endpoint_that_is_dropped_unclosed_is_warned_of(loop: Loop) -> None:
    a = await endpoint(loop)
    transport, sock = a.transport, a.transport.get_extra_info("socket")
    transport.pause_reading()
    await turns(2)
    a.transport = None
    with pytest.warns(ResourceWarning, match=r"^unclosed transport <\w*DatagramTransport fd="):
        del transport
        gc.collect()
    assert sock.fileno() == -1


async def test_a_socket_that_is_closed_behind_the_transport_harms_nobody(loop: Loop) -> None:
    ours = socket.socket(type=socket.SOCK_DGRAM)
    ours.bind(("127.0.0.1", 0))
    a = await endpoint(loop, sock=ours)
    fd = ours.fileno()
    ours.close()
    with socket.socket(type=socket.SOCK_DGRAM) as stranger:
        assert stranger.fileno() == fd
        stranger.bind(("127.0.0.1", 0))
        a.transport.sendto(b"x", stranger.getsockname())
        assert isinstance(await a.errors.get(), OSError)
        stranger.sendto(b"for me", stranger.getsockname())
        await turns(3)
        assert a.queue.empty()
        assert stranger.recv(100) == b"for me"
        a.transport.abort()
        await a.lost
        assert stranger.fileno() == fd
        stranger.getsockname()


def test_a_forked_child_that_closes_its_loop_leaves_the_endpoint_to_its_parent(program) -> None:  # type: ignore[no-untyped-def]
    done = program.run("""
        import gc, warnings
        warnings.simplefilter("ignore")
        class Echo(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport
            def datagram_received(self, data, addr):
                got.set_result(data)
        loop = new_event_loop()
        got = loop.create_future()
        transport, protocol = loop.run_until_complete(
            loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0)))
        pid = os.fork()
        if pid == 0:
            loop.close()
            del transport, protocol, loop, got
            gc.collect()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        async def main():
            transport.sendto(b"alive", transport.get_extra_info("sockname"))
            print(await asyncio.wait_for(got, 10))
            transport.close()
        loop.run_until_complete(main())
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    """)
    assert done.stdout == "b'alive'\n", done.stderr
