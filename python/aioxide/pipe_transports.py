"""The pipe transports that protocols see: the Python halves, which own the file and its life cycle.

What runs per packet is in the native half (`_core.Stream`), as for sockets (see `stream_transport`). It also knows
what the file is, and returns the file to the blocking mode that it had before.
"""

from __future__ import annotations

import asyncio
import errno
import warnings
from asyncio.log import logger
from typing import TYPE_CHECKING, Any

from aioxide import _core
from aioxide.owning_transport import OwningTransport

if TYPE_CHECKING:
    from aioxide.pipes import Pipes


class PipeTransport(OwningTransport):
    """What both ends of a pipe have in common."""

    _fatal_text = "Fatal error on pipe transport"

    _native: _core.Stream

    # Of the class, too: an object whose making failed is asked for it as it goes.
    _pipe: Any = None

    def __init__(
        self,
        loop: Pipes,
        stream: _core.Stream,
        pipe: Any,
        fd: int,
    ) -> None:
        super().__init__({"pipe": pipe})
        self._loop = loop
        self._fileno = fd
        self._pipe = pipe
        self._native = stream
        # Instance attributes, not methods, so that a call enters no Python frame.
        self.close = stream.close  # type: ignore[method-assign]
        self.is_closing = stream.is_closing  # type: ignore[method-assign]
        loop._pipe_transports.add(self)
        context = stream.context
        loop.call_soon(self.get_protocol().connection_made, self, context=context)
        loop.call_soon(stream.begin, context=context)

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if self._pipe is not None:
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
            self._release()

    def __repr__(self) -> str:
        info = [type(self).__name__]
        if self._pipe is None:
            info += ["closed", f"fd={self._fileno}", "closed"]
        else:
            if self.is_closing():
                info.append("closing")
            info.append(f"fd={self._fileno}")
            is_loop_alive = self._loop is not None and not self._loop.is_closed()
            info.append(self._describe_activity() if is_loop_alive else "open")
        return f"<{' '.join(info)}>"

    def _describe_activity(self) -> str:
        raise NotImplementedError

    # Called by the native half.

    def _note_peer_closed(self) -> None:
        """Called in debug mode."""
        logger.info("%r was closed by peer", self)

    def _release(self) -> None:
        """Lets go of everything; the file is closed exactly once, here."""
        pipe, self._pipe = self._pipe, None
        self._native.detach()
        self._loop = None
        if pipe is not None:
            pipe.close()

    def close(self) -> None:
        """Closes this end. Reached only after the loop: before that the native `close` stands in front of it."""
        self._release()

    def _outlive_loop(self) -> None:
        """The loop is closed, and this end is not: its file may be others' too, and nobody will watch it any more."""
        self._native.retire()
        del self.close


class ReadPipeTransport(PipeTransport, asyncio.ReadTransport):
    """The reading end of a pipe, or what is read like one: a socket, a terminal.

    Made by `connect_read_pipe` and for subprocesses, never by users. The transport closes the file.
    """

    def __init__(
        self,
        loop: Pipes,
        pipe: Any,
        protocol: asyncio.BaseProtocol,
    ) -> None:
        fd = pipe.fileno()
        stream = _core.Stream.of_pipe_reader(loop, pipe, protocol, self)
        self.pause_reading = stream.pause_reading  # type: ignore[method-assign]
        self.resume_reading = stream.resume_reading  # type: ignore[method-assign]
        super().__init__(loop, stream, pipe, fd)

    def _describe_activity(self) -> str:
        return "polling" if self.is_reading() else "idle"

    def is_reading(self) -> bool:
        """Whether incoming data is being read."""
        return self._native.is_reading()

    def _is_expected(self, exc: BaseException) -> bool:
        # A terminal whose other side is closed.
        return isinstance(exc, OSError) and exc.errno == errno.EIO

    def _note_reading(self, verb: str) -> None:
        """Called in debug mode."""
        logger.debug(f"%r {verb} reading", self)

    def _schedule_eof_received(self) -> None:
        loop, protocol = self._loop, self.get_protocol()
        if loop is not None and protocol is not None:
            loop.call_soon(protocol.eof_received, context=self._native.context)  # type: ignore[attr-defined]


# A whole Transport, though it reads nothing: so is asyncio's, and programs ask for the class.
class WritePipeTransport(PipeTransport, asyncio.Transport):
    """The writing end of a pipe, or what is written like one: a socket, a terminal.

    Made by `connect_write_pipe` and for subprocesses, never by users. The transport closes the file.
    """

    def __init__(
        self,
        loop: Pipes,
        pipe: Any,
        protocol: asyncio.BaseProtocol,
    ) -> None:
        fd = pipe.fileno()
        stream = _core.Stream.of_pipe_writer(loop, pipe, protocol, self)
        self.write = stream.write  # type: ignore[method-assign]
        self.writelines = stream.writelines  # type: ignore[method-assign]
        super().__init__(loop, stream, pipe, fd)

    def _describe_activity(self) -> str:
        size = self.get_write_buffer_size()
        return f"{'polling' if size else 'idle'} bufsize={size}"

    def can_write_eof(self) -> bool:
        """True: the end of the stream is the end of the pipe."""
        return True

    def write_eof(self) -> None:
        """Closes the pipe once everything written has gone out."""
        self.close()

    def get_write_buffer_size(self) -> int:
        """How many bytes wait for the kernel to take them."""
        return self._native.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The low- and the high-water mark, in bytes."""
        return self._native.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Sets the water marks, in bytes. Raises `ValueError` unless high >= low >= 0."""
        self._native.set_write_buffer_limits(high, low)

    def abort(self) -> None:
        """Closes the pipe at once; what the kernel has not taken is dropped."""
        if self._loop is not None and self._loop.is_closed():
            self._release()
        else:
            self._native.abort()
