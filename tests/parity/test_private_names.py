"""Private names of asyncio's loop that programs look at, or put their own functions in the place of."""

from __future__ import annotations

import asyncio
import selectors
import socket
from pathlib import Path
from typing import Any

import pytest

from .support import Loop, Recorder, Reports, Serving, client_tls, server_tls, tcp_sockets


def test_the_ready_queue_shows_the_handles_that_run_next(loop: Loop) -> None:
    def queue() -> list[Any]:
        return list(loop._ready)  # type: ignore[attr-defined]

    first, second = loop.call_soon(int), loop.call_soon(int)
    assert queue()[-2:] == [first, second]
    seen: list[int] = []
    loop.call_soon(lambda: seen.append(len(queue())))
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert seen == [1]
    assert queue() == []


def test_one_turn_can_be_run_by_hand(loop: Loop) -> None:
    ran: list[str] = []

    def first() -> None:
        ran.append("first")
        loop.call_soon(ran.append, "second")

    loop.call_soon(first)
    turn: Any = loop._run_once  # type: ignore[attr-defined]
    turn()
    assert ran == ["first"]
    loop.stop()
    turn()
    assert ran == ["first", "second"]
    assert loop._stopping is True  # type: ignore[attr-defined]
    loop.run_forever()
    assert loop._stopping is False  # type: ignore[attr-defined]
    assert not loop.is_running()


async def three_turns() -> str:
    for _ in range(3):
        await asyncio.sleep(0)
    return "done"


def test_a_replaced_turn_is_called_for_each_turn(loop: Loop) -> None:
    was_running: list[bool] = []
    original: Any = loop._run_once  # type: ignore[attr-defined]

    def replacement() -> None:
        was_running.append(loop.is_running())
        original()

    loop._run_once = replacement  # type: ignore[attr-defined]
    # The task begins, goes on three times, and has the loop stopped.
    assert loop.run_until_complete(three_turns()) == "done"
    assert was_running == [True] * 5
    assert not loop.is_running()
    del loop._run_once  # type: ignore[attr-defined]
    assert loop.run_until_complete(three_turns()) == "done"
    assert len(was_running) == 5


def test_a_class_may_have_turns_of_its_own(loop: Loop) -> None:
    class Counting(type(loop)):  # type: ignore[misc]
        turns = 0

        def _run_once(self) -> None:
            self.turns += 1
            super()._run_once()

    counting = Counting()
    try:
        assert counting.run_until_complete(three_turns()) == "done"
        assert counting.turns == 5
    finally:
        counting.close()


def test_what_ends_a_replaced_turn_ends_the_run(loop: Loop) -> None:
    def fails() -> None:
        raise KeyError("turn")

    loop._run_once = fails  # type: ignore[attr-defined]
    with pytest.raises(KeyError, match="turn"):
        loop.run_forever()
    assert not loop.is_running()
    del loop._run_once  # type: ignore[attr-defined]
    assert loop.run_until_complete(three_turns()) == "done"


def test_what_is_watched_can_be_looked_up(loop: Loop) -> None:
    selector: Any = loop._selector  # type: ignore[attr-defined]
    a, b = socket.socketpair()
    with a, b:
        with pytest.raises(KeyError, match="is not registered"):
            selector.get_key(a)
        loop.add_reader(a, int)
        key = selector.get_key(a)
        assert (key.fd, key.events) == (a.fileno(), selectors.EVENT_READ)
        reader, writer = key.data
        assert isinstance(reader, asyncio.Handle)
        assert writer is None
        loop.add_writer(a.fileno(), int)
        assert selector.get_key(a.fileno()).events == selectors.EVENT_READ | selectors.EVENT_WRITE
        loop.remove_reader(a)
        assert selector.get_key(a).data[0] is None
        loop.remove_writer(a)
        with pytest.raises(KeyError, match="is not registered"):
            selector.get_key(a)
        with pytest.raises(ValueError, match="Invalid file object"):
            selector.get_key("no file")
    loop.close()
    assert loop._selector is None  # type: ignore[attr-defined]


