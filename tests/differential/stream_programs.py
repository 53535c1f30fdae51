"""Programs of streams: bytes fed, read, overrun and cut off at random; a writer that is paused, lost and closed.

The transport is one of the machine's own: what it is asked to do is part of the trace.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from . import grammar as g
from .machine import ERRORS, GO_ON, Machine
from .strategies import errors, programs

HAS_SEVERAL_SEPARATORS = sys.version_info >= (3, 13)


class Transport(asyncio.Transport):
    """Notes what it is asked to do, and does nothing."""

    def __init__(self, machine: StreamMachine, *, can_pause: bool) -> None:
        super().__init__({"name": "the transport"})
        self._machine = machine
        self._can_pause = can_pause
        self._closing = False

    def __repr__(self) -> str:
        return "<the transport>"

    def _asked(self, what: str, *details: Any) -> None:
        self._machine.note("transport", what, *details)

    def pause_reading(self) -> None:
        self._asked("pause")
        if not self._can_pause:
            raise NotImplementedError

    def resume_reading(self) -> None:
        self._asked("resume")

    def write(self, data: Any) -> None:
        self._asked("write", bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self._asked("writelines", [bytes(data) for data in list_of_data])

    def write_eof(self) -> None:
        self._asked("write eof")

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._asked("close")
        self._closing = True

    def abort(self) -> None:
        self.close()


class StreamMachine(Machine):
    """Has a reader and a writer on a transport; the settings are the limit and whether the transport can pause."""

    def set_up(self) -> None:
        limit, can_pause = self.program.settings
        self.transport = Transport(self, can_pause=can_pause)
        self.reader = self.kind.StreamReader(limit=limit, loop=self.loop)
        self.protocol = self.kind.StreamReaderProtocol(self.reader, loop=self.loop)
        self.protocol.connection_made(self.transport)
        self.writer = self.kind.StreamWriter(self.transport, self.protocol, self.reader, self.loop)
        self._is_paused = False
        self._is_lost = False
        self._had_eof = False

    def left(self) -> Any:
        return self._act_ask()

    def relent(self) -> None:
        self._act_lose(None)

    def take_down(self) -> None:
        self.transport.close()
        self._act_lose(None)
        del self.reader, self.writer, self.protocol

    # --- what comes from the transport: nothing after the end, as of any transport

    def _act_feed(self, data: bytes) -> Any:
        if not self._had_eof:
            self.reader.feed_data(data)

    def _act_receive(self, data: bytes) -> Any:
        if not self._had_eof and not self._is_lost:
            self.protocol.data_received(data)

    def _act_eof(self) -> Any:
        self._had_eof = True
        self.reader.feed_eof()

    def _act_receive_eof(self) -> Any:
        if self._is_lost:
            return None
        self._had_eof = True
        return self.protocol.eof_received()

    def _act_error(self, error: str) -> Any:
        self.reader.set_exception(ERRORS[error]())

    def _act_pause(self) -> Any:
        if not self._is_paused and not self._is_lost:
            self._is_paused = True
            self.protocol.pause_writing()

    def _act_resume(self) -> Any:
        if self._is_paused and not self._is_lost:
            self._is_paused = False
            self.protocol.resume_writing()

    def _act_lose(self, error: str | None) -> Any:
        if not self._is_lost:
            self._is_lost = self._had_eof = True
            self.protocol.connection_lost(ERRORS[error]() if error else None)

    # --- questions, and what a writer does at once

    def _act_ask(self) -> Any:
        reader, writer = self.reader, self.writer
        return (
            self.text(reader),
            reader.at_eof(),
            self.describe(reader.exception()),
            self.text(writer),
            writer.is_closing(),
            writer.can_write_eof(),
            writer.get_extra_info("name"),
            writer.transport is self.transport,
        )

    def _act_writer(self, name: str, *arguments: Any) -> Any:
        return getattr(self.writer, name)(*arguments)

    # --- waits

    async def _await(self, me: int, what: str, make: Any) -> Any:
        """Await; an error that is not a cancellation does not end the script."""
        try:
            return await self.wait(me, what, make)
        except Exception as exc:  # noqa: BLE001 - it is in the trace, and what comes after it is worth seeing
            if isinstance(exc, asyncio.IncompleteReadError | asyncio.LimitOverrunError):
                self.note("error's own", sorted(vars(exc).items()))
            return GO_ON

    async def _do_read(self, me: int, name: str, *arguments: Any) -> Any:
        return await self._await(me, name, lambda: getattr(self.reader, name)(*arguments))

    async def _do_lines(self, me: int, count: int) -> Any:
        """Iterate, for some lines."""
        try:
            async for line in self.reader:
                self.note("line", line)
                count -= 1
                if count == 0:
                    break
        except Exception as exc:  # noqa: BLE001 - it goes into the trace
            self.note_exception("no line", exc=exc)
        self.note("lines end")
        return GO_ON

    async def _do_drain(self, me: int) -> Any:
        return await self._await(me, "drain", self.writer.drain)

    async def _do_wait_closed(self, me: int) -> Any:
        return await self._await(me, "wait_closed", self.writer.wait_closed)


_data = g.one_of(
    g.lists(g.sampled_from([b"a", b"bc", b"\n", b"\r\n", b";", b";;"]), min_size=0, max_size=8).map(
        b"".join
    ),
    g.sampled_from([b"", b"x" * 20, b"0123456789\n", b"ab;\ncd\n\n"]),
)
_separators: list[Any] = [b"\n", b"\r\n", b";", b";;", b""]
if HAS_SEVERAL_SEPARATORS:
    _separators += [(b";", b"\n"), (b"\r\n", b"\n"), (b";;", b";"), ()]


def _op(name: str, *arguments: Any) -> Any:
    return g.tuples(g.just(name), *arguments)


_feeds = [_op("feed", _data), _op("feed", _data), _op("receive", _data)]
_ends = [
    _op("eof"),
    _op("receive_eof"),
    _op("error", errors),
    _op("lose", g.one_of(g.none(), errors)),
]
_flow = [_op("pause"), _op("resume")]
_writes = [
    _op("writer", g.just("write"), _data),
    _op("writer", g.just("writelines"), g.lists(_data, max_size=2)),
    _op("writer", g.just("write_eof")),
    _op("writer", g.just("close")),
]
_reads = [
    _op("read", g.just("read"), g.integers(-1, 6)),
    _op("read", g.just("read")),
    _op("read", g.just("readexactly"), g.integers(-1, 6)),
    _op("read", g.just("readline")),
    _op("read", g.just("readuntil"), g.sampled_from(_separators)),
    _op("lines", g.integers(1, 3)),
]
_settings = g.tuples(g.sampled_from([1, 3, 8, 100]), g.booleans())

READING = programs(g.one_of(*_feeds, *_feeds, *_ends, _op("ask")), g.one_of(*_reads), (), _settings)
WRITING = programs(
    g.one_of(*_writes, *_flow, *_flow, *_ends, _op("ask")),
    g.one_of(_op("drain"), _op("drain"), _op("wait_closed"), *_reads),
    (),
    _settings,
)
