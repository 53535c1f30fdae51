"""The subprocess transport: a process, the pipes to it, and what its protocol is told of them.

The end of the process and the ends of its pipes are events of their own: `wait` ends with the process, even if the
pipes live on in its children, and `connection_lost` comes when all of them have ended. A pipe's data goes from its
native half straight to the protocol's `pipe_data_received`, with no frame of ours in between.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import signal
import warnings
from asyncio.log import logger
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from aioxide.children import Child
    from aioxide.subprocesses import Subprocesses

    _Calls = list[tuple[Callable[..., object], tuple[Any, ...]]]


class WriteSubprocessPipeProto(asyncio.BaseProtocol):
    """The protocol of a process's standard input."""

    def __init__(self, proc: SubprocessTransport, fd: int) -> None:
        self.proc: SubprocessTransport | None = proc
        self.fd = fd
        self.pipe: Any = None
        self.disconnected = False

    def __repr__(self) -> str:
        return f"<{self.__class__.__name__} fd={self.fd} pipe={self.pipe!r}>"

    def serve(self, protocol: asyncio.SubprocessProtocol) -> None:
        """Pass the pipe's data straight to this protocol."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self.pipe = transport

    def pause_writing(self) -> None:
        """Pass it on."""
        if self.proc is not None:
            self.proc.get_protocol().pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        if self.proc is not None:
            self.proc.get_protocol().resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tell the process's transport."""
        self.disconnected = True
        self.__dict__.pop("data_received", None)
        proc, self.proc = self.proc, None
        if proc is not None:
            proc._pipe_connection_lost(self.fd, exc)


class ReadSubprocessPipeProto(WriteSubprocessPipeProto, asyncio.Protocol):
    """The protocol of a process's standard output or standard error."""

    def data_received(self, data: bytes) -> None:
        """Pass it on when the protocol has been told of its connection."""
        if self.proc is not None:
            self.proc._call(self.proc.get_protocol().pipe_data_received, self.fd, data)

    def serve(self, protocol: asyncio.SubprocessProtocol) -> None:
        """Pass the pipe's data straight to this protocol."""
        # An instance attribute, so that a call enters no frame of ours.
        self.data_received = functools.partial(protocol.pipe_data_received, self.fd)  # type: ignore[method-assign]


