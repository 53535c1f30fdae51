"""anyio's network streams, files and subprocesses on the loop's transports and sockets."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest

Loop = asyncio.AbstractEventLoop

pytestmark = pytest.mark.usefixtures("task_kind")

LARGE = bytes(range(256)) * 8192  # more than a socket buffers


async def echo(stream: anyio.abc.ByteStream) -> None:
    """Send back what comes, until the other side has no more."""
    async with stream:
        async for data in stream:
            await stream.send(data)


async def echo_of(client: anyio.abc.ByteStream, sent: bytes) -> bytes:
    """Send all of it and return what comes back until the end."""
    got = bytearray()

    async def sends() -> None:
        await client.send(sent)
        await client.send_eof()

    async with anyio.create_task_group() as group, client:
        group.start_soon(sends)
        async for data in client:
            got += data
    return bytes(got)


def port_of(listener: Any) -> int:
    port: int = listener.extra(anyio.abc.SocketAttribute.local_port)
    return port


async def test_tcp_streams_carry_bytes_both_ways() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, echo)
        client = await anyio.connect_tcp("127.0.0.1", port_of(listener))
        assert await echo_of(client, LARGE) == LARGE
        group.cancel_scope.cancel()


async def test_many_tcp_clients_at_once() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    answers: list[bytes] = []

    async def calls(number: int) -> None:
        client = await anyio.connect_tcp("127.0.0.1", port_of(listener))
        answers.append(await echo_of(client, str(number).encode()))

    async with listener, anyio.create_task_group() as serving:
        serving.start_soon(listener.serve, echo)
        async with anyio.create_task_group() as calling:
            for number in range(50):
                calling.start_soon(calls, number)
        serving.cancel_scope.cancel()
    assert sorted(map(int, answers)) == list(range(50))


async def test_unix_streams_carry_bytes_both_ways(tmp_path: Path) -> None:
    path = tmp_path / "s"
    listener = await anyio.create_unix_listener(path)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, echo)
        client = await anyio.connect_unix(path)
        assert await echo_of(client, LARGE) == LARGE
        group.cancel_scope.cancel()


async def test_a_cancelled_receive_loses_no_bytes() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, echo)
        async with await anyio.connect_tcp("127.0.0.1", port_of(listener)) as client:
            for number in range(20):
                with anyio.move_on_after(0) as scope:
                    await client.receive()
                assert scope.cancelled_caught
                await client.send(bytes([number]))
                assert await client.receive() == bytes([number])
        group.cancel_scope.cancel()


async def test_a_cancelled_accept_leaves_the_listener_in_order() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with AsyncExitStack() as stack:
        for _ in range(2):
            async with listener, anyio.create_task_group() as group:
                group.start_soon(listener.serve, echo)
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()
            listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        await stack.enter_async_context(listener)


async def test_a_refused_connection_is_an_os_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(OSError):
            await anyio.connect_tcp("127.0.0.1", unused.getsockname()[1])


async def test_sending_to_a_closed_peer_breaks_the_stream() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")

    async def hangs_up(stream: anyio.abc.ByteStream) -> None:
        await anyio.aclose_forcefully(stream)

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, hangs_up)
        async with await anyio.connect_tcp("127.0.0.1", port_of(listener)) as client:
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await client.receive()
            with pytest.raises(anyio.BrokenResourceError):
                for _ in range(100):
                    await client.send(LARGE)
        group.cancel_scope.cancel()


async def test_closing_a_stream_wakes_the_one_who_receives_from_it() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")

    async def receives(stream: anyio.abc.ByteStream) -> None:
        with pytest.raises(anyio.ClosedResourceError):
            await stream.receive()

    async with listener, anyio.create_task_group() as serving:
        serving.start_soon(listener.serve, echo)
        client = await anyio.connect_tcp("127.0.0.1", port_of(listener))
        async with anyio.create_task_group() as group:
            group.start_soon(receives, client)
            await anyio.wait_all_tasks_blocked()
            await client.aclose()
        serving.cancel_scope.cancel()


async def test_udp_sockets_exchange_packets() -> None:
    async with (
        await anyio.create_udp_socket(local_host="127.0.0.1") as a,
        await anyio.create_udp_socket(local_host="127.0.0.1") as b,
    ):
        there = b.extra(anyio.abc.SocketAttribute.local_address)
        await a.sendto(b"hello", *there)
        with anyio.fail_after(10):
            data, sender = await b.receive()
        assert data == b"hello"
        assert sender == a.extra(anyio.abc.SocketAttribute.local_address)


async def test_a_socket_can_be_waited_for_and_the_wait_cancelled() -> None:
    a, b = socket.socketpair()
    with a, b:
        a.setblocking(False)
        with anyio.move_on_after(0.01) as scope:
            await anyio.wait_readable(a)
        assert scope.cancelled_caught
        b.send(b"x")
        with anyio.fail_after(10):
            await anyio.wait_readable(a)
            await anyio.wait_writable(a)
        assert a.recv(1) == b"x"


async def test_run_process_returns_what_the_process_wrote() -> None:
    source = "import sys; sys.stdout.write(sys.stdin.read().upper()); print('e', file=sys.stderr)"
    done = await anyio.run_process([sys.executable, "-c", source], input=b"input")
    assert done.stdout == b"INPUT"
    assert done.stderr == b"e\n"
    assert done.returncode == 0


async def test_a_cancelled_wait_for_a_process_ends_the_process() -> None:
    source = "import os, signal; os.write(1, b'up'); signal.pause()"
    with anyio.CancelScope() as scope:
        async with await anyio.open_process([sys.executable, "-c", source]) as process:
            assert process.stdout is not None
            assert await process.stdout.receive() == b"up"
            scope.cancel()
            await process.wait()
    assert scope.cancelled_caught
    assert process.returncode == -9


async def test_files_are_read_and_written(tmp_path: Path) -> None:
    path = anyio.Path(tmp_path / "file")
    async with await path.open("w") as file:
        await file.write("one\ntwo\n")
    async with await anyio.open_file(path) as file:
        assert [line async for line in file] == ["one\n", "two\n"]
    assert [str(entry.name) async for entry in anyio.Path(tmp_path).iterdir()] == ["file"]
