"""`add_reader`, `add_writer` and their removal: return values, replacement, reused and bad file descriptors."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from .support import Loop, drain, fill, nonblocking_pair, turns


@pytest.fixture
def pair():  # type: ignore[no-untyped-def]
    """Two connected non-blocking sockets, closed at the end."""
    a, b = nonblocking_pair()
    yield a, b
    a.close()
    b.close()


def test_a_reader_is_called_with_its_arguments_when_data_is_there(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    got: list[tuple[object, ...]] = []

    def readable(*args: object) -> None:
        got.append(args)
        loop.stop()

    loop.add_reader(a, readable, 1, "two", None)
    b.send(b"x")
    loop.run_forever()
    assert got == [(1, "two", None)]
    loop.remove_reader(a)


def test_removing_tells_whether_something_was_there(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, _ = pair
    assert loop.remove_reader(a) is False
    assert loop.remove_writer(a) is False
    loop.add_reader(a, int)
    assert loop.remove_writer(a) is False
    assert loop.remove_reader(a) is True
    assert loop.remove_reader(a) is False
    loop.add_writer(a, int)
    assert loop.remove_reader(a) is False
    assert loop.remove_writer(a) is True
    assert loop.remove_writer(a) is False


def test_a_writer_is_called_while_there_is_room(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    fill(a)
    calls: list[int] = []

    def writable() -> None:
        calls.append(1)
        loop.stop()

    loop.add_writer(a, writable)
    loop.call_later(0.002, loop.stop)
    loop.run_forever()
    assert calls == []
    drain(b)
    loop.run_forever()
    assert calls == [1]
    loop.remove_writer(a)


def test_reader_and_writer_of_one_fd_are_both_called(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    seen: set[str] = set()

    def event(name: str) -> None:
        seen.add(name)
        if len(seen) == 2:
            loop.stop()

    b.send(b"x")
    loop.add_reader(a, event, "read")
    loop.add_writer(a, event, "write")
    loop.run_forever()
    assert seen == {"read", "write"}
    assert loop.remove_reader(a)
    assert loop.remove_writer(a)


def test_adding_a_writer_first_and_a_reader_second_works_too(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    seen: list[str] = []
    fill(a)
    loop.add_writer(a, seen.append, "write")
    loop.add_reader(a, lambda: (seen.append("read"), loop.stop()))
    b.send(b"x")
    loop.run_forever()
    assert seen == ["read"]
    loop.remove_reader(a)
    loop.remove_writer(a)


def test_removing_the_reader_leaves_the_writer(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    seen: list[str] = []
    b.send(b"x")
    loop.add_reader(a, seen.append, "read")
    loop.add_writer(a, lambda: (seen.append("write"), loop.stop()))
    loop.remove_reader(a)
    loop.run_forever()
    assert seen == ["write"]
    loop.remove_writer(a)


def test_removing_the_writer_leaves_the_reader(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    seen: list[str] = []
    b.send(b"x")
    loop.add_writer(a, seen.append, "write")
    loop.add_reader(a, lambda: (seen.append("read"), loop.stop()))
    loop.remove_writer(a)
    loop.run_forever()
    assert seen == ["read"]
    loop.remove_reader(a)


def test_a_second_reader_replaces_the_first(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    seen: list[str] = []
    loop.add_reader(a, seen.append, "first")
    loop.add_reader(a, lambda: (seen.append("second"), loop.stop()))
    b.send(b"x")
    loop.run_forever()
    assert seen == ["second"]
    assert loop.remove_reader(a) is True
    assert loop.remove_reader(a) is False


def test_a_reader_may_replace_itself(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    seen: list[int] = []

    def step(n: int) -> None:
        seen.append(n)
        if n == 3:
            loop.stop()
        else:
            loop.add_reader(a, step, n + 1)

    loop.add_reader(a, step, 1)
    b.send(b"x")
    loop.run_forever()
    assert seen == [1, 2, 3]
    loop.remove_reader(a)


def test_fds_and_file_objects_name_the_same_thing(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, _ = pair
    loop.add_reader(a, int)
    assert loop.remove_reader(a.fileno()) is True
    loop.add_writer(a.fileno(), int)
    assert loop.remove_writer(a) is True


def test_pipes_can_be_watched(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    got: list[bytes] = []

    def readable() -> None:
        got.append(os.read(read_fd, 10))
        loop.stop()

    loop.add_reader(read_fd, readable)
    loop.add_writer(write_fd, lambda: (os.write(write_fd, b"pipe"), loop.remove_writer(write_fd)))
    loop.run_forever()
    assert got == [b"pipe"]
    loop.remove_reader(read_fd)
    os.close(read_fd)
    os.close(write_fd)


def test_a_closed_peer_makes_the_fd_readable(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    loop.add_reader(a, loop.stop)
    b.close()
    loop.run_forever()
    assert a.recv(1) == b""
    loop.remove_reader(a)


def test_a_closed_peer_wakes_the_writer(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    fill(a)
    loop.add_writer(a, loop.stop)
    b.close()
    loop.run_forever()
    loop.remove_writer(a)


def test_the_hangup_of_a_pipe_wakes_its_writer(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    try:
        while True:
            os.write(write_fd, b"x" * 65536)
    except BlockingIOError:
        pass
    loop.add_writer(write_fd, loop.stop)
    os.close(read_fd)
    loop.run_forever()
    loop.remove_writer(write_fd)
    os.close(write_fd)


def test_both_ends_of_a_duplicated_fd_are_independent(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    twin = a.dup()
    seen: list[str] = []

    def event(name: str) -> None:
        seen.append(name)
        if set(seen) == {"original", "twin"}:
            loop.stop()

    loop.add_reader(a, event, "original")
    loop.add_reader(twin, event, "twin")
    b.send(b"x")
    loop.run_forever()
    assert loop.remove_reader(a)
    seen.clear()
    loop.add_reader(twin, lambda: (seen.append("twin"), loop.stop()))
    loop.run_forever()
    assert seen == ["twin"]
    assert loop.remove_reader(twin)
    twin.close()


def test_a_removed_reader_of_a_duplicated_fd_costs_no_turns(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    twin = a.dup()
    calls: list[int] = []
    loop.add_reader(a, calls.append, 1)
    loop.remove_reader(a)
    a.close()
    b.send(b"x")
    loop.call_later(0.01, loop.stop)
    loop.run_forever()
    assert calls == []
    twin.close()


def _pair_at(number: int) -> tuple[socket.socket, socket.socket]:
    """A connected pair, the first of which has the given file descriptor: one that no other code gets by chance."""
    a, b = nonblocking_pair()
    os.dup2(a.fileno(), number)
    a.close()
    return socket.socket(fileno=number), b


@pytest.mark.parametrize("behind_the_back", [False, True])
def test_an_fd_closed_and_reused_can_be_watched_again(loop: Loop, behind_the_back: bool) -> None:
    number = 900
    a, b = _pair_at(number)
    loop.add_reader(a, int)
    if behind_the_back:
        a.close()
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.remove_reader(number)
    else:
        loop.remove_reader(a)
        a.close()
    c, d = _pair_at(number)
    seen: list[int] = []
    loop.add_reader(c, lambda: (seen.append(1), loop.stop()))
    d.send(b"x")
    loop.run_forever()
    assert seen == [1]
    assert loop.remove_reader(c)
    for sock in (b, c, d):
        sock.close()


def test_removing_after_the_fd_was_closed_still_works(loop: Loop) -> None:
    a, b = nonblocking_pair()
    number = a.fileno()
    loop.add_reader(number, int)
    a.close()
    assert loop.remove_reader(number) is True
    loop.call_soon(loop.stop)
    loop.run_forever()
    b.close()


@pytest.mark.asyncio_bug("removing one of the two is an OSError then")
def test_removing_reader_and_writer_after_the_fd_was_closed_works(loop: Loop) -> None:
    a, b = nonblocking_pair()
    number = a.fileno()
    loop.add_reader(number, int)
    loop.add_writer(number, int)
    a.close()
    assert loop.remove_reader(number) is True
    assert loop.remove_writer(number) is True
    b.close()


@pytest.mark.parametrize("method", ["add_reader", "add_writer"])
def test_a_closed_fd_is_an_os_error(loop: Loop, method: str) -> None:
    a, b = nonblocking_pair()
    number = a.fileno()
    a.close()
    b.close()
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        getattr(loop, method)(number, int)
    assert caught.value.errno == 9
    assert loop.remove_reader(number) is False
    assert loop.remove_writer(number) is False


@pytest.mark.parametrize("method", ["add_reader", "add_writer"])
def test_a_regular_file_cannot_be_watched(loop: Loop, method: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    with (tmp_path / "file").open("w+b") as file, pytest.raises(PermissionError):
        getattr(loop, method)(file, int)


@pytest.mark.parametrize("method", ["add_reader", "add_writer", "remove_reader", "remove_writer"])
@pytest.mark.parametrize("wrong", [-1, "text", None, 1.5, object()], ids=lambda w: type(w).__name__)
def test_something_that_is_no_fd_is_a_value_error(loop: Loop, method: str, wrong: object) -> None:
    arguments = [int] if method.startswith("add") else []
    with pytest.raises(ValueError, match="Invalid file"):
        getattr(loop, method)(wrong, *arguments)


def test_a_closed_socket_is_a_value_error(loop: Loop) -> None:
    a, b = nonblocking_pair()
    a.close()
    b.close()
    with pytest.raises(ValueError, match="Invalid file descriptor: -1"):
        loop.add_reader(a, int)


def test_watching_does_not_change_the_blocking_mode(loop: Loop) -> None:
    a, b = socket.socketpair()
    loop.add_reader(a, int)
    loop.add_writer(a, int)
    assert os.get_blocking(a.fileno())
    loop.remove_reader(a)
    loop.remove_writer(a)
    assert os.get_blocking(a.fileno())
    a.close()
    b.close()


async def test_a_fd_of_a_transport_is_refused(loop: Loop) -> None:
    a, b = nonblocking_pair()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=a)
    number = a.fileno()
    for method, args in (
        ("add_reader", [int]),
        ("add_writer", [int]),
        ("remove_reader", []),
        ("remove_writer", []),
    ):
        with pytest.raises(RuntimeError, match=f"^File descriptor {number} is used by transport "):
            getattr(loop, method)(number, *args)
    with pytest.raises(RuntimeError, match="is used by transport"):
        await loop.sock_recv(a, 1)
    transport.close()
    await turns(3)
    b.close()


def test_a_reader_that_closes_its_fd_does_not_spin_the_loop(loop: Loop) -> None:
    a, b = nonblocking_pair()

    def readable() -> None:
        loop.remove_reader(a)
        a.close()

    loop.add_reader(a, readable)
    b.send(b"x")
    loop.call_later(0.002, loop.stop)
    loop.run_forever()
    b.close()


def test_readers_survive_from_one_run_to_the_next(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    loop.add_reader(a, lambda: (a.recv(1), loop.stop()))
    for _ in range(3):
        b.send(b"x")
        loop.run_forever()
    assert loop.remove_reader(a)


def test_closing_the_loop_forgets_readers(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, _ = pair
    loop.add_reader(a, int)
    loop.close()
    assert a.fileno() >= 0


def test_urgent_changes_of_interest_are_taken_up(loop: Loop, pair) -> None:  # type: ignore[no-untyped-def]
    a, b = pair
    order: list[str] = []

    def readable() -> None:
        order.append("read")
        loop.remove_reader(a)
        loop.add_writer(a, writable)

    def writable() -> None:
        order.append("write")
        loop.remove_writer(a)
        if len(order) < 6:
            loop.add_reader(a, readable)
        else:
            loop.stop()

    b.send(b"x")
    loop.add_reader(a, readable)
    loop.run_forever()
    assert order == ["read", "write"] * 3
