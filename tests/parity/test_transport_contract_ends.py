"""The transport contract, second part: how a connection ends, by either side, and what is left of it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from .carriers import Carrier, Link, Party, Slow, carriers, random_pieces, write_at_random
from .support import Loop, Reports, turns

SIZE = 3_000_000
# More than the kernel takes of a stream that nobody reads.
TOO_MUCH = 20_000_000

ENDS_TWICE = dict.fromkeys(
    ["tcp", "unix", "pipe", "stdio"], "abort() of what is closing calls connection_lost again"
)


@carriers()
@pytest.mark.parametrize("reader", [Party, Slow])
async def test_close_flushes_what_was_written(
    loop: Loop, carrier: Carrier, reader: type[Party]
) -> None:
    pieces = random_pieces(1, SIZE)
    async with carrier.connected(Party, reader) as link:
        await write_at_random(2, link.client, pieces)
        link.client_transport.write(b"end")
        link.client_transport.close()
        assert link.client_transport.is_closing()
        assert await link.client.lost is None
        assert await link.server.lost is None
        assert link.server.data == b"".join(pieces) + b"end"


@carriers()
async def test_close_waits_for_a_reader_that_is_paused(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Party) as link:
        link.server_transport.pause_reading()
        link.client_transport.write(b"x" * TOO_MUCH)
        link.client_transport.close()
        await turns(20)
        assert not link.client.lost.done()
        link.server_transport.resume_reading()
        assert len(await link.server.received(TOO_MUCH)) == TOO_MUCH
        assert await link.client.lost is None
        assert await link.server.lost is None


@carriers()
async def test_abort_drops_what_waits_and_keeps_the_order_of_what_went(
    loop: Loop, carrier: Carrier
) -> None:
    data = b"".join(random_pieces(3, TOO_MUCH))
    async with carrier.connected(Party, Party) as link:
        link.server_transport.pause_reading()
        link.client_transport.write(data)
        link.client_transport.abort()
        assert await link.client.lost is None
        link.server_transport.resume_reading()
        await link.server.lost
        assert len(link.server.data) < len(data)
        assert data.startswith(link.server.data)


@carriers()
async def test_what_was_written_just_before_abort_reaches_the_peer(
    loop: Loop, carrier: Carrier
) -> None:
    async with carrier.connected(Party, Party) as link:
        for word in (b"last", b" ", b"words"):
            link.client_transport.write(word)
        link.client_transport.abort()
        assert await link.client.lost is None
        await link.server.lost
        assert link.server.data == b"last words"


class Faulty(Party):
    """Answers, and fails."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.write(b"last words")
        raise RuntimeError("fatal")


@carriers("both_ways", "data_error_is_fatal")
async def test_what_was_written_just_before_a_fatal_error_reaches_the_peer(
    loop: Loop, carrier: Carrier, reports: Reports
) -> None:
    async with carrier.connected(Party, Faulty) as link:
        link.client_transport.write(b"x")
        assert isinstance(await link.server.lost, RuntimeError)
        await link.client.lost
        assert link.client.data == b"last words"
    assert [str(report["exception"]) for report in reports] == ["fatal"]
    reports.clear()


@pytest.mark.asyncio_bug("a forced close of TLS is a TypeError", on=[(3, 11), (3, 12)])
@carriers("both_ways")
async def test_what_was_written_just_before_a_forced_close_reaches_the_peer(
    loop: Loop, carrier: Carrier
) -> None:
    reason = ConnectionAbortedError("by force")
    async with carrier.connected(Party, Party) as link:
        link.client_transport.write(b"last words")
        link.client_transport._force_close(reason)
        assert await link.client.lost is reason
        await link.server.lost
        assert link.server.data == b"last words"


@carriers(asyncio_bug=ENDS_TWICE)
async def test_abort_ends_a_close_that_waits(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Party) as link:
        link.server_transport.pause_reading()
        link.client_transport.write(b"x" * TOO_MUCH)
        link.client_transport.close()
        await turns(3)
        assert not link.client.lost.done()
        link.client_transport.abort()
        assert not link.client.lost.done()
        assert await link.client.lost is None


@carriers()
@pytest.mark.parametrize("method", ["close", "abort"])
@pytest.mark.parametrize("written", [0, SIZE], ids=["idle", "busy"])
async def test_connection_lost_comes_once_and_never_from_within_the_call(
    loop: Loop, carrier: Carrier, method: str, written: int
) -> None:
    async with carrier.connected(Party, Party) as link:
        await _end(link, [method], written)


