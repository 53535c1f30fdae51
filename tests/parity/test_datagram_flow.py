"""Datagram endpoints under load, paused, failing and ending: flow control, fairness, contexts, exceptions, closing."""

from __future__ import annotations

import contextvars
import gc
import logging
import socket
from pathlib import Path
from typing import Any

import pytest

from .datagrams import Datagrams, close, endpoint, name_of
from .support import Loop, Reports, refused_port, turns

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


async def _unix(loop: Loop, tmp_path: Path, kind: Any = Datagrams) -> tuple[Datagrams, Any]:
    """An endpoint, and a plain socket that it sends to, which takes a few datagrams before it is full."""
    theirs = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    theirs.setblocking(False)
    theirs.bind(str(tmp_path / "theirs"))
    ours = await endpoint(loop, kind, remote_addr=theirs.getsockname(), family=socket.AF_UNIX)
    return ours, theirs


def _drain(sock: socket.socket) -> list[bytes]:
    got: list[bytes] = []
    try:
        while True:
            got.append(sock.recv(1024))
    except BlockingIOError:
        return got


def _block(protocol: Datagrams) -> int:
    """Send until a datagram has to wait; return the number of those that have been sent, with that one."""
    for count in range(1, 100_000):
        protocol.transport.sendto(b"%d" % count)
        if protocol.transport.get_write_buffer_size():
            return count
    raise AssertionError("the kernel takes everything")


