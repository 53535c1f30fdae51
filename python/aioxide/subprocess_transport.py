"""The subprocess transport: the stdlib's, with the newest Python's behaviour on every Python.

That is: `wait` ends when the process does, even if its pipes live on in its children; signals never race with
the process being reaped; closing the transport after the loop was closed is allowed.
"""

from __future__ import annotations

import os
import signal
import subprocess
from asyncio import base_subprocess
from asyncio.log import logger
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

_StdlibTransport: Any = base_subprocess.BaseSubprocessTransport


class SubprocessTransport(_StdlibTransport):  # type: ignore[misc]
    """A running process and the pipes to it."""

    def _start(
        self,
        args: Any,
        shell: bool,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        **kwargs: Any,
    ) -> None:
        self._waiters: set[asyncio.Future[int]] = set()
        self._proc = subprocess.Popen(
            args,
            shell=shell,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            universal_newlines=False,
            bufsize=bufsize,
            **kwargs,
        )

    def send_signal(self, signal: int) -> None:
        """Send a signal to the process, unless it has ended.

        Raises:
            ProcessLookupError: the transport is done with the process.

        """
        self._check_proc()
        if self._returncode is not None:
            return
        # The process keeps its number until the loop's thread, which is this one, has reaped it.
        try:
            os.kill(self._proc.pid, signal)
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
        if self._loop is not None and self._loop.is_closed():
            # Closing a pipe transport needs the loop; without one the pipes close as they are collected.
            self._pipes: dict[int, Any] = {}
        super().close()

    def _process_exited(self, returncode: int) -> None:
        super()._process_exited(returncode)
        if not self._finished:
            self._end_waits()

    def _call_connection_lost(self, exc: BaseException | None) -> None:
        try:
            super()._call_connection_lost(exc)
        finally:
            self._end_waits()

    def _end_waits(self) -> None:
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(self._returncode)

    async def _wait(self) -> int:
        """Wait for the end of the process and return its return code."""
        # With no pipe left open, the end is the protocol's too: whoever waited finds no process to signal.
        is_ending = self._finished and self._proc is not None
        if self._returncode is None or is_ending:
            waiter: asyncio.Future[int] = self._loop.create_future()
            self._waiters.add(waiter)
            try:
                return await waiter
            finally:
                self._waiters.discard(waiter)
        returncode: int = self._returncode
        return returncode