@carriers(asyncio_bug=ENDS_TWICE)
@pytest.mark.parametrize("calls", [["close", "abort"], ["abort", "close", "abort"]], ids="+".join)
@pytest.mark.parametrize("written", [0, SIZE], ids=["idle", "busy"])
async def test_connection_lost_comes_once_however_often_it_is_ended(
    loop: Loop, carrier: Carrier, calls: list[str], written: int
) -> None:
    async with carrier.connected(Party, Party) as link:
        await _end(link, calls, written)


async def _end(link: Link[Party, Party], calls: list[str], written: int) -> None:
    link.client_transport.write(b"x" * written)
    for call in calls:
        getattr(link.client_transport, call)()
        assert link.client_transport.is_closing()
        assert "lost" not in link.client.events
    assert await link.client.lost is None
    await link.server.lost
    await turns(10)
    assert link.client.events.count("lost") == 1
    assert link.server.events.count("lost") == 1


@carriers()
@pytest.mark.parametrize("method", ["close", "abort"])
@pytest.mark.parametrize("callback", ["connection_made", "data_received"])
async def test_the_reader_may_end_from_its_callbacks(
    loop: Loop, carrier: Carrier, callback: str, method: str
) -> None:
    class Ending(Party):
        def end(self) -> None:
            # The reading end of a pipe has nothing to abort.
            getattr(self.transport, method, self.transport.close)()
            assert "lost" not in self.events

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if callback == "connection_made":
                self.end()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.end()

    async with carrier.connected(Party, Ending) as link:
        link.client_transport.write(b"x" * 500_000)
        await link.server.lost
        heard = link.server.events.count("data")
        assert heard == (0 if callback == "connection_made" else 1)


@carriers()
@pytest.mark.parametrize("method", ["close", "abort"])
async def test_the_writer_may_end_from_pause_writing(
    loop: Loop, carrier: Carrier, method: str
) -> None:
    class Ending(Party):
        def pause_writing(self) -> None:
            super().pause_writing()
            getattr(self.transport, method)()

    await _write_until_it_ends(carrier, Ending, method, drops=method == "abort")


@pytest.mark.asyncio_bug("what ends in resume_writing has its connection_lost called twice")
@carriers()
@pytest.mark.parametrize("method", ["close", "abort"])
async def test_the_writer_may_end_from_resume_writing(
    loop: Loop, carrier: Carrier, method: str
) -> None:
    class Ending(Party):
        def resume_writing(self) -> None:
            super().resume_writing()
            getattr(self.transport, method)()

    await _write_until_it_ends(carrier, Ending, method, drops=False)


async def _write_until_it_ends(
    carrier: Carrier, writer: type[Party], method: str, *, drops: bool
) -> None:
    async with carrier.connected(writer, Party) as link:
        written = 0
        while "pause" not in link.client.events:
            link.client_transport.write(b"x" * 100_000)
            written += 100_000
        await link.client.lost
        await link.server.lost
        # What was dropped is no reason to write more.
        assert link.client.events.count("resume") == (0 if drops else 1)
        if method == "close":
            assert len(link.server.data) == written


@carriers(
    asyncio_bug=dict.fromkeys(["tcp", "unix"], "writelines() after the end is a TypeError")
    | dict.fromkeys(["tls", "tls in tls"], "write() after the end is an AttributeError"),
)
async def test_a_closed_transport_takes_every_call(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Party) as link:
        near, far = link.client_transport, link.server_transport
        near.close()
        far.close()
        for _ in range(2):
            near.write(b"late")
            near.writelines([b"late"])
            near.set_write_buffer_limits(high=100, low=10)
            far.pause_reading()
            far.resume_reading()
            assert near.get_write_buffer_size() == 0
            assert near.is_closing() is True
            assert far.is_closing() is True
            near.close()
            far.close()
            await link.client.lost
            await link.server.lost
        assert link.server.data == b""


@carriers()
async def test_writes_after_the_end_are_dropped_and_many_are_warned_of(
    loop: Loop, carrier: Carrier, caplog: pytest.LogCaptureFixture
) -> None:
    async with carrier.connected(Party, Party) as link:
        link.client_transport.abort()
        await link.client.lost
        with caplog.at_level(logging.WARNING, "asyncio"):
            for _ in range(4):  # abort() itself counts for one on a socket
                link.client_transport.write(b"late")
            assert caplog.messages == []
            for _ in range(5):
                link.client_transport.write(b"late")
        assert carrier.drop_warning in caplog.messages
        assert link.client_transport.get_write_buffer_size() == 0


