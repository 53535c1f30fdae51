"""Datagram endpoints under load: what waits to be sent, what is received when, and who gets turns meanwhile."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from .datagrams import Datagrams, close, endpoint, name_of, send_many
from .support import Loop, Reports, turns


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
    send_many(a, 5)
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
    send_many(a, 70)
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
    send_many(a, 20)
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
    send_many(a, 8)
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
    send_many(a, 10)
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
    send_many(a, 20)
    for code in (3, 9):
        with pytest.raises(SystemExit) as exit_:
            loop.run_forever()
        assert exit_.value.code == code

    async def end() -> list[bytes]:
        got = [(await a.queue.get())[0] for _ in range(20)]
        await close(a)
        return got

    assert loop.run_until_complete(end()) == [b"%d" % number for number in range(20)]
