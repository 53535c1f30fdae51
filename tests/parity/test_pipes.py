"""`connect_read_pipe` and `connect_write_pipe`."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import os
import pty
from collections.abc import Callable
from typing import Any

import pytest

from .pipe_ends import CAPACITY, Writing, connect_reader, connect_writer
from .support import Loop, Recorder, Reports, nonblocking_pair, turns

LoopFactory = Callable[[], Loop]


async def test_bytes_of_a_pipe_arrive(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    reader = await connect_reader(loop, read_fd)
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
    writer = await connect_writer(loop, write_fd)
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
    reader, writer = await connect_reader(loop, read_fd), await connect_writer(loop, write_fd)
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
    reader, writer = await connect_reader(loop, read_fd), await connect_writer(loop, write_fd)
    writer.transport.write(b"x" * 500_000)
    writer.transport.close()
    await reader.lost
    assert len(reader.data) == 500_000
    await writer.lost


async def test_write_eof_closes_after_flushing(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    reader, writer = await connect_reader(loop, read_fd), await connect_writer(loop, write_fd)
    assert writer.transport.can_write_eof() is True
    writer.transport.write(b"x" * 200_000)
    writer.transport.write_eof()
    await reader.lost
    assert len(reader.data) == 200_000
    await writer.lost


async def test_the_reader_going_away_is_told_to_the_writer(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    writer = await connect_writer(loop, write_fd)
    os.close(read_fd)
    exc = await writer.lost
    assert exc is None or isinstance(exc, BrokenPipeError)


async def test_abort_drops_what_was_not_written(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    writer = await connect_writer(loop, write_fd)
    writer.transport.write(b"x" * 5_000_000)
    writer.transport.abort()
    assert await writer.lost is None
    os.close(read_fd)


async def test_reading_can_be_paused(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    reader = await connect_reader(loop, read_fd)
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
    reader = await connect_reader(loop, master)
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


async def test_a_writer_of_much_is_paused_and_resumed_at_its_own_marks(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    writer = await connect_writer(loop, write_fd)
    transport = writer.transport
    assert transport.get_write_buffer_limits() == (16384, 65536)
    transport.set_write_buffer_limits(high=100, low=10)
    transport.write(b"x" * CAPACITY)
    assert writer.events == ["made"]
    transport.write(b"y" * 100)
    assert writer.events == ["made"]
    transport.write(b"z")
    assert writer.events == ["made", "pause"]
    assert transport.get_write_buffer_size() == 101
    assert len(os.read(read_fd, CAPACITY)) == CAPACITY
    await turns(5)
    assert writer.events == ["made", "pause", "resume"]
    assert transport.get_write_buffer_size() == 0
    transport.close()
    os.close(read_fd)
    await writer.lost


async def test_what_changes_after_the_write_goes_out_as_it_was(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    writer = await connect_writer(loop, write_fd)
    data = bytearray(b"before")
    writer.transport.write(data)
    data[:] = b"after!"
    writer.transport.writelines([memoryview(b"-"), bytearray(b"more")])
    writer.transport.close()
    await writer.lost
    assert os.read(read_fd, 100) == b"before-more"
    os.close(read_fd)


async def test_what_is_not_bytes_is_refused(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    writer = await connect_writer(loop, write_fd)
    with pytest.raises(AssertionError, match="^'text'$"):
        writer.transport.write("text")
    with pytest.raises(TypeError, match="sequence item 0: expected a bytes-like object, str found"):
        writer.transport.writelines(["text"])
    writer.transport.close()
    await writer.lost
    os.close(read_fd)


async def test_writes_after_close_are_dropped_and_the_sixth_is_logged(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    read_fd, write_fd = os.pipe()
    writer = await connect_writer(loop, write_fd)
    writer.transport.write(b"in time")
    writer.transport.close()
    for _ in range(5):
        writer.transport.write(b"late")
        writer.transport.write(b"")
    assert caplog.text == ""
    writer.transport.write(b"late")
    assert "pipe closed by peer or os.write(pipe, data) raised exception." in caplog.text
    await writer.lost
    assert os.read(read_fd, 100) == b"in time"
    os.close(read_fd)


async def test_data_that_waits_for_a_reader_that_goes_is_a_broken_pipe(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    writer = await connect_writer(loop, write_fd)
    writer.transport.write(b"x" * 1_000_000)
    assert writer.events == ["made", "pause"]
    os.close(read_fd)
    assert isinstance(await writer.lost, BrokenPipeError)
    assert writer.events == ["made", "pause", "lost"]


async def test_a_write_after_the_reader_went_is_no_exception(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    writer = await connect_writer(loop, write_fd)
    os.close(read_fd)
    writer.transport.write(b"nobody reads this")
    assert isinstance(await writer.lost, BrokenPipeError)


async def test_connection_lost_comes_once_and_never_from_within_a_call(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    reader, writer = await connect_reader(loop, read_fd), await connect_writer(loop, write_fd)
    for transport in (writer.transport, reader.transport):
        transport.close()
        transport.close()
        assert transport.is_closing()
    assert "lost" not in writer.events + reader.events
    await writer.lost
    await reader.lost
    await turns(3)
    assert writer.events == ["made", "lost"]
    assert reader.events == ["made", "lost"]


@pytest.mark.asyncio_bug("calls connection_lost() for each of them")
async def test_abort_after_close_is_nothing_new(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    writer = await connect_writer(loop, write_fd)
    writer.transport.close()
    writer.transport.write_eof()
    writer.transport.abort()
    await writer.lost
    await turns(3)
    assert writer.events == ["made", "lost"]
    os.close(read_fd)


async def test_close_from_within_data_received_ends_reading(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()

    class Closes(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.close()

    _, reader = await loop.connect_read_pipe(Closes, os.fdopen(read_fd, "rb", 0))
    os.write(write_fd, b"one")
    assert await reader.lost is None
    assert reader.events == ["made", "data", "lost"]
    os.close(write_fd)


async def test_data_received_that_raises_is_reported_and_reading_goes_on(
    loop: Loop, reports: Reports
) -> None:
    read_fd, write_fd = os.pipe()

    class Raises(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            raise ZeroDivisionError

    _, reader = await loop.connect_read_pipe(Raises, os.fdopen(read_fd, "rb", 0))
    for count in (1, 2):
        os.write(write_fd, b"x")
        await reader.received(count)
        await turns(1)
        assert isinstance(reports.pop()["exception"], ZeroDivisionError)
    os.close(write_fd)
    assert await reader.lost is None


async def test_the_end_of_the_pipe_ends_the_transport_whatever_the_protocol_says(
    loop: Loop,
) -> None:
    read_fd, write_fd = os.pipe()
    reader = await connect_reader(loop, read_fd)
    reader.keep_open = True
    os.write(write_fd, b"last")
    os.close(write_fd)
    assert await reader.lost is None
    assert reader.events == ["made", "data", "eof", "lost"]


async def test_a_paused_reader_can_be_closed(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    reader = await connect_reader(loop, read_fd)
    assert reader.transport.is_reading()
    reader.transport.pause_reading()
    reader.transport.pause_reading()
    assert not reader.transport.is_reading()
    os.write(write_fd, b"never read")
    reader.transport.close()
    reader.transport.resume_reading()
    await reader.lost
    assert reader.data == b""
    os.close(write_fd)


async def test_the_protocol_can_be_changed(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    first = await connect_reader(loop, read_fd)
    second = Recorder()
    transport = first.transport
    assert transport.get_protocol() is first
    transport.set_protocol(second)
    assert transport.get_protocol() is second
    os.write(write_fd, b"for the second")
    await second.received(14)
    assert first.data == b""
    os.close(write_fd)
    await second.lost


async def test_both_ends_tell_what_they_are(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    reader, writer = await connect_reader(loop, read_fd), await connect_writer(loop, write_fd)
    assert repr(reader.transport).endswith(f"ReadPipeTransport fd={read_fd} polling>")
    assert repr(writer.transport).endswith(f"WritePipeTransport fd={write_fd} idle bufsize=0>")
    writer.transport.write(b"x" * (CAPACITY + 5))
    assert repr(writer.transport).endswith(f"fd={write_fd} polling bufsize=5>")
    reader.transport.close()
    assert f"closing fd={read_fd}" in repr(reader.transport)
    reader_transport = reader.transport
    await writer.lost
    await reader.lost
    await turns(1)
    assert repr(reader_transport).endswith(f"closed fd={read_fd} closed>")


async def test_the_callbacks_run_in_the_context_that_connected_the_pipe(loop: Loop) -> None:
    where = contextvars.ContextVar("where", default="nowhere")
    seen: list[str] = []

    class Notes(Recorder):
        def data_received(self, data: bytes) -> None:
            seen.append(where.get())
            super().data_received(data)

        def connection_lost(self, exc: BaseException | None) -> None:
            seen.append(where.get())
            super().connection_lost(exc)

    read_fd, write_fd = os.pipe()
    where.set("at the connect")
    _, reader = await loop.connect_read_pipe(Notes, os.fdopen(read_fd, "rb", 0))
    where.set("later")
    os.write(write_fd, b"x")
    os.close(write_fd)
    await reader.lost
    assert seen == ["at the connect", "at the connect"]


async def test_streams_stand_on_pipes(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    stream_reader = asyncio.StreamReader()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream_reader), os.fdopen(read_fd, "rb", 0)
    )
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(write_fd, "wb", 0)
    )
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    lines = [b"%d\n" % i for i in range(20_000)]

    async def write() -> None:
        for line in lines:
            writer.write(line)
            await writer.drain()
        writer.close()

    writing = asyncio.create_task(write())
    assert [line async for line in stream_reader] == lines
    await writing


def test_a_pipe_that_was_not_closed_says_so(loop_factory: LoopFactory) -> None:
    read_fd, write_fd = os.pipe()
    loop = loop_factory()
    transport, _ = loop.run_until_complete(
        loop.connect_read_pipe(asyncio.Protocol, os.fdopen(read_fd, "rb", 0))
    )
    loop.close()
    assert "open" in repr(transport)
    with pytest.warns(ResourceWarning, match="unclosed transport <.*ReadPipeTransport"):
        del transport, _
        gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(read_fd)
    os.close(write_fd)


@pytest.mark.asyncio_bug("leaves the file in non-blocking mode, for whoever shares it")
def test_a_loop_that_closes_leaves_files_as_they_were(loop_factory: LoopFactory) -> None:
    read_fd, write_fd = os.pipe()
    loop = loop_factory()
    transport, _ = loop.run_until_complete(
        loop.connect_read_pipe(asyncio.Protocol, os.fdopen(read_fd, "rb", 0))
    )
    assert not os.get_blocking(read_fd)
    loop.close()
    assert os.get_blocking(read_fd)
    transport.close()
    os.close(write_fd)


async def test_debug_mode_tells_what_becomes_of_a_pipe(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.set_debug(True)
    caplog.set_level(logging.DEBUG, "asyncio")
    read_fd, write_fd = os.pipe()
    reader, writer = await connect_reader(loop, read_fd), await connect_writer(loop, write_fd)
    reader.transport.pause_reading()
    reader.transport.resume_reading()
    reader.transport.close()
    await writer.lost
    await reader.lost
    messages = [record.getMessage() for record in caplog.records]
    for text in (
        f"Read pipe {read_fd} connected: (",
        f"Write pipe {write_fd} connected: (",
        "pauses reading",
        "resumes reading",
        "was closed by peer",
    ):
        assert any(text in message for message in messages), text


@pytest.mark.asyncio_bug("leaves a transport that reads nothing")
async def test_what_cannot_be_watched_is_lost_with_the_reason(loop: Loop, reports: Reports) -> None:
    reader = await connect_reader(loop, os.open(os.devnull, os.O_RDONLY))
    assert isinstance(await reader.lost, PermissionError)
    assert reports.pop()["message"] == "Fatal read error on pipe transport"


@pytest.mark.asyncio_bug("knows no BufferedProtocol here")
async def test_a_buffered_protocol_can_read_from_a_pipe(loop: Loop) -> None:
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.memory = bytearray(4)
            self.data = b""
            self.lost: asyncio.Future[None] = loop.create_future()

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.memory

        def buffer_updated(self, nbytes: int) -> None:
            self.data += self.memory[:nbytes]

        def connection_lost(self, exc: BaseException | None) -> None:
            self.lost.set_result(None)

    read_fd, write_fd = os.pipe()
    _, reader = await loop.connect_read_pipe(Buffered, os.fdopen(read_fd, "rb", 0))
    os.write(write_fd, b"four by four")
    os.close(write_fd)
    await reader.lost
    assert reader.data == b"four by four"


def test_a_forked_child_leaves_its_parents_files_alone(program: Any) -> None:
    done = program.run("""
        loop = new_event_loop()
        read_fd, write_fd = os.pipe()
        pipe = os.fdopen(read_fd, "rb", 0)
        transport, _ = loop.run_until_complete(loop.connect_read_pipe(asyncio.Protocol, pipe))
        pid = os.fork()
        if not pid:
            loop.close()
            transport.close()
            os._exit(0)
        os.waitpid(pid, 0)
        print(os.get_blocking(read_fd))
        transport.close()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    """)
    assert done.stdout == "False\n", done.stderr
