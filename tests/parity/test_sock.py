"""`sock_recv`, `sock_recv_into`, `sock_sendall`, `sock_accept` and `sock_connect`."""

from __future__ import annotations

import array
import asyncio
import socket
import ssl

import pytest

from .support import Loop, drain, fill, nonblocking_pair, refused_port, tcp_sockets, turns


@pytest.fixture
def pair():  # type: ignore[no-untyped-def]
    """Two connected non-blocking sockets, closed at the end."""
    a, b = nonblocking_pair()
    yield a, b
    a.close()
    b.close()


async def test_recv_returns_what_is_there(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    b.send(b"hello")
    assert await loop.sock_recv(a, 100) == b"hello"


async def test_recv_waits_for_data(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    task = loop.create_task(loop.sock_recv(a, 100))
    await turns(3)
    assert not task.done()
    b.send(b"late")
    assert await task == b"late"


async def test_recv_returns_at_most_what_was_asked_for(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    b.send(b"abcdef")
    assert await loop.sock_recv(a, 2) == b"ab"
    assert await loop.sock_recv(a, 100) == b"cdef"


async def test_recv_returns_bytes_of_exactly_their_length(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    b.send(b"x")
    data = await loop.sock_recv(a, 1 << 20)
    assert type(data) is bytes
    assert data == b"x"


async def test_recv_at_the_end_of_the_stream_is_empty(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    b.close()
    assert await loop.sock_recv(a, 100) == b""
    assert await loop.sock_recv(a, 100) == b""


async def test_recv_of_zero_bytes_is_empty(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    b.send(b"x")
    assert await loop.sock_recv(a, 0) == b""
    assert await loop.sock_recv(a, 1) == b"x"


@pytest.mark.parametrize(
    "make", [bytearray, lambda n: array.array("b", bytes(n)), lambda n: memoryview(bytearray(n))]
)
async def test_recv_into_fills_any_writable_buffer(loop: Loop, pair, make) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    buffer = make(10)
    b.send(b"hello")
    assert await loop.sock_recv_into(a, buffer) == 5
    assert bytes(buffer)[:5] == b"hello"
    assert bytes(buffer)[5:] == bytes(5)


async def test_recv_into_waits_for_data(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    buffer = bytearray(10)
    task = loop.create_task(loop.sock_recv_into(a, buffer))
    await turns(3)
    assert not task.done()
    b.send(b"late")
    assert await task == 4
    assert buffer[:4] == b"late"


async def test_recv_into_lets_go_of_the_buffer(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    buffer = bytearray(10)
    b.send(b"x")
    await loop.sock_recv_into(a, buffer)
    buffer.extend(b"more")


async def test_recv_into_a_readonly_buffer_is_an_error(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    b.send(b"x")
    with pytest.raises(TypeError):
        await loop.sock_recv_into(a, b"readonly")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        bytearray(b"hello"),
        memoryview(b"hello"),
        memoryview(bytearray(b"hxexlxlxox"))[::2],
    ],
    ids=["bytes", "bytearray", "memoryview", "strided"],
)
async def test_sendall_takes_any_buffer(loop: Loop, pair, data) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    if isinstance(data, memoryview) and not data.contiguous:
        with pytest.raises(BufferError):
            await loop.sock_sendall(a, data)
        return
    assert await loop.sock_sendall(a, data) is None
    assert drain(b) == bytes(data)


@pytest.mark.asyncio_bug("it counts items where the kernel counts bytes, and waits for ever")
async def test_sendall_counts_bytes_not_items(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    data = array.array("H", [7, 8, 9])
    await loop.sock_sendall(a, data)
    assert drain(b) == data.tobytes()


async def test_sendall_of_nothing_returns(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    assert await loop.sock_sendall(a, b"") is None
    assert drain(b) == b""


@pytest.mark.parametrize("size", [1 << 20, 5_000_011])
async def test_sendall_of_much_arrives_whole_and_in_order(loop: Loop, pair, size: int) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    data = bytes(i * 31 % 251 for i in range(1000)) * (size // 1000) + b"tail"
    task = loop.create_task(loop.sock_sendall(a, data))
    got = bytearray()
    while len(got) < len(data):
        part = await loop.sock_recv(b, 1 << 18)
        assert part
        got += part
    await task
    assert got == data


async def test_sendall_waits_for_room(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    filled = fill(a)
    task = loop.create_task(loop.sock_sendall(a, b"end"))
    await turns(3)
    assert not task.done()
    got = bytearray()
    while len(got) < filled + 3:
        got += await loop.sock_recv(b, 1 << 20)
    await task
    assert got[-3:] == b"end"


async def test_sendall_to_a_closed_peer_is_a_broken_pipe(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    b.close()
    with pytest.raises(BrokenPipeError) as caught:
        await loop.sock_sendall(a, b"x")
    assert caught.value.errno == 32


async def test_sendall_of_text_is_a_type_error(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, _ = pair
    with pytest.raises(TypeError):
        await loop.sock_sendall(a, "text")  # type: ignore[arg-type]


async def test_one_task_may_read_while_another_writes(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    reading = loop.create_task(loop.sock_recv(a, 10))
    fill(a)
    writing = loop.create_task(loop.sock_sendall(a, b"x" * 100_000))
    await turns(2)
    b.send(b"hello")
    assert await reading == b"hello"
    while not writing.done():
        await loop.sock_recv(b, 1 << 20)
    await writing


async def test_connect_and_accept_meet(loop: Loop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        listener.setblocking(False)
        client.setblocking(False)
        accepting = loop.create_task(loop.sock_accept(listener))
        assert await loop.sock_connect(client, listener.getsockname()) is None
        conn, address = await accepting
        with conn:
            assert conn.gettimeout() == 0
            assert address == client.getsockname()
            await loop.sock_sendall(client, b"hi")
            assert await loop.sock_recv(conn, 10) == b"hi"


async def test_accept_returns_sockets_that_children_do_not_inherit(loop: Loop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        with socket.create_connection(listener.getsockname()):
            conn, _ = await loop.sock_accept(listener)
            assert conn.get_inheritable() is False
            assert isinstance(conn, socket.socket)
            conn.close()


async def test_connect_resolves_names(loop: Loop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, ("localhost", listener.getsockname()[1]))
        assert client.getpeername() == listener.getsockname()


async def test_connect_to_a_unix_socket(loop: Loop, tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(path)
        listener.listen()
        client.setblocking(False)
        await loop.sock_connect(client, path)
        assert client.getpeername() == path


async def test_connect_over_ipv6(loop: Loop) -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with listener, socket.socket(socket.AF_INET6) as client:
        client.setblocking(False)
        await loop.sock_connect(client, listener.getsockname())
        assert client.getpeername()[:2] == listener.getsockname()[:2]


async def test_a_refused_connection_is_refused_with_the_address_in_the_text(loop: Loop) -> None:
    port = refused_port()
    with socket.socket() as client:
        client.setblocking(False)
        with pytest.raises(ConnectionRefusedError) as caught:
            await loop.sock_connect(client, ("127.0.0.1", port))
    assert caught.value.errno == 111
    assert caught.value.strerror is not None
    assert f"Connect call failed ('127.0.0.1', {port})" in str(caught.value)


async def test_connect_to_a_missing_unix_socket_is_file_not_found(loop: Loop, tmp_path) -> None:  # type: ignore[no-untyped-def]
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        with pytest.raises(FileNotFoundError):
            await loop.sock_connect(client, str(tmp_path / "missing"))


async def test_in_debug_mode_blocking_sockets_are_refused(loop: Loop) -> None:
    loop.set_debug(True)
    with socket.socket() as sock:
        for call in (
            loop.sock_recv(sock, 1),
            loop.sock_recv_into(sock, bytearray(1)),
            loop.sock_sendall(sock, b"x"),
            loop.sock_accept(sock),
            loop.sock_connect(sock, ("127.0.0.1", 1)),
            loop.sock_recvfrom(sock, 1),
            loop.sock_recvfrom_into(sock, bytearray(1)),
            loop.sock_sendto(sock, b"x", ("127.0.0.1", 1)),
        ):
            with pytest.raises(ValueError, match="^the socket must be non-blocking$"):
                await call


async def test_tls_sockets_are_refused(loop: Loop) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with context.wrap_socket(
        socket.socket(), server_hostname="localhost", do_handshake_on_connect=False
    ) as sock:
        for call in (
            loop.sock_recv(sock, 1),
            loop.sock_recv_into(sock, bytearray(1)),
            loop.sock_sendall(sock, b"x"),
            loop.sock_accept(sock),
            loop.sock_connect(sock, ("127.0.0.1", 1)),
            loop.sock_recvfrom(sock, 1),
            loop.sock_sendto(sock, b"x", ("127.0.0.1", 1)),
        ):
            with pytest.raises(TypeError, match="^Socket cannot be of type SSLSocket$"):
                await call


async def test_closed_sockets_are_an_os_error(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, _ = pair
    a.close()
    for call in (loop.sock_recv(a, 1), loop.sock_sendall(a, b"x"), loop.sock_accept(a)):
        with pytest.raises(OSError, match="Bad file descriptor"):
            await call


async def test_accept_on_a_socket_that_does_not_listen_is_an_os_error(loop: Loop) -> None:
    with socket.socket() as sock:
        sock.setblocking(False)
        with pytest.raises(OSError, match="Invalid argument"):
            await loop.sock_accept(sock)


async def test_a_reset_by_the_peer_is_raised(loop: Loop) -> None:
    a, b = tcp_sockets()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    reading = loop.create_task(loop.sock_recv(b, 10))
    await turns(2)
    a.close()
    with pytest.raises(ConnectionResetError):
        await reading
    b.close()


async def test_a_cancelled_recv_loses_nothing(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    task = loop.create_task(loop.sock_recv(a, 10))
    await turns(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert loop.remove_reader(a) is False
    b.send(b"kept")
    assert await loop.sock_recv(a, 10) == b"kept"


async def test_a_recv_cancelled_before_the_loop_saw_its_data_loses_nothing(
    loop: Loop, pair
) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    for _ in range(10):
        task = loop.create_task(loop.sock_recv(a, 10))
        await asyncio.sleep(0)
        b.send(b"data")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await loop.sock_recv(a, 10) == b"data"


async def test_a_cancelled_accept_keeps_the_listener_usable(loop: Loop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        task = loop.create_task(loop.sock_accept(listener))
        await turns(2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with socket.create_connection(listener.getsockname()):
            conn, _ = await loop.sock_accept(listener)
            conn.close()


async def test_a_cancelled_sendall_stops_writing(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    task = loop.create_task(loop.sock_sendall(a, b"x" * (8 << 20)))
    await turns(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert loop.remove_writer(a) is False
    before = len(drain(b))
    await turns(3)
    assert drain(b) == b""
    assert before < 8 << 20


async def test_a_waiting_recv_ends_when_wait_for_times_out(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    for _ in range(20):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(loop.sock_recv(a, 10), 0.0001)
    b.send(b"x")
    assert await loop.sock_recv(a, 10) == b"x"


async def test_a_socket_closed_right_after_its_data_leaves_the_number_for_the_next(
    loop: Loop,
) -> None:
    for _ in range(20):
        a, b = nonblocking_pair()
        task = loop.create_task(loop.sock_recv(a, 1))
        await asyncio.sleep(0)
        b.send(b"x")
        assert await task == b"x"
        a.close()
        b.close()


async def test_wrong_arguments_are_type_errors(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    b.send(b"x")
    with pytest.raises(TypeError):
        await loop.sock_recv(a, "many")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        await loop.sock_sendall(a, 5)  # type: ignore[arg-type]


async def test_a_negative_size_is_a_value_error(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    b.send(b"x")
    with pytest.raises(ValueError, match="negative buffersize in recv"):
        await loop.sock_recv(a, -1)
