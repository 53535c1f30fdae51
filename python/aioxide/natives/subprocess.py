"""`asyncio.subprocess`, on the native streams. A process itself is asyncio's own object: nothing in it runs often."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from typing import TYPE_CHECKING, Any

from aioxide.natives import streams

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import TypeAlias

    # What `typeshed` has private names for.
    File: TypeAlias = Any
    Command: TypeAlias = str | bytes | PathLike[str] | PathLike[bytes]

__all__ = ["SubprocessStreamProtocol", "create_subprocess_exec", "create_subprocess_shell"]


class SubprocessStreamProtocol(streams.FlowControlMixin, asyncio.SubprocessProtocol):
    """The protocol between a process's pipes and its streams."""

    stdin: streams.StreamWriter | None
    stdout: streams.StreamReader | None
    stderr: streams.StreamReader | None

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._limit = limit
        self.stdin = self.stdout = self.stderr = None
        self._transport: Any = None
        self._process_exited = False
        self._pipe_fds: list[int] = []
        self._stdin_closed: asyncio.Future[None] = self._loop.create_future()

    def __repr__(self) -> str:
        info = [self.__class__.__name__]
        if self.stdin is not None:
            info.append(f"stdin={self.stdin!r}")
        if self.stdout is not None:
            info.append(f"stdout={self.stdout!r}")
        if self.stderr is not None:
            info.append(f"stderr={self.stderr!r}")
        return f"<{' '.join(info)}>"

    def connection_made(self, transport: Any) -> None:
        """Make a stream for each pipe."""
        self._transport = transport
        self.stdout = self._reader_of(transport, 1)
        self.stderr = self._reader_of(transport, 2)
        stdin = transport.get_pipe_transport(0)
        if stdin is not None:
            self.stdin = streams.StreamWriter(stdin, protocol=self, reader=None, loop=self._loop)

    def _reader_of(self, transport: Any, fd: int) -> streams.StreamReader | None:
        pipe = transport.get_pipe_transport(fd)
        if pipe is None:
            return None
        reader = streams.StreamReader(limit=self._limit, loop=self._loop)
        reader.set_transport(pipe)
        self._pipe_fds.append(fd)
        return reader

    def _reader(self, fd: int) -> streams.StreamReader | None:
        if fd == 1:
            return self.stdout
        if fd == 2:
            return self.stderr
        return None

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Hand what the process has written to its reader."""
        reader = self._reader(fd)
        if reader is not None:
            reader.feed_data(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Tell the stream; the transport is closed with the last pipe if the process has ended."""
        if fd == 0:
            self._lose_stdin(exc)
            return
        reader = self._reader(fd)
        if reader is not None:
            if exc is None:
                reader.feed_eof()
            else:
                reader.set_exception(exc)
        if fd in self._pipe_fds:
            self._pipe_fds.remove(fd)
        self._maybe_close_transport()

    def _lose_stdin(self, exc: Exception | None) -> None:
        if self.stdin is not None:
            self.stdin.close()
        self.connection_lost(exc)
        if exc is None:
            self._stdin_closed.set_result(None)
        else:
            self._stdin_closed.set_exception(exc)
            # Nobody has to wait for the end of a pipe.
            self._stdin_closed._log_traceback = False

    def process_exited(self) -> None:
        """Close the transport if all pipes are closed."""
        self._process_exited = True
        self._maybe_close_transport()

    def _maybe_close_transport(self) -> None:
        if not self._pipe_fds and self._process_exited:
            self._transport.close()
            self._transport = None

    def _get_close_waiter(self, stream: streams.StreamWriter) -> Any:
        if stream is self.stdin:
            return self._stdin_closed
        return None


async def create_subprocess_shell(
    cmd: str | bytes,
    stdin: File = None,
    stdout: File = None,
    stderr: File = None,
    limit: int = streams._DEFAULT_LIMIT,
    **kwds: Any,
) -> Process:
    """Start a shell with a command.

    Args:
        cmd: the command.
        stdin: `PIPE`, `DEVNULL`, a file, a descriptor, or None for this program's own.
        stdout: likewise.
        stderr: likewise, or `STDOUT`.
        limit: the readers'.
        **kwds: as for `loop.subprocess_shell`.

    """
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.subprocess_shell(
        _protocol_factory(limit, loop), cmd, stdin=stdin, stdout=stdout, stderr=stderr, **kwds
    )
    return Process(transport, protocol, loop)


async def create_subprocess_exec(
    program: Command,
    *args: Command,
    stdin: File = None,
    stdout: File = None,
    stderr: File = None,
    limit: int = streams._DEFAULT_LIMIT,
    **kwds: Any,
) -> Process:
    """Start a program with its arguments; see `create_subprocess_shell` for the others."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.subprocess_exec(
        _protocol_factory(limit, loop),
        program,
        *args,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        **kwds,
    )
    return Process(transport, protocol, loop)


def _protocol_factory(
    limit: int, loop: asyncio.AbstractEventLoop
) -> Callable[[], SubprocessStreamProtocol]:
    return lambda: SubprocessStreamProtocol(limit=limit, loop=loop)