def _send_many(protocol: Datagrams, count: int) -> None:
    """Send from outside, so that many datagrams wait when the loop looks."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        for number in range(count):
            sock.sendto(b"%d" % number, name_of(protocol))


# What has gone out keeps its header in the account, so that this never reaches zero.
COUNTS_WRONG = pytest.mark.asyncio_bug("counts more bytes coming in than going out", on=[(3, 13)])


# Waiting to be sent.


@COUNTS_WRONG
async def test_what_has_to_wait_goes_out_in_order(loop: Loop, tmp_path: Path) -> None:
    ours, theirs = await _unix(loop, tmp_path)
    with theirs:
        count = _block(ours)
        for number in range(count + 1, count + 51):
            ours.transport.sendto(b"%d" % number)
        got: list[bytes] = []
        while ours.transport.get_write_buffer_size():
            got += _drain(theirs)
            await turns(1)
        got += _drain(theirs)
        assert got == [b"%d" % number for number in range(1, count + 51)]
        await close(ours)


async def test_data_that_waits_does_not_change_with_its_source(loop: Loop, tmp_path: Path) -> None:
    ours, theirs = await _unix(loop, tmp_path)
    with theirs:
        count = _block(ours)
        data = bytearray(b"before")
        ours.transport.sendto(data)
        data[:] = b"after!"
        got: list[bytes] = []
        while len(got) <= count:
            got += _drain(theirs)
            await turns(1)
        assert got[-1] == b"before"
        await close(ours)


@pytest.mark.asyncio_since(3, 14, "earlier ones do not, or not in both directions")
async def test_the_buffer_counts_eight_bytes_with_each_datagram(loop: Loop, tmp_path: Path) -> None:
    ours, theirs = await _unix(loop, tmp_path)
    with theirs:
        _block(ours)
        waiting = ours.transport.get_write_buffer_size()
        ours.transport.sendto(b"")
        assert ours.transport.get_write_buffer_size() == waiting + 8
        ours.transport.sendto(b"x" * 100)
        assert ours.transport.get_write_buffer_size() == waiting + 116
        while ours.transport.get_write_buffer_size():
            _drain(theirs)
            await turns(1)
        await close(ours)


@COUNTS_WRONG
async def test_the_protocol_is_paused_above_one_mark_and_goes_on_at_the_other(
    loop: Loop, tmp_path: Path
) -> None:
    ours, theirs = await _unix(loop, tmp_path)
    with theirs:
        assert ours.transport.get_write_buffer_limits() == (16384, 65536)
        ours.transport.set_write_buffer_limits(high=1000, low=100)
        assert ours.transport.get_write_buffer_limits() == (100, 1000)
        for _ in range(3):
            _block(ours)
            while ours.transport.get_write_buffer_size() <= 1000:
                assert ours.events[-1] != "pause"
                ours.transport.sendto(b"x" * 100)
            assert ours.events[-1] == "pause"
            ours.transport.sendto(b"more")
            while ours.events[-1] == "pause":
                assert ours.transport.get_write_buffer_size() > 100
                _drain(theirs)
                await turns(1)
            while ours.transport.get_write_buffer_size():
                _drain(theirs)
                await turns(1)
        assert ours.events == ["made", *["pause", "resume"] * 3]
        await close(ours)


async def test_new_marks_pause_a_protocol_that_is_above_them(loop: Loop, tmp_path: Path) -> None:
    ours, theirs = await _unix(loop, tmp_path)
    with theirs:
        _block(ours)
        assert "pause" not in ours.events
        ours.transport.set_write_buffer_limits(high=0)
        assert ours.events[-1] == "pause"
        with pytest.raises(ValueError, match="must be >= low"):
            ours.transport.set_write_buffer_limits(high=1, low=2)
        ours.transport.abort()
        await ours.lost


@COUNTS_WRONG
async def test_a_protocol_that_fails_to_pause_is_reported(
    loop: Loop, tmp_path: Path, reports: Reports
) -> None:
    class Raises(Datagrams):
        def pause_writing(self) -> None:
            raise LookupError

        def resume_writing(self) -> None:
            super().resume_writing()
            raise LookupError

    ours, theirs = await _unix(loop, tmp_path, Raises)
    with theirs:
        ours.transport.set_write_buffer_limits(high=0)
        _block(ours)
        while "resume" not in ours.events:
            _drain(theirs)
            await turns(1)
        assert [report["message"] for report in reports] == [
            "protocol.pause_writing() failed",
            "protocol.resume_writing() failed",
        ]
        reports.clear()
        await close(ours)


async def test_what_waits_at_the_close_goes_out_before_the_end_is_told(
    loop: Loop, tmp_path: Path
) -> None:
    ours, theirs = await _unix(loop, tmp_path)
    with theirs:
        count = _block(ours)
        ours.transport.close()
        assert ours.transport.is_closing()
        ours.transport.sendto(b"after the close")
        await turns(3)
        assert not ours.lost.done()
        got: list[bytes] = []
        while not ours.lost.done():
            got += _drain(theirs)
            await turns(1)
        assert [*got, *_drain(theirs)][count:] == [b"after the close"]
        assert ours.events == ["made", "lost"]


async def test_what_waits_at_an_abort_is_dropped(loop: Loop, tmp_path: Path) -> None:
    ours, theirs = await _unix(loop, tmp_path)
    with theirs:
        count = _block(ours)
        ours.transport.abort()
        ours.transport.abort()
        assert not ours.lost.done()
        assert await ours.lost is None
        assert len(_drain(theirs)) == count - 1
        assert ours.events == ["made", "lost"]


# Receiving.


async def test_nothing_is_received_while_reading_is_paused(loop: Loop) -> None:
    a = await endpoint(loop)
    await turns(2)
    assert a.transport.is_reading()
    a.transport.pause_reading()
    a.transport.pause_reading()
    assert not a.transport.is_reading()
    _send_many(a, 5)
    await turns(5)
    assert a.queue.empty()
    a.transport.resume_reading()
    a.transport.resume_reading()
    assert [(await a.queue.get())[0] for _ in range(5)] == [b"%d" % n for n in range(5)]
    await close(a)


async def test_a_pause_from_within_holds_what_came_with_it(loop: Loop) -> None:
    class Pauses(Datagrams):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            if int(data) % 7 == 6:
                self.transport.pause_reading()

    a = await endpoint(loop, Pauses)
    a.transport.pause_reading()
    _send_many(a, 70)
    for block in range(10):
        a.transport.resume_reading()
        assert a.queue.empty()  # never from within the call
        got = [await a.queue.get() for _ in range(7)]
        assert [int(data) for data, _ in got] == list(range(block * 7, block * 7 + 7))
        await turns(3)
        assert a.queue.empty()
    await close(a)


async def test_a_close_from_within_drops_what_came_with_it(loop: Loop) -> None:
    class Closes(Datagrams):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            self.transport.close()

    a = await endpoint(loop, Closes)
    a.transport.pause_reading()
    _send_many(a, 20)
    a.transport.resume_reading()
    assert await a.lost is None
    await turns(3)
    assert a.queue.qsize() == 1


async def test_a_change_of_protocol_from_within_is_in_force_at_once(loop: Loop) -> None:
    class Passes(Datagrams):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            self.transport.set_protocol(other)

    other = Datagrams()
    a = await endpoint(loop, Passes)
    _send_many(a, 8)
    assert [(await other.queue.get())[0] for _ in range(7)] == [b"%d" % n for n in range(1, 8)]
    assert a.queue.qsize() == 1
    assert a.transport.get_protocol() is other
    a.transport.close()
    assert await other.lost is None


async def test_a_flood_leaves_the_others_their_turns(loop: Loop) -> None:
    class Feeds(Datagrams):
        count = 0

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.count += 1
            self.transport.sendto(data, addr)

    a = await endpoint(loop, Feeds)
    for _ in range(20):
        a.transport.sendto(b"x", name_of(a))
    before = a.count
    await turns(50)
    assert a.count - before < 50 * 64
    while a.count < 1000:  # and the others leave the flood its turns
        await turns(1)
    a.transport.abort()
    await a.lost


async def test_an_exception_of_one_datagram_leaves_the_others_alone(
    loop: Loop, reports: Reports
) -> None:
    class Raises(Datagrams):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            if int(data) % 2:
                raise LookupError(data)

    a = await endpoint(loop, Raises)
    _send_many(a, 10)
    assert [(await a.queue.get())[0] for _ in range(10)] == [b"%d" % n for n in range(10)]
    assert [report["exception"].args[0] for report in reports] == [b"1", b"3", b"5", b"7", b"9"]
    reports.clear()
    await close(a)


def test_what_ends_the_loop_loses_no_datagram(loop: Loop) -> None:
    class Exits(Datagrams):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            if data in (b"3", b"9"):
                raise SystemExit(int(data))

    async def begin() -> Datagrams:
        a = await endpoint(loop, Exits)
        await turns(2)
        return a

    a = loop.run_until_complete(begin())
    _send_many(a, 20)
    for code in (3, 9):
        with pytest.raises(SystemExit) as exit_:
            loop.run_forever()
        assert exit_.value.code == code

    async def end() -> list[bytes]:
        got = [(await a.queue.get())[0] for _ in range(20)]
        await close(a)
        return got

    assert loop.run_until_complete(end()) == [b"%d" % number for number in range(20)]


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
    _send_many(a, 3)
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