@carriers("both_ways")
async def test_after_close_nothing_more_is_received(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Party) as link:
        link.client_transport.pause_reading()
        link.server_transport.write(b"too late")
        await turns(5)
        link.client_transport.close()
        link.client_transport.resume_reading()
        await link.client.lost
        assert link.client.data == b""
        assert "data" not in link.client.events


@carriers()
async def test_a_paused_reader_can_be_closed_with_data_pending(
    loop: Loop, carrier: Carrier
) -> None:
    async with carrier.connected(Party, Party) as link:
        link.server_transport.pause_reading()
        link.client_transport.write(b"x" * SIZE)
        await turns(5)
        link.server_transport.close()
        await link.server.lost
        assert link.server.events == ["made", "lost"]
        await link.client.lost


@carriers("both_ways")
@pytest.mark.parametrize(
    ("methods", "written"),
    [
        (["close", "close"], 1000),  # with much, each would wait for the other to read
        (["abort", "abort"], 1000),
        (["abort", "abort"], SIZE),
        (["close", "abort"], 1000),
        (["close", "abort"], SIZE),
    ],
)
async def test_both_ends_may_end_at_once_with_data_under_way(
    loop: Loop, carrier: Carrier, methods: list[str], written: int
) -> None:
    async with carrier.connected(Party, Party) as link:
        link.client_transport.write(b"c" * written)
        link.server_transport.write(b"s" * written)
        getattr(link.client_transport, methods[0])()
        getattr(link.server_transport, methods[1])()
        await link.client.lost
        await link.server.lost
        assert link.client.data == link.server.data == b""


@carriers()
@pytest.mark.parametrize("written", [0, SIZE], ids=["idle", "busy"])
async def test_a_peer_that_goes_without_a_word_ends_the_connection(
    loop: Loop, carrier: Carrier, written: int
) -> None:
    async with carrier.connected(Party, Party) as link:
        link.server_transport.pause_reading()
        link.client_transport.write(b"x" * written)
        await turns(3)
        link.cut()
        exc = await link.client.lost
        assert exc is None or isinstance(exc, ConnectionError)
        if carrier.name in ("tcp", "tls", "tls in tls"):
            assert isinstance(exc, ConnectionError)
        assert link.client_transport.is_closing()
        link.client_transport.write(b"late")
        assert link.client_transport.get_write_buffer_size() == 0


@carriers()
async def test_a_writer_finds_out_that_nobody_reads_any_more(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Party) as link:
        link.cut()
        await link.server.lost
        while not link.client.lost.done():
            link.client_transport.write(b"x" * 10_000)
            await asyncio.sleep(0)
        assert link.client.lost.result() is None or isinstance(
            link.client.lost.result(), ConnectionError
        )


@carriers("tells_eof")
@pytest.mark.parametrize("answer", [False, None], ids=repr)
async def test_eof_received_that_says_no_closes_the_transport(
    loop: Loop, carrier: Carrier, answer: bool | None
) -> None:
    async with carrier.connected(Party, Party) as link:
        link.server.keep_open = answer  # type: ignore[assignment]
        link.client_transport.write(b"last words")
        link.client_transport.close()
        assert await link.server.lost is None
        assert link.server.data == b"last words"
        assert link.server.events[-2:] == ["eof", "lost"]


@carriers("half_closes")
@pytest.mark.parametrize("reader", [Party, Slow])
async def test_eof_received_that_says_yes_leaves_the_way_back_open(
    loop: Loop, carrier: Carrier, reader: type[Party]
) -> None:
    question, answer = random_pieces(10, SIZE), random_pieces(11, SIZE)
    async with carrier.connected(Slow, reader) as link:
        link.server.keep_open = True
        await write_at_random(12, link.client, question)
        link.client_transport.write_eof()
        assert link.client_transport.is_closing() is False
        await link.server.eof
        assert link.server.data == b"".join(question)
        await write_at_random(13, link.server, answer)
        link.server_transport.close()
        await link.client.lost
        assert link.client.data == b"".join(answer)
        await link.server.lost


@carriers("can_write_eof")
async def test_write_eof_comes_after_all_that_was_written(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Slow) as link:
        assert link.client_transport.can_write_eof() is True
        link.client_transport.write(b"x" * SIZE)
        link.client_transport.write_eof()
        link.client_transport.write_eof()
        await link.server.lost
        assert len(link.server.data) == SIZE
        await link.client.lost


@carriers()
async def test_what_cannot_half_close_says_so(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Party) as link:
        assert link.client_transport.can_write_eof() is carrier.can_write_eof
        if not carrier.can_write_eof:
            with pytest.raises(NotImplementedError):
                link.client_transport.write_eof()
            assert link.client_transport.is_closing() is False
