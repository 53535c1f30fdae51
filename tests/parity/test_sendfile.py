"""`sock_sendfile` and `sendfile`: whole files, parts of them, and the fallback."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
from pathlib import Path
from typing import Any

import pytest

from .support import Loop, Recorder, connected, fill, tcp_sockets

DATA = bytes(i * 7 % 256 for i in range(256)) * 4001


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of a megabyte."""
    path = tmp_path / "data"
    path.write_bytes(DATA)
    return path


async def _read_all(loop: Loop, sock: socket.socket) -> bytes:
    parts = []
    while part := await loop.sock_recv(sock, 1 << 18):
        parts.append(part)
    return b"".join(parts)


async def _send(loop: Loop, file: Any, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
    a, b = tcp_sockets()
    with a, b:
        reading = loop.create_task(_read_all(loop, b))
        try:
            sent = await loop.sock_sendfile(a, file, *args, **kwargs)
        finally:
            a.close()
            received = await reading
        return sent, received


async def test_sock_sendfile_sends_a_whole_file(loop: Loop, path: Path) -> None:
    with path.open("rb") as file:
        assert await _send(loop, file) == (len(DATA), DATA)
        assert file.tell() == len(DATA)


async def test_sock_sendfile_sends_a_part(loop: Loop, path: Path) -> None:
    with path.open("rb") as file:
        assert await _send(loop, file, 1000, 5000) == (5000, DATA[1000:6000])
        assert file.tell() == 6000


async def test_sock_sendfile_stops_at_the_end_of_the_file(loop: Loop, path: Path) -> None:
    with path.open("rb") as file:
        assert await _send(loop, file, len(DATA) - 10, 500) == (10, DATA[-10:])


async def test_sock_sendfile_of_an_empty_file_sends_nothing(loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with (tmp_path / "empty").open("rb") as file:
        assert await _send(loop, file) == (0, b"")


async def test_sock_sendfile_falls_back_for_files_without_a_descriptor(loop: Loop) -> None:
    file = io.BytesIO(DATA)
    assert await _send(loop, file, 10, 70_000) == (70_000, DATA[10:70_010])
    assert file.tell() == 70_010


async def test_sock_sendfile_without_fallback_refuses_such_files(loop: Loop) -> None:
    with pytest.raises(asyncio.SendfileNotAvailableError):
        await _send(loop, io.BytesIO(DATA), fallback=False)


@pytest.mark.parametrize(
    ("offset", "count", "error", "text"),
    [
        (-1, None, ValueError, "offset must be a non-negative integer"),
        ("x", None, TypeError, "offset must be a non-negative integer"),
        (0, 0, ValueError, "count must be a positive integer"),
        (0, -1, ValueError, "count must be a positive integer"),
        (0, "x", TypeError, "count must be a positive integer"),
    ],
)
async def test_sock_sendfile_checks_offset_and_count(  # type: ignore[no-untyped-def]
    loop: Loop, path: Path, offset, count, error, text
) -> None:
    with path.open("rb") as file, pytest.raises(error, match=text):
        await _send(loop, file, offset, count)


async def test_sock_sendfile_refuses_text_files(loop: Loop, path: Path) -> None:
    with (
        path.open("r", encoding="latin-1") as file,
        pytest.raises(ValueError, match="file should be opened in binary mode"),
    ):
        await _send(loop, file)


async def test_sock_sendfile_refuses_datagram_sockets(loop: Loop, path: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock, path.open("rb") as file:
        sock.setblocking(False)
        with pytest.raises(ValueError, match="only SOCK_STREAM type sockets are supported"):
            await loop.sock_sendfile(sock, file)


async def test_in_debug_mode_sock_sendfile_refuses_blocking_sockets(loop: Loop, path: Path) -> None:
    loop.set_debug(True)
    text = "the socket must be non-blocking"
    with socket.socket() as sock, path.open("rb") as file, pytest.raises(ValueError, match=text):
        await loop.sock_sendfile(sock, file)


async def test_a_cancelled_sock_sendfile_leaves_the_socket_usable(loop: Loop, path: Path) -> None:
    a, b = tcp_sockets()
    with a, b, path.open("rb") as file:
        filled = fill(a)
        task = loop.create_task(loop.sock_sendfile(a, file))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert loop.remove_writer(a) is False
        got = 0
        while got < filled:
            got += len(await loop.sock_recv(b, 1 << 20))


async def test_sock_sendfile_to_a_closed_peer_is_an_os_error(loop: Loop, path: Path) -> None:
    a, b = socket.socketpair()
    a.setblocking(False)
    b.close()
    with a, path.open("rb") as file, pytest.raises((BrokenPipeError, ConnectionResetError)):
        await loop.sock_sendfile(a, file)


async def test_sendfile_sends_a_file_between_two_writes(loop: Loop, path: Path) -> None:
    async with connected(Recorder, Recorder) as pair:
        with path.open("rb") as file:
            pair.client_transport.write(b"head")
            assert await loop.sendfile(pair.client_transport, file) == len(DATA)
            pair.client_transport.write(b"tail")
            assert await pair.server.received(len(DATA) + 8) == b"head" + DATA + b"tail"


async def test_sendfile_sends_a_part(loop: Loop, path: Path) -> None:
    async with connected(Recorder, Recorder) as pair:
        with path.open("rb") as file:
            assert await loop.sendfile(pair.client_transport, file, 100, 50_000) == 50_000
            assert await pair.server.received(50_000) == DATA[100:50_100]
            assert file.tell() == 50_100


async def test_sendfile_falls_back_for_files_without_a_descriptor(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        assert await loop.sendfile(pair.client_transport, io.BytesIO(DATA)) == len(DATA)
        assert await pair.server.received(len(DATA)) == DATA


async def test_sendfile_without_fallback_refuses_such_files(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        with pytest.raises(asyncio.SendfileNotAvailableError):
            await loop.sendfile(pair.client_transport, io.BytesIO(DATA), fallback=False)


async def test_sendfile_does_not_disturb_reading(loop: Loop, path: Path) -> None:
    async with connected(Recorder, Recorder) as pair:
        with path.open("rb") as file:
            sending = loop.create_task(loop.sendfile(pair.client_transport, file))
            await asyncio.sleep(0)
            pair.server_transport.write(b"answer")
            await sending
            assert await pair.client.received(6) == b"answer"
            assert await pair.server.received(len(DATA)) == DATA


async def test_sendfile_on_a_closing_transport_is_a_runtime_error(loop: Loop, path: Path) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.close()
        with path.open("rb") as file, pytest.raises(RuntimeError, match="^Transport is closing$"):
            await loop.sendfile(pair.client_transport, file)


async def test_sendfile_of_an_empty_file_sends_nothing(loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    async with connected(Recorder, Recorder) as pair:
        with (tmp_path / "empty").open("rb") as file:
            assert await loop.sendfile(pair.client_transport, file) == 0
        pair.client_transport.write(b"after")
        assert await pair.server.received(5) == b"after"


async def test_sendfile_ends_with_an_error_when_the_peer_goes(loop: Loop, path: Path) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.server_transport.pause_reading()
        with path.open("rb") as file:
            sending = loop.create_task(loop.sendfile(pair.client_transport, file, 0, len(DATA)))
            await asyncio.sleep(0)
            pair.server_transport.abort()
            with contextlib.suppress(ConnectionError, RuntimeError):
                await sending
            await pair.client.lost
