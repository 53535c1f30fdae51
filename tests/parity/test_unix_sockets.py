"""Unix stream sockets: paths, abstract names, stale files, and what is left behind."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from .support import Loop, Recorder, connected, nonblocking_pair, turns


async def _meet(loop: Loop, path: Any) -> None:
    """Connect to the path, say something, and leave."""
    transport, protocol = await loop.create_unix_connection(Recorder, path)
    transport.write(b"x")
    transport.close()
    await protocol.lost


@pytest.mark.parametrize("kind", [str, os.fsencode, Path], ids=["str", "bytes", "PathLike"])
async def test_a_path_may_be_str_bytes_or_pathlike(loop: Loop, tmp_path: Path, kind: Any) -> None:
    path = kind(tmp_path / "socket")
    server = await loop.create_unix_server(Recorder, path)
    assert (tmp_path / "socket").is_socket()
    await _meet(loop, path)
    server.close()
    await turns(3)


async def test_an_abstract_name_leaves_no_file(loop: Loop) -> None:
    name = f"\0parity-{os.getpid()}-{id(loop)}"
    server = await loop.create_unix_server(Recorder, name)
    assert server.sockets[0].getsockname() == name.encode()
    await _meet(loop, name)
    server.close()
    await turns(3)


async def test_the_path_is_the_name_of_the_socket(loop: Loop, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    server = await loop.create_unix_server(Recorder, path)
    transport, protocol = await loop.create_unix_connection(Recorder, path)
    assert transport.get_extra_info("peername") == path
    assert transport.get_extra_info("sockname") == ""
    assert transport.get_extra_info("socket").family == socket.AF_UNIX
    transport.close()
    await protocol.lost
    server.close()
    await turns(3)


async def test_a_stale_socket_file_is_replaced(loop: Loop, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    server = await loop.create_unix_server(Recorder, path)
    await _meet(loop, path)
    server.close()
    await turns(3)


async def test_a_file_that_is_no_socket_is_left_alone(loop: Loop, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("precious")
    with pytest.raises(OSError, match=f"^\\[Errno 98\\] Address '{path}' is already in use$"):
        await loop.create_unix_server(Recorder, str(path))
    assert path.read_text() == "precious"


async def test_closing_the_server_removes_the_file_as_the_running_python_does(
    loop: Loop, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    server = await loop.create_unix_server(Recorder, str(path))
    server.close()
    await turns(2)
    # Programs for older Pythons remove the file themselves, and would not find it.
    assert path.exists() == (sys.version_info < (3, 13))


@pytest.mark.asyncio_since(3, 13, "cleanup_socket= is new in 3.13")
async def test_the_file_is_removed_where_that_is_wanted(loop: Loop, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    server = await loop.create_unix_server(Recorder, str(path), cleanup_socket=True)  # type: ignore[call-arg]
    server.close()
    await turns(2)
    assert not path.exists()


@pytest.mark.asyncio_since(3, 13, "cleanup_socket= is new in 3.13")
async def test_the_file_stays_where_that_is_wanted(loop: Loop, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    server = await loop.create_unix_server(Recorder, str(path), cleanup_socket=False)  # type: ignore[call-arg]
    server.close()
    await turns(2)
    assert path.exists()


@pytest.mark.asyncio_since(3, 13, "the file is removed from 3.13 on")
async def test_a_file_that_belongs_to_someone_else_by_now_is_not_removed(
    loop: Loop, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    server = await loop.create_unix_server(Recorder, str(path))
    path.unlink()
    path.write_text("someone else's")
    server.close()
    await turns(2)
    assert path.read_text() == "someone else's"


@pytest.mark.asyncio_since(3, 13, "the file is removed from 3.13 on")
async def test_a_file_that_is_gone_already_does_not_hurt(loop: Loop, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    server = await loop.create_unix_server(Recorder, str(path))
    path.unlink()
    server.close()
    await turns(2)


async def test_a_bound_socket_can_be_given(loop: Loop, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    server = await loop.create_unix_server(Recorder, sock=sock)
    await _meet(loop, path)
    server.close()
    await turns(3)


async def test_a_connected_socket_can_be_given(loop: Loop) -> None:
    a, b = nonblocking_pair()
    transport, protocol = await loop.create_unix_connection(Recorder, sock=a)
    b.send(b"x")
    assert await protocol.received(1) == b"x"
    transport.close()
    await protocol.lost
    b.close()


async def test_a_missing_path_is_file_not_found(loop: Loop, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await loop.create_unix_connection(Recorder, str(tmp_path / "missing"))


async def test_nobody_listening_is_a_refused_connection(loop: Loop, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    with pytest.raises(ConnectionRefusedError):
        await loop.create_unix_connection(Recorder, path)


async def test_a_directory_that_is_missing_is_file_not_found(loop: Loop, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await loop.create_unix_server(Recorder, str(tmp_path / "no" / "socket"))


async def test_a_path_that_is_too_long_is_an_os_error(loop: Loop, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="AF_UNIX path too long"):
        await loop.create_unix_server(Recorder, str(tmp_path / ("x" * 200)))


@pytest.mark.parametrize(
    ("method", "kwargs", "text"),
    [
        ("create_unix_server", {}, "path was not specified, and no sock specified"),
        (
            "create_unix_server",
            {"path": "x", "sock": "unix"},
            "path and sock can not be specified at the same time",
        ),
        ("create_unix_server", {"sock": "tcp"}, "A UNIX Domain Stream Socket was expected, got .*"),
        (
            "create_unix_server",
            {"path": "x", "ssl_handshake_timeout": 1},
            "ssl_handshake_timeout is only meaningful with ssl",
        ),
        ("create_unix_connection", {}, "no path and sock were specified"),
        (
            "create_unix_connection",
            {"path": "x", "sock": "unix"},
            "path and sock can not be specified at the same time",
        ),
        (
            "create_unix_connection",
            {"sock": "tcp"},
            "A UNIX Domain Stream Socket was expected, got .*",
        ),
        (
            "create_unix_connection",
            {"path": "x", "server_hostname": "y"},
            "server_hostname is only meaningful with ssl",
        ),
        (
            "create_unix_connection",
            {"path": "x", "ssl": True},
            "you have to pass server_hostname when using ssl",
        ),
    ],
)
async def test_arguments_that_make_no_sense_are_a_value_error(
    loop: Loop, method: str, kwargs: dict[str, Any], text: str
) -> None:
    with socket.socket(socket.AF_UNIX) as unix, socket.socket() as tcp:
        if "sock" in kwargs:
            kwargs = {**kwargs, "sock": {"unix": unix, "tcp": tcp}[kwargs["sock"]]}
        with pytest.raises(ValueError, match=f"^{text}$"):
            await getattr(loop, method)(Recorder, **kwargs)


async def test_the_files_mode_follows_the_umask(loop: Loop, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        server = await loop.create_unix_server(Recorder, str(tmp_path / "socket"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "socket").stat().st_mode) & 0o077 == 0
    server.close()


async def test_the_peers_credentials_can_be_asked_for(loop: Loop) -> None:
    import struct

    async with connected(Recorder, Recorder, unix=True) as pair:
        sock = pair.server_transport.get_extra_info("socket")
        pid, uid, _ = struct.unpack(
            "3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        )
        assert (pid, uid) == (os.getpid(), os.getuid())


async def test_half_close_works(loop: Loop) -> None:
    async with connected(Recorder, Recorder, unix=True) as pair:
        pair.server.keep_open = True
        pair.client_transport.write_eof()
        await pair.server.eof
        pair.server_transport.write(b"still open")
        assert await pair.client.received(10) == b"still open"


async def test_a_stream_server_over_a_unix_socket_serves_many(loop: Loop, tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    path = str(tmp_path / "socket")
    server = await asyncio.start_unix_server(handle, path)

    async def client(n: int) -> bytes:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"%d\n" % n)
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line

    assert await asyncio.gather(*(client(n) for n in range(30))) == [b"%d\n" % n for n in range(30)]
    server.close()
    await turns(3)