class SubprocessTransport(asyncio.SubprocessTransport):
    """A running process and the pipes to it."""

    # Of the class, too: an object whose making failed is asked for it as it goes.
    _closed = True

    def __init__(
        self,
        loop: Subprocesses,
        protocol: asyncio.SubprocessProtocol,
        process: subprocess.Popen[Any],
    ) -> None:
        super().__init__({"subprocess": process})
        self._loop: Subprocesses | None = loop
        self._protocol: asyncio.SubprocessProtocol | None = protocol
        self._proc: subprocess.Popen[Any] | None = process
        self._pid = process.pid
        self._child: Child | None = None
        self._returncode: int | None = None
        self._waiters: set[asyncio.Future[int]] = set()
        self._pipes: dict[int, WriteSubprocessPipeProto] = {}
        # What the protocol will be told once it was told of its connection; None from then on.
        self._held: _Calls | None = []
        self._finished = False
        self._context = contextvars.copy_context()
        self._closed = False

    async def _connect(self, child: Child) -> None:
        """Connect the pipes, and then tell the protocol of all that has happened."""
        loop, process = self._loop, self._proc
        assert loop is not None and process is not None
        self._child = child
        files = (process.stdin, process.stdout, process.stderr)
        # All of them first: the process may have ended, and some of its pipes, before the others are connected.
        for fd, file in enumerate(files):
            if file is not None:
                kind = ReadSubprocessPipeProto if fd else WriteSubprocessPipeProto
                self._pipes[fd] = kind(self, fd)
        try:
            for fd, end in self._pipes.items():
                # Looked up on the object, because programs replace them there.
                connect: Any = loop.connect_read_pipe if fd else loop.connect_write_pipe
                await connect(functools.partial(_itself, end), files[fd])
        except BaseException:
            for fd, end in self._pipes.items():
                if end.pipe is None:
                    files[fd].close()  # type: ignore[union-attr]
            raise
        held, self._held = self._held or [], None
        for callback, args in ((self.get_protocol().connection_made, (self,)), *held):
            self._call(callback, *args)
        # From here on data goes straight to the protocol, but not before what was held.
        self._call(self._serve_pipes)
        # This is behind all of them in the queue.
        await asyncio.sleep(0)

    def _serve_pipes(self) -> None:
        if self._protocol is not None:
            for end in self._pipes.values():
                end.serve(self._protocol)

    def __repr__(self) -> str:
        info = [self.__class__.__name__]
        if self._closed:
            info.append("closed")
        info.append(f"pid={self._pid}")
        if self._returncode is not None:
            info.append(f"returncode={self._returncode}")
        else:
            info.append("running")
        for fd, name in enumerate(("stdin", "stdout", "stderr")):
            if fd in self._pipes and self._pipes[fd].pipe is not None:
                info.append(f"{name}={self._pipes[fd].pipe}")
        return f"<{' '.join(info)}>"

    def __del__(self, _warn: Any = warnings.warn) -> None:
        if not self._closed:
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
            self.close()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hands the process and its pipes to another protocol."""
        self._protocol = protocol  # type: ignore[assignment]
        if self._held is None:
            self._call(self._serve_pipes)

    def get_protocol(self) -> asyncio.SubprocessProtocol:
        """The protocol of the process and its pipes; None after `connection_lost`."""
        return self._protocol  # type: ignore[return-value]

    def is_closing(self) -> bool:
        """Whether the transport was closed."""
        return self._closed

    def get_pid(self) -> int:
        """The number of the process."""
        return self._pid

    def get_returncode(self) -> int | None:
        """What the process ended with, negative for a signal; None while it runs."""
        return self._returncode

    def get_pipe_transport(self, fd: int) -> asyncio.BaseTransport | None:
        """The transport of a pipe to the process (0, 1 or 2), or None if it has none."""
        end = self._pipes.get(fd)
        return None if end is None else end.pipe

    def send_signal(self, signal: int) -> None:
        """Send a signal to the process, unless it has ended.

        Raises:
            ProcessLookupError: the transport is done with the process.
            PermissionError: the process has become another user's.

        """
        if self._proc is None:
            raise ProcessLookupError
        if self._returncode is not None or self._child is None:
            return
        try:
            self._child.send_signal(signal)
        except ProcessLookupError:
            logger.debug("%r was reaped by somebody else", self)

    def terminate(self) -> None:
        """Ask the process to end (SIGTERM)."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process (SIGKILL)."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Close the pipes, and kill the process if it still runs."""
        if self._closed:
            return
        self._closed = True
        for end in self._pipes.values():
            if end.pipe is not None:
                end.pipe.close()
        if (
            self._proc is None
            or self._child is None
            or self._returncode is not None
            or not self._child.is_running()
        ):
            return
        if self._loop is not None and self._loop.get_debug():
            logger.warning("Close running child process: kill %r", self)
        try:
            self._proc.kill()
        except (ProcessLookupError, PermissionError):
            # It has ended just now, or has become another user's.
            return

    def _call(self, callback: Callable[..., object], *args: Any) -> None:
        if self._held is not None:
            self._held.append((callback, args))
        elif self._loop is not None:
            self._loop.call_soon(callback, *args, context=self._context)

    def _process_exited(self, returncode: int) -> None:
        """Called once, by the loop."""
        loop, process = self._loop, self._proc
        assert loop is not None and process is not None
        if loop.get_debug():
            logger.info("%r exited with return code %r", self, returncode)
        self._returncode = returncode
        if process.returncode is None:
            # The object did not see the end itself, and would say that the process still runs.
            process.returncode = returncode
        self._call(self.get_protocol().process_exited)
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(returncode)
        self._try_finish()

    def _pipe_connection_lost(self, fd: int, exc: BaseException | None) -> None:
        self._call(self.get_protocol().pipe_connection_lost, fd, exc)
        self._try_finish()

    def _try_finish(self) -> None:
        if self._returncode is None or self._finished:
            return
        if all(end.disconnected for end in self._pipes.values()):
            self._finished = True
            self._call(self._call_connection_lost, None)

    def _call_connection_lost(self, exc: BaseException | None) -> None:
        try:
            self.get_protocol().connection_lost(exc)  # type: ignore[arg-type]
        finally:
            self._loop = None
            self._proc = None
            self._child = None
            self._protocol = None

    async def _wait(self) -> int:
        """Wait for the end of the process and return its return code."""
        if self._returncode is None:
            assert self._loop is not None
            waiter: asyncio.Future[int] = self._loop.create_future()
            self._waiters.add(waiter)
            try:
                return await waiter
            finally:
                self._waiters.discard(waiter)
        return self._returncode


def _itself(protocol: WriteSubprocessPipeProto) -> WriteSubprocessPipeProto:
    return protocol