def test_the_timers_show_their_handles(loop: Loop) -> None:
    timer = loop.call_later(3600, int)
    assert timer in loop._scheduled  # type: ignore[attr-defined]
    assert timer not in loop._ready  # type: ignore[attr-defined]
    assert len(loop._scheduled) == 1  # type: ignore[attr-defined]
    timer.cancel()


def test_a_handle_that_somebody_else_made_runs_in_its_turn(loop: Loop, reports: Reports) -> None:
    def fails() -> None:
        raise ValueError("reported")

    ran: list[str] = []
    early, late = (asyncio.Handle(ran.append, (name,), loop) for name in ("early", "late"))
    skipped = asyncio.Handle(ran.append, ("skipped",), loop)
    failing = asyncio.Handle(fails, (), loop)
    add: Any = loop._add_callback  # type: ignore[attr-defined]
    loop.call_soon(ran.append, "before")
    for handle in (early, failing, skipped, late):
        add(handle)
        assert loop._ready[-1] is handle  # type: ignore[attr-defined]
    loop.call_soon(skipped.cancel)
    skipped.cancel()
    add(skipped)
    assert skipped is not loop._ready[-1]  # type: ignore[attr-defined]
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert ran == ["before", "early", "late"]
    assert [report["handle"] for report in reports] == [failing]
    reports.clear()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_every_stream_transport_is_made_by_a_method_that_can_be_replaced(
    loop: Loop, tls: bool
) -> None:
    name = "_make_ssl_transport" if tls else "_make_socket_transport"
    original = getattr(loop, name)
    made: list[Any] = []

    def make(*args: Any, **kwargs: Any) -> Any:
        made.append(original(*args, **kwargs))
        return made[-1]

    setattr(loop, name, make)
    serving = Serving()
    server = await loop.create_server(serving, "127.0.0.1", 0, ssl=server_tls() if tls else None)
    options = {"ssl": client_tls(), "server_hostname": "localhost"} if tls else {}
    address = server.sockets[0].getsockname()
    transport, client = await loop.create_connection(Recorder, *address, **options)  # type: ignore[call-overload]
    (accepted,) = await serving.made(1)
    assert set(made) == {transport, accepted.transport}
    transport.close()
    server.close()
    await client.lost
    await accepted.lost


async def test_a_server_starts_and_stops_to_serve_by_methods_that_can_be_replaced(
    loop: Loop,
) -> None:
    calls: list[str] = []
    for name in ("_start_serving", "_stop_serving"):
        original = getattr(loop, name)

        def spy(*args: Any, name: str = name, original: Any = original, **options: Any) -> Any:
            calls.append(name)
            return original(*args, **options)

        setattr(loop, name, spy)
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    assert calls == ["_start_serving"]
    server.close()
    await server.wait_closed()
    assert calls == ["_start_serving", "_stop_serving"]


async def test_a_step_of_sock_sendfile_can_be_taken_by_hand(loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"0123456789")
    a, b = tcp_sockets()
    with a, b, (tmp_path / "data").open("rb") as file:
        sent: asyncio.Future[int] = loop.create_future()
        step: Any = loop._sock_sendfile_native_impl  # type: ignore[attr-defined]
        # The second step, after two bytes, of five.
        step(sent, None, a, file.fileno(), 4, 5, 5, 2)
        assert await sent == 5
        assert await loop.sock_recv(b, 10) == b"456"
        assert file.tell() == 7
        assert not loop.remove_writer(a)


async def test_a_step_of_sock_sendfile_that_was_cancelled_sends_nothing(
    loop: Loop, tmp_path: Path
) -> None:
    (tmp_path / "data").write_bytes(b"0123456789")
    a, b = tcp_sockets()
    with a, b, (tmp_path / "data").open("rb") as file:
        sent: asyncio.Future[int] = loop.create_future()
        loop.add_writer(a, int)
        sent.cancel()
        step: Any = loop._sock_sendfile_native_impl  # type: ignore[attr-defined]
        step(sent, a.fileno(), a, file.fileno(), 0, None, 10, 0)
        assert not loop.remove_writer(a)
        with pytest.raises(BlockingIOError):
            b.recv(1)
