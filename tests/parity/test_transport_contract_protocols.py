"""The transport contract, fourth part: the protocol's calls, their contexts and exceptions, and its successors."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest

from .carriers import Carrier, Party, Slow, carriers, random_pieces, write_at_random
from .support import Loop, Reports, turns

var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="unset")

SIZE = 1_000_000


class Heir(Party):
    """Takes a connection over in its midst."""

    def __init__(self, transport: Any) -> None:
        super().__init__()
        self.connection_made(transport)


class Buffered(asyncio.BufferedProtocol):
    """Receives into a small buffer of its own, on behalf of a party."""

    def __init__(self, party: Party) -> None:
        self.party = party
        self.buffer = bytearray(1000)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.party.data_received(bytes(self.buffer[:nbytes]))

    def eof_received(self) -> bool:
        return self.party.eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.party.connection_lost(exc)


@carriers("changes_protocol")
async def test_set_protocol_hands_the_connection_over(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Party) as link:
        link.client_transport.write(b"first")
        await link.server.received(5)
        first, far = link.server, link.server_transport
        assert far.get_protocol() is first
        link.server = Heir(far)
        far.set_protocol(link.server)
        assert far.get_protocol() is link.server
        link.client_transport.write(b"second")
        assert await link.server.received(6) == b"second"
        link.client_transport.close()
        await link.server.lost
        assert first.data == b"first"
        assert first.events == ["made", "data"]


@carriers("changes_protocol")
async def test_protocols_that_pass_the_stream_on_lose_nothing(loop: Loop, carrier: Carrier) -> None:
    heirs: list[Party] = []

    class Generous(Party):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            heirs.append(type(self)())
            heirs[-1].connection_made(self.transport)
            self.transport.set_protocol(heirs[-1])

        def connection_lost(self, exc: BaseException | None) -> None:
            super().connection_lost(exc)
            if not heirs[0].lost.done():
                heirs[0].lost.set_result(exc)

    pieces = random_pieces(1, SIZE)
    async with carrier.connected(Party, Generous) as link:
        heirs.append(link.server)
        await write_at_random(2, link.client, pieces)
        link.client_transport.close()
        await heirs[0].lost
        assert b"".join(heir.data for heir in heirs) == b"".join(pieces)
        assert [heir.faults for heir in heirs if heir.faults] == []


@carriers("takes_buffered")
async def test_the_kind_of_protocol_may_change_midstream(loop: Loop, carrier: Carrier) -> None:
    class Fickle(Slow):
        is_buffered = False

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.is_buffered = not self.is_buffered
            self.transport.set_protocol(Buffered(self) if self.is_buffered else self)

    pieces = random_pieces(3, SIZE)
    async with carrier.connected(Party, Fickle) as link:
        await write_at_random(4, link.client, pieces)
        assert await link.server.received(SIZE) == b"".join(pieces)
        link.client_transport.close()
        await link.server.lost
        assert link.server.events[-2:] == ["eof", "lost"]


class Seeing(Party):
    """Remembers the value of `var` in each of its callbacks."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[str, str]] = set()

    def connection_made(self, transport: Any) -> None:
        self.seen.add(("made", var.get()))
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self.seen.add(("data", var.get()))
        super().data_received(data)

    def eof_received(self) -> bool:
        self.seen.add(("eof", var.get()))
        return super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.seen.add(("lost", var.get()))
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        self.seen.add(("resume", var.get()))
        super().resume_writing()


@carriers()
async def test_callbacks_run_in_the_context_that_made_the_connection(
    loop: Loop, carrier: Carrier
) -> None:
    token = var.set("the connection's")
    async with carrier.connected(Seeing, Seeing) as link:
        var.reset(token)
        link.client_transport.write(b"x")
        await link.server.received(1)
        link.client_transport.close()
        await link.client.lost
        await link.server.lost
        far = ["made", "data", "eof", "lost"] if carrier.tells_eof else ["made", "data", "lost"]
        assert link.server.seen == {(call, "the connection's") for call in far}


@pytest.mark.asyncio_bug(
    "what waits is written in the context of whoever wrote it, and so for close()"
)
@carriers()
async def test_the_context_is_the_same_whoever_writes_and_closes(
    loop: Loop, carrier: Carrier
) -> None:
    token = var.set("the connection's")
    async with carrier.connected(Seeing, Seeing) as link:
        var.reset(token)
        while not link.client.is_paused:
            link.client_transport.write(b"x" * 100_000)
        await link.client.drained()
        link.client_transport.write(b"x" * SIZE)
        link.client_transport.close()
        await link.client.lost
        await link.server.lost
        assert {value for _, value in link.client.seen} == {"the connection's"}
        assert {call for call, _ in link.client.seen} >= {"made", "resume", "lost"}


@carriers("data_error_is_fatal")
async def test_an_exception_of_data_received_is_reported_and_ends_the_connection(
    loop: Loop, carrier: Carrier, reports: Reports
) -> None:
    class Failing(Party):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            raise ZeroDivisionError("in data_received")

    async with carrier.connected(Party, Failing) as link:
        link.client_transport.write(b"x")
        exc = await link.server.lost
        assert isinstance(exc, ZeroDivisionError)
        assert link.server.events == ["made", "data", "lost"]
        await link.client.lost
    [report] = reports
    assert report["exception"] is exc
    reports.clear()


@carriers("tells_eof", "both_ways")
async def test_an_exception_of_eof_received_is_reported_and_ends_the_connection(
    loop: Loop, carrier: Carrier, reports: Reports
) -> None:
    class Failing(Party):
        def eof_received(self) -> bool:
            super().eof_received()
            raise ZeroDivisionError("in eof_received")

    async with carrier.connected(Party, Failing) as link:
        link.client_transport.close()
        assert isinstance(await link.server.lost, ZeroDivisionError)
        await link.client.lost
    assert [type(report["exception"]) for report in reports] == [ZeroDivisionError]
    reports.clear()


@carriers()
async def test_an_exception_of_connection_lost_is_reported_and_the_rest_goes_on(
    loop: Loop, carrier: Carrier, reports: Reports
) -> None:
    class Failing(Party):
        def connection_lost(self, exc: BaseException | None) -> None:
            super().connection_lost(exc)
            raise ZeroDivisionError("in connection_lost")

    async with carrier.connected(Party, Failing) as link:
        link.client_transport.close()
        await link.server.lost
        await link.client.lost
        await turns(5)
    assert [type(report["exception"]) for report in reports] == [ZeroDivisionError]
    reports.clear()


@carriers()
@pytest.mark.parametrize("name", ["pause_writing", "resume_writing"])
async def test_an_exception_of_flow_control_is_reported_and_the_stream_goes_on(
    loop: Loop, carrier: Carrier, reports: Reports, name: str
) -> None:
    def fails(self: Party) -> None:
        getattr(Party, name)(self)
        raise ZeroDivisionError(name)

    failing = type("Failing", (Party,), {name: fails})
    async with carrier.connected(failing, Party) as link:
        link.server_transport.pause_reading()
        written = 0
        while not link.client.is_paused:
            link.client_transport.write(b"x" * 100_000)
            written += 100_000
        link.server_transport.resume_reading()
        await link.client.drained()
        assert len(await link.server.received(written)) == written
    assert [report["message"] for report in reports] == [f"protocol.{name}() failed"]
    reports.clear()
