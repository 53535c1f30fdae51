"""The calls a transport makes into its protocol: their contexts, and what their exceptions lead to."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest

from .support import Loop, Recorder, Reports, Serving, connected, port_of, turns

var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="unset")


class Seeing(Recorder):
    """Remembers the value of `var` in each of its callbacks."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, str] = {}

    def connection_made(self, transport: Any) -> None:
        self.seen["made"] = var.get()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self.seen["data"] = var.get()
        super().data_received(data)

    def eof_received(self) -> bool:
        self.seen["eof"] = var.get()
        return super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.seen["lost"] = var.get()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self.seen["pause"] = var.get()

    def resume_writing(self) -> None:
        self.seen["resume"] = var.get()


async def test_callbacks_run_in_the_context_that_made_the_connection(loop: Loop) -> None:
    token = var.set("the connection's")
    async with connected(Seeing, Recorder) as pair:
        var.reset(token)
        pair.server_transport.write(b"x")
        await pair.client.received(1)
        pair.server_transport.close()
        await pair.client.lost
        assert pair.client.seen == dict.fromkeys(
            ["made", "data", "eof", "lost"], "the connection's"
        )


async def test_what_one_callback_sets_does_not_leak_into_the_program(loop: Loop) -> None:
    class Setting(Recorder):
        def data_received(self, data: bytes) -> None:
            var.set("leaked")
            super().data_received(data)

    async with connected(Setting, Recorder) as pair:
        pair.server_transport.write(b"x")
        await pair.client.received(1)
        assert var.get() == "unset"


async def test_connections_of_a_server_run_in_the_context_that_made_the_server(loop: Loop) -> None:
    serving = Serving(Seeing)
    token = var.set("the server's")
    server = await loop.create_server(serving, "127.0.0.1", 0)
    var.reset(token)
    transport, _ = await loop.create_connection(Recorder, "127.0.0.1", port_of(server))
    transport.write(b"x")
    [protocol] = await serving.made(1)
    assert isinstance(protocol, Seeing)
    await protocol.received(1)
    transport.close()
    await protocol.lost
    assert set(protocol.seen.values()) == {"the server's"}
    server.close()
    await server.wait_closed()


async def test_an_exception_in_connection_made_is_reported(loop: Loop, reports: Reports) -> None:
    class Raises(Recorder):
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            raise LookupError("made")

    async with connected(Raises, Recorder):
        await turns(3)
    assert [str(report["exception"]) for report in reports] == ["made"]
    reports.clear()


async def test_an_exception_in_data_received_is_reported_and_ends_the_connection(
    loop: Loop, reports: Reports
) -> None:
    class Raises(Recorder):
        def data_received(self, data: bytes) -> None:
            raise LookupError("data")

    async with connected(Raises, Recorder) as pair:
        pair.server_transport.write(b"x")
        exc = await pair.client.lost
        assert isinstance(exc, LookupError)
        await pair.server.lost
        [report] = reports
        assert report["message"] == "Fatal error: protocol.data_received() call failed."
        assert report["exception"] is exc
        assert report["transport"] is pair.client_transport
        assert report["protocol"] is pair.client
        reports.clear()


async def test_an_exception_in_eof_received_is_reported_and_ends_the_connection(
    loop: Loop, reports: Reports
) -> None:
    class Raises(Recorder):
        def eof_received(self) -> bool:
            raise LookupError("eof")

    async with connected(Raises, Recorder) as pair:
        pair.server_transport.write_eof()
        assert isinstance(await pair.client.lost, LookupError)
        [report] = reports
        assert report["message"] == "Fatal error: protocol.eof_received() call failed."
        reports.clear()


async def test_an_exception_in_connection_lost_is_reported(loop: Loop, reports: Reports) -> None:
    class Raises(Recorder):
        def connection_lost(self, exc: BaseException | None) -> None:
            super().connection_lost(exc)
            raise LookupError("lost")

    async with connected(Raises, Recorder) as pair:
        pair.client_transport.close()
        await pair.client.lost
        await turns(3)
        assert [str(report["exception"]) for report in reports] == ["lost"]
        reports.clear()
        assert pair.client_transport.get_extra_info("socket").fileno() == -1


@pytest.mark.parametrize(
    "callback", ["connection_made", "data_received", "eof_received", "connection_lost"]
)
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_exits_leave_the_loop_from_every_callback(
    loop: Loop, reports: Reports, callback: str, kind: type
) -> None:
    class Leaves(asyncio.Protocol):
        """Leaves in one of its callbacks."""

    def leave(self: object, *args: object) -> None:
        raise kind(callback)

    setattr(Leaves, callback, leave)

    async def main() -> None:
        async with connected(Leaves, Recorder) as pair:
            pair.server_transport.write(b"x")
            await pair.server.received(0)
            if callback == "connection_lost":
                pair.client_transport.close()
            else:
                pair.server_transport.close()
            await loop.create_future()

    task = loop.create_task(main())
    with pytest.raises(kind, match=callback):
        loop.run_until_complete(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    reports.clear()


@pytest.mark.asyncio_bug("it leaves the socket to the garbage collector, which warns")
async def test_a_factory_that_raises_is_raised_by_create_connection(loop: Loop) -> None:
    def factory() -> asyncio.Protocol:
        raise LookupError("factory")

    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    with pytest.raises(LookupError, match="factory"):
        await loop.create_connection(factory, "127.0.0.1", port_of(server))
    server.close()


@pytest.mark.asyncio_bug("it leaves the socket to the garbage collector, which warns")
async def test_a_factory_of_a_server_that_raises_is_reported_and_the_server_goes_on(
    loop: Loop, reports: Reports
) -> None:
    calls = 0
    second: asyncio.Future[Recorder] = loop.create_future()

    def factory() -> asyncio.Protocol:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise LookupError("factory")
        second.set_result(Recorder())
        return second.result()

    server = await loop.create_server(factory, "127.0.0.1", 0)
    _, lost = await loop.create_connection(Recorder, "127.0.0.1", port_of(server))
    await lost.lost
    transport, _ = await loop.create_connection(Recorder, "127.0.0.1", port_of(server))
    transport.write(b"served")
    assert await (await second).received(6) == b"served"
    transport.close()
    server.close()
    await turns(3)
    assert calls == 2
    # Outside of debug mode the stdlib does not speak of it.
    assert all(isinstance(report["exception"], LookupError) for report in reports)
    reports.clear()


async def test_a_protocol_without_methods_of_its_own_is_enough(loop: Loop) -> None:
    async with connected(asyncio.Protocol, asyncio.Protocol) as pair:
        pair.client_transport.write(b"x")
        pair.client_transport.write_eof()
        await turns(5)


async def test_a_duck_typed_protocol_is_enough(loop: Loop) -> None:
    got: asyncio.Future[bytes] = loop.create_future()

    class Duck:
        def connection_made(self, transport: asyncio.Transport) -> None:
            """Nothing to do."""

        def data_received(self, data: bytes) -> None:
            got.set_result(data)

        def connection_lost(self, exc: BaseException | None) -> None:
            """Nothing to do."""

    async with connected(Duck, Recorder) as pair:  # type: ignore[type-var]
        pair.server_transport.write(b"quack")
        assert await got == b"quack"
