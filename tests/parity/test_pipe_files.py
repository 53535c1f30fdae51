"""Pipe transports over terminals, sockets, FIFOs and devices, and the mode in which they leave the file."""

from __future__ import annotations

import errno
import os
import pty
import socket
from pathlib import Path

import pytest

from .pipe_ends import Writing, connect_reader, connect_writer
from .support import Loop, nonblocking_pair, turns


@pytest.mark.asyncio_bug("leaves the file in non-blocking mode, for whoever shares it")
async def test_the_file_gets_its_blocking_mode_back(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    twins = os.dup(read_fd), os.dup(write_fd)
    reader, writer = await connect_reader(loop, read_fd), await connect_writer(loop, write_fd)
    assert [os.get_blocking(fd) for fd in twins] == [False, False]
    writer.transport.close()
    await writer.lost
    await turns(1)
    assert [os.get_blocking(fd) for fd in twins] == [False, True]
    os.close(twins[1])
    assert await reader.lost is None
    await turns(1)
    assert os.get_blocking(twins[0])
    os.close(twins[0])


@pytest.mark.asyncio_bug("leaves the file in non-blocking mode, for whoever shares it")
async def test_a_terminal_with_two_transports_blocks_again_after_the_last(loop: Loop) -> None:
    master, slave = pty.openpty()
    twin = os.dup(slave)
    reader, writer = await connect_reader(loop, os.dup(slave)), await connect_writer(loop, slave)
    reader.transport.close()
    await reader.lost
    await turns(1)
    assert not os.get_blocking(twin)
    writer.transport.write(b"still here")
    await turns(1)
    assert os.read(master, 100) == b"still here"
    writer.transport.close()
    await writer.lost
    await turns(1)
    assert os.get_blocking(twin)
    os.close(twin)
    os.close(master)


async def test_a_mode_that_was_not_blocking_stays(loop: Loop) -> None:
    read_fd, write_fd = os.pipe2(os.O_NONBLOCK)
    twin = os.dup(read_fd)
    reader = await connect_reader(loop, read_fd)
    reader.transport.close()
    await reader.lost
    await turns(1)
    assert not os.get_blocking(twin)
    os.close(twin)
    os.close(write_fd)


async def test_a_terminal_can_be_written(loop: Loop) -> None:
    master, slave = pty.openpty()
    writer = await connect_writer(loop, slave)
    writer.transport.write(b"to the screen")
    await turns(1)
    assert os.read(master, 100) == b"to the screen"
    writer.transport.close()
    await writer.lost
    os.close(master)


async def test_a_terminal_whose_other_side_went_is_lost_with_an_error(loop: Loop) -> None:
    master, slave = pty.openpty()
    reader = await connect_reader(loop, master)
    os.close(slave)
    exc = await reader.lost
    assert isinstance(exc, OSError)
    assert exc.errno == errno.EIO


async def test_one_socket_can_have_a_reader_and_a_writer(loop: Loop) -> None:
    a, b = nonblocking_pair()
    fd = os.dup(a.fileno())
    reader, writer = await connect_reader(loop, a.detach()), await connect_writer(loop, fd)
    writer.transport.write(b"out")
    assert await loop.sock_recv(b, 100) == b"out"
    await loop.sock_sendall(b, b"in")
    if writer.events == ["made"]:  # asyncio closes the writer for what it has to read
        assert await reader.received(2) == b"in"
    b.close()
    await reader.lost
    await writer.lost


async def test_the_peer_of_a_socket_that_closes_is_told_to_the_writer(loop: Loop) -> None:
    a, b = nonblocking_pair()
    writer = await connect_writer(loop, a.detach())
    b.close()
    assert await writer.lost is None


@pytest.mark.asyncio_bug("merges messages that wait")
async def test_messages_stay_apart(loop: Loop) -> None:
    a, b = nonblocking_pair(socket.SOCK_SEQPACKET)
    transport, writer = await loop.connect_write_pipe(Writing, a)
    transport.write(b"one")
    transport.write(b"two")
    assert b.recv(100) == b"one"
    assert b.recv(100) == b"two"
    sent = 0
    while not transport.get_write_buffer_size():
        transport.write(b"x" * 1000)
        sent += 1
    transport.write(b"last")
    for _ in range(sent):
        assert await loop.sock_recv(b, 10_000) == b"x" * 1000
    assert await loop.sock_recv(b, 10_000) == b"last"
    transport.close()
    await writer.lost
    b.close()


@pytest.mark.asyncio_bug("takes its own data for the peer's going away")
async def test_a_fifo_that_is_open_both_ways_can_be_written(loop: Loop, tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    _, writer = await loop.connect_write_pipe(Writing, path.open("r+b", buffering=0))
    writer.transport.write(b"early")
    await turns(5)
    assert writer.events == ["made"]
    reader = await connect_reader(loop, os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    assert await reader.received(5) == b"early"
    writer.transport.close()
    await writer.lost
    await reader.lost


async def test_what_goes_to_the_null_device_is_gone(loop: Loop) -> None:
    writer = await connect_writer(loop, os.open(os.devnull, os.O_WRONLY))
    writer.transport.write(b"x" * 100_000)
    assert writer.transport.get_write_buffer_size() == 0
    writer.transport.close()
    assert await writer.lost is None
