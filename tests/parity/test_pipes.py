"""`connect_read_pipe` and `connect_write_pipe`."""

from __future__ import annotations

import asyncio
import os
import pty
from typing import Any

import pytest

from .support import Loop, Recorder, nonblocking_pair, turns


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


async def _reader(loop: Loop, fd: int) -> Recorder:
    _, protocol = await loop.connect_read_pipe(Recorder, os.fdopen(fd, "rb", 0))
    return protocol


async def _writer(loop: Loop, fd: int) -> Writing:
    _, protocol = await loop.connect_write_pipe(Writing, os.fdopen(fd, "wb", 0))
    return protocol


async def test_bytes_of_a_pipe_arrive(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    reader = await _reader(loop, read_fd)
    assert isinstance(reader.transport, asyncio.ReadTransport)
    os.write(write_fd, b"one")
    await reader.received(3)
    os.write(write_fd, b"two")
    assert await reader.received(6) == b"onetwo"
    os.close(write_fd)
    assert await reader.lost is None
    assert reader.events[-2:] == ["eof", "lost"]


async def test_bytes_written_to_a_pipe_come_out(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    writer = await _writer(loop, write_fd)
    assert isinstance(writer.transport, asyncio.WriteTransport)
    writer.transport.write(b"one")
    writer.transport.writelines([b"two", b"three"])
    writer.transport.close()
    assert await writer.lost is None
    assert os.read(read_fd, 100) == b"onetwothree"
    assert os.read(read_fd, 100) == b""
    os.close(read_fd)


async def test_much_data_goes_from_pipe_to_pipe(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    reader, writer = await _reader(loop, read_fd), await _writer(loop, write_fd)
    data = bytes(range(256)) * 4000
    writer.transport.write(data)
    assert writer.events == ["made", "pause"]
    assert await reader.received(len(data)) == data
    await turns(3)
    assert writer.events == ["made", "pause", "resume"]
    writer.transport.close()
    await writer.lost
    await reader.lost


async def test_close_flushes_what_was_written(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    reader, writer = await _reader(loop, read_fd), await _writer(loop, write_fd)
    writer.transport.write(b"x" * 500_000)
    writer.transport.close()
    await reader.lost
    assert len(reader.data) == 500_000
    await writer.lost


async def test_write_eof_closes_after_flushing(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    reader, writer = await _reader(loop, read_fd), await _writer(loop, write_fd)
    assert writer.transport.can_write_eof() is True
    writer.transport.write(b"x" * 200_000)
    writer.transport.write_eof()
    await reader.lost
    assert len(reader.data) == 200_000
    await writer.lost


async def test_the_reader_going_away_is_told_to_the_writer(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    writer = await _writer(loop, write_fd)
    os.close(read_fd)
    exc = await writer.lost
    assert exc is None or isinstance(exc, BrokenPipeError)


async def test_abort_drops_what_was_not_written(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    writer = await _writer(loop, write_fd)
    writer.transport.write(b"x" * 5_000_000)
    writer.transport.abort()
    assert await writer.lost is None
    os.close(read_fd)


async def test_reading_can_be_paused(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    reader = await _reader(loop, read_fd)
    reader.transport.pause_reading()
    os.write(write_fd, b"held")
    await turns(5)
    assert reader.data == b""
    reader.transport.resume_reading()
    assert await reader.received(4) == b"held"
    os.close(write_fd)
    await reader.lost


async def test_closing_the_reading_end_closes_its_file(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    file = os.fdopen(read_fd, "rb", 0)
    transport, protocol = await loop.connect_read_pipe(Recorder, file)
    assert transport.get_extra_info("pipe") is file
    transport.close()
    await protocol.lost
    await turns(2)
    assert file.closed
    os.close(write_fd)


async def test_sockets_can_be_pipes_too(loop: Loop) -> None:
    a, b = nonblocking_pair()
    transport, writer = await loop.connect_write_pipe(Writing, a)
    transport.write(b"through a socket")
    assert await loop.sock_recv(b, 100) == b"through a socket"
    transport.close()
    await writer.lost
    b.close()


async def test_a_terminal_can_be_a_pipe(loop: Loop) -> None:
    master, slave = pty.openpty()
    reader = await _reader(loop, master)
    os.write(slave, b"tty")
    assert await reader.received(3) == b"tty"
    reader.transport.close()
    await reader.lost
    os.close(slave)


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("connect_read_pipe", "Pipe transport is for pipes/sockets only."),
        ("connect_write_pipe", "Pipe transport is only for pipes, sockets and character devices"),
    ],
)
async def test_a_regular_file_is_a_value_error(
    loop: Loop, tmp_path, method: str, text: str
) -> None:  # type: ignore[no-untyped-def]
    with (tmp_path / "file").open("w+b") as file, pytest.raises(ValueError, match=text):
        await getattr(loop, method)(Recorder, file)


async def test_a_pipe_whose_close_opens_other_fds_does_not_close_those(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    opened: list[int] = []

    class Opens:
        """A file object whose close() opens a pipe afterwards."""

        closed = False

        def fileno(self) -> int:
            return read_fd

        def close(self) -> None:
            if not self.closed:
                self.closed = True
                os.close(read_fd)
                opened.extend(os.pipe())

    transport, protocol = await loop.connect_read_pipe(Recorder, Opens())
    transport.close()
    await protocol.lost
    await turns(3)
    for fd in opened:
        os.fstat(fd)
        os.close(fd)
    os.close(write_fd)
