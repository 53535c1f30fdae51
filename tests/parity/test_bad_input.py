"""Bad input: the same exception as asyncio raises, and a loop that goes on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from .support import Loop, Reports


async def _value(value: object = None) -> object:
    return value


def _still_works(loop: Loop) -> None:
    assert loop.run_until_complete(_value("fine")) == "fine"


SYNC_CALLS: dict[str, tuple[Callable[[Any], object], type[BaseException]]] = {
    "call_soon without a callback": (lambda loop: loop.call_soon(), TypeError),
    "call_later without a callback": (lambda loop: loop.call_later(1), TypeError),
    "call_at without a callback": (lambda loop: loop.call_at(1), TypeError),
    "call_soon_threadsafe without a callback": (
        lambda loop: loop.call_soon_threadsafe(),
        TypeError,
    ),
    "call_soon with an unknown keyword": (lambda loop: loop.call_soon(int, nonsense=1), TypeError),
    "call_later with text": (lambda loop: loop.call_later("soon", int), TypeError),
    "create_task of nothing": (lambda loop: loop.create_task(), TypeError),
    "create_task of a function": (lambda loop: loop.create_task(int), TypeError),
    "run_until_complete of nothing": (lambda loop: loop.run_until_complete(), TypeError),
    "run_until_complete of a number": (lambda loop: loop.run_until_complete(5), TypeError),
    "set_task_factory of a number": (lambda loop: loop.set_task_factory(5), TypeError),
    "set_exception_handler of a number": (lambda loop: loop.set_exception_handler(5), TypeError),
    "set_default_executor of a number": (lambda loop: loop.set_default_executor(5), TypeError),
    "add_reader without a callback": (lambda loop: loop.add_reader(0), TypeError),
    "add_reader of text": (lambda loop: loop.add_reader("0", int), ValueError),
    "add_writer of None": (lambda loop: loop.add_writer(None, int), ValueError),
    "add_reader of a huge number": (lambda loop: loop.add_reader(2**70, int), OverflowError),
    "add_reader of an fd that is not open": (lambda loop: loop.add_reader(9999, int), OSError),
    "remove_reader of text": (lambda loop: loop.remove_reader("0"), ValueError),
    "add_signal_handler of text": (lambda loop: loop.add_signal_handler("SIGINT", int), TypeError),
    "add_signal_handler of 1000": (lambda loop: loop.add_signal_handler(1000, int), ValueError),
    "run_in_executor without a function": (lambda loop: loop.run_in_executor(None), TypeError),
    "run_in_executor on a number": (lambda loop: loop.run_in_executor(5, int), AttributeError),
    "call_exception_handler of nothing": (lambda loop: loop.call_exception_handler(), TypeError),
}


@pytest.mark.parametrize("name", SYNC_CALLS)
def test_a_wrong_call_raises_what_asyncio_raises_and_the_loop_goes_on(
    loop: Loop, name: str
) -> None:
    call, error = SYNC_CALLS[name]
    with pytest.raises(error):
        call(loop)
    _still_works(loop)


ASYNC_CALLS: dict[str, tuple[Callable[[Any, Any], Any], type[BaseException]]] = {
    "sock_recv of text": (lambda loop, sock: loop.sock_recv("socket", 1), AttributeError),
    "sock_recv of None": (lambda loop, sock: loop.sock_recv(None, 1), AttributeError),
    "sock_recv with a float": (lambda loop, sock: loop.sock_recv(sock, 1.5), TypeError),
    "sock_recv_into a number": (lambda loop, sock: loop.sock_recv_into(sock, 5), TypeError),
    "sock_sendall of text": (lambda loop, sock: loop.sock_sendall(sock, "text"), TypeError),
    "sock_sendall of None": (lambda loop, sock: loop.sock_sendall(sock, None), TypeError),
    "sock_connect to a number": (lambda loop, sock: loop.sock_connect(sock, 5), TypeError),
    "sock_sendto to a number": (lambda loop, sock: loop.sock_sendto(sock, b"x", 5), TypeError),
    "getnameinfo of text": (lambda loop, sock: loop.getnameinfo("text"), TypeError),
    "create_connection to nothing": (
        lambda loop, sock: loop.create_connection(asyncio.Protocol),
        ValueError,
    ),
    "create_connection with an unknown keyword": (
        lambda loop, sock: loop.create_connection(asyncio.Protocol, nonsense=1),
        TypeError,
    ),
    "create_connection over text": (
        lambda loop, sock: loop.create_connection(asyncio.Protocol, sock="s"),
        AttributeError,
    ),
    "create_connection to a port of text": (
        lambda loop, sock: loop.create_connection(asyncio.Protocol, "127.0.0.1", "no-such-service"),
        socket.gaierror,
    ),
    "create_server on nothing": (
        lambda loop, sock: loop.create_server(asyncio.Protocol),
        ValueError,
    ),
    "create_server with a bool for ssl": (
        lambda loop, sock: loop.create_server(asyncio.Protocol, "127.0.0.1", 0, ssl=True),
        TypeError,
    ),
    "create_server on an address of nobody": (
        lambda loop, sock: loop.create_server(asyncio.Protocol, "203.0.113.1", 0),
        OSError,
    ),
    "connect_accepted_socket of text": (
        lambda loop, sock: loop.connect_accepted_socket(asyncio.Protocol, "s"),
        AttributeError,
    ),
    "start_tls on a number": (lambda loop, sock: loop.start_tls(5, None, None), TypeError),
    "sock_sendfile of text": (
        lambda loop, sock: loop.sock_sendfile(sock, "file"),
        (AttributeError, ValueError),
    ),  # type: ignore[dict-item]
}


@pytest.mark.parametrize("name", ASYNC_CALLS)
async def test_a_wrong_await_raises_what_asyncio_raises_and_the_loop_goes_on(
    loop: Loop, name: str
) -> None:
    call, error = ASYNC_CALLS[name]
    with socket.socket() as sock:
        sock.setblocking(False)
        with pytest.raises(error):
            await call(loop, sock)
    assert await _value("fine") == "fine"


@pytest.mark.parametrize("wrong", [None, 5, "text", [], object()], ids=lambda w: type(w).__name__)
def test_what_is_not_callable_is_reported_when_its_turn_comes(
    loop: Loop, reports: Reports, wrong: object
) -> None:
    loop.call_soon(wrong)  # type: ignore[arg-type]
    loop.call_later(0, wrong)  # type: ignore[arg-type]
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert [type(report["exception"]) for report in reports] == [TypeError, TypeError]
    assert all("not callable" in str(report["exception"]) for report in reports)
    reports.clear()
    _still_works(loop)


@pytest.mark.parametrize("wrong", [5, "text", object()], ids=["int", "str", "object"])
def test_something_that_is_no_context_does_not_stop_the_loop(
    loop: Loop, reports: Reports, caplog: pytest.LogCaptureFixture, wrong: object
) -> None:
    try:
        loop.call_soon(int, context=wrong)  # type: ignore[arg-type]
    except TypeError:
        pass  # told at once
    else:
        loop.run_until_complete(_value())
        assert reports or caplog.records
    reports.clear()
    _still_works(loop)


def test_too_few_arguments_for_a_callback_are_reported(loop: Loop, reports: Reports) -> None:
    loop.call_soon(lambda a, b: None, 1)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert [type(report["exception"]) for report in reports] == [TypeError]
    reports.clear()
    _still_works(loop)


def test_a_coroutine_that_was_run_already_is_a_runtime_error(loop: Loop) -> None:
    coro = _value(1)
    assert loop.run_until_complete(coro) == 1
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        loop.run_until_complete(coro)
    _still_works(loop)


def test_a_callback_that_closes_the_loop_is_refused(loop: Loop, reports: Reports) -> None:
    loop.call_soon(loop.close)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert [str(report["exception"]) for report in reports] == ["Cannot close a running event loop"]
    reports.clear()
    _still_works(loop)


def test_deep_recursion_in_a_callback_is_reported_and_survived(
    loop: Loop, reports: Reports
) -> None:
    def deeper() -> None:
        deeper()

    loop.call_soon(deeper)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert [type(report["exception"]) for report in reports] == [RecursionError]
    reports.clear()
    _still_works(loop)


def test_a_callback_with_a_broken_repr_can_still_fail(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def __call__(self) -> None:
            raise LookupError("callback")

        def __repr__(self) -> str:
            raise ValueError("repr")

    loop.call_soon(loop.call_soon, loop.stop)
    loop.call_soon(Broken())
    try:
        loop.run_forever()
    except ValueError as exc:
        assert str(exc) == "repr"  # where the report itself cannot be made
    caplog.clear()
    _still_works(loop)


def test_arguments_with_hostile_eq_and_hash_are_just_arguments(loop: Loop) -> None:
    class Hostile:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("eq")

        __hash__ = None  # type: ignore[assignment]

    got: list[object] = []
    hostile = Hostile()
    loop.call_soon(lambda x: got.append(x), hostile)
    timer = loop.call_later(0, lambda x: got.append(x), hostile)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert got[0] is hostile
    assert got[1] is hostile
    timer.cancel()


def test_callbacks_that_schedule_and_cancel_while_being_destroyed_do_not_crash(loop: Loop) -> None:
    class Evil:
        def __del__(self) -> None:
            loop.call_soon(int)
            loop.call_later(0, int).cancel()

    for _ in range(50):
        loop.call_soon(int, Evil()).cancel()
        loop.call_later(0.0001, id, Evil())
        loop.call_later(3600, int, Evil()).cancel()
    loop.call_later(0.005, loop.stop)
    loop.run_forever()
    _still_works(loop)
