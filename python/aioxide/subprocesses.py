"""Subprocesses: `subprocess_exec` and `subprocess_shell`.

`children` tells when a process has ended.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from asyncio.log import logger
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aioxide.children import Children
from aioxide.popen import popen_class, take_pidfd
from aioxide.subprocess_transport import SubprocessTransport

if TYPE_CHECKING:
    from collections.abc import Callable

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Subprocesses(Children):
    """Starts processes."""

    async def subprocess_exec(
        self,
        protocol_factory: Callable[[], P],
        program: Any,
        *args: Any,
        stdin: Any = subprocess.PIPE,
        stdout: Any = subprocess.PIPE,
        stderr: Any = subprocess.PIPE,
        universal_newlines: bool = False,
        shell: bool = False,
        bufsize: int = 0,
        encoding: str | None = None,
        errors: str | None = None,
        text: bool | None = None,
        **kwargs: Any,
    ) -> tuple[asyncio.SubprocessTransport, P]:
        """Start a program.

        Args:
            protocol_factory: makes the protocol.
            program: the program.
            args: its arguments.
            stdin: `subprocess.PIPE`, `subprocess.DEVNULL`, a file or a descriptor; None for our own.
            stdout: likewise.
            stderr: likewise, or `subprocess.STDOUT`.
            universal_newlines: must be False.
            shell: must be False.
            bufsize: must be 0.
            encoding: must be None.
            errors: must be None.
            text: must be False or None.
            kwargs: for `subprocess.Popen`.

        Raises:
            OSError: the program cannot be started.
            ValueError: an argument is not what it must be.

        """
        _check_binary(universal_newlines=universal_newlines)
        if shell:
            raise ValueError("shell must be False")
        _check_unbuffered(bufsize=bufsize, text=text, encoding=encoding, errors=errors)
        protocol = protocol_factory()
        transport = await self._start_process(
            protocol,
            (program, *args),
            f"execute program {program!r}",
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            bufsize=bufsize,
            **kwargs,
        )
        return transport, protocol

    async def subprocess_shell(
        self,
        protocol_factory: Callable[[], P],
        cmd: bytes | str,
        *,
        stdin: Any = subprocess.PIPE,
        stdout: Any = subprocess.PIPE,
        stderr: Any = subprocess.PIPE,
        universal_newlines: bool = False,
        shell: bool = True,
        bufsize: int = 0,
        encoding: str | None = None,
        errors: str | None = None,
        text: bool | None = None,
        **kwargs: Any,
    ) -> tuple[asyncio.SubprocessTransport, P]:
        """Start a command line in the shell.

        Args:
            protocol_factory: makes the protocol.
            cmd: the command line.
            stdin: `subprocess.PIPE`, `subprocess.DEVNULL`, a file or a descriptor; None for our own.
            stdout: likewise.
            stderr: likewise, or `subprocess.STDOUT`.
            universal_newlines: must be False.
            shell: must be True.
            bufsize: must be 0.
            encoding: must be None.
            errors: must be None.
            text: must be False or None.
            kwargs: for `subprocess.Popen`.

        Raises:
            OSError: the shell cannot be started.
            ValueError: an argument is not what it must be.

        """
        if not isinstance(cmd, (bytes, str)):
            raise ValueError("cmd must be a string")
        _check_binary(universal_newlines=universal_newlines)
        if not shell:
            raise ValueError("shell must be True")
        _check_unbuffered(bufsize=bufsize, text=text, encoding=encoding, errors=errors)
        protocol = protocol_factory()
        transport = await self._start_process(
            protocol,
            cmd,
            f"run shell command {cmd!r}",
            shell=True,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            bufsize=bufsize,
            **kwargs,
        )
        return transport, protocol

    async def _start_process(
        self,
        protocol: asyncio.BaseProtocol,
        args: Any,
        description: str,
        *,
        shell: bool = False,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        **kwargs: Any,
    ) -> asyncio.SubprocessTransport:
        is_debug = self.get_debug()
        if is_debug:
            # Of the arguments no more than the program: they may be long, and secret.
            logger.debug("%s", _describe_start(description, stdin, stdout, stderr))
        # In this thread, which so waits until the child has made its `exec`: see docs/decisions.
        process = popen_class()(
            args,
            shell=shell,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            universal_newlines=False,
            bufsize=bufsize,
            **kwargs,
        )
        transport = SubprocessTransport(self, cast("asyncio.SubprocessProtocol", protocol), process)
        if is_debug:
            program = args if isinstance(args, (bytes, str)) else args[0]
            logger.debug("process %r created: pid %s", program, process.pid)
        try:
            child = self._watch_child(process, transport._process_exited)
        except BaseException:
            _give_up(process)
            transport.close()
            raise
        try:
            await transport._connect(child)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            transport.close()
            await asyncio.shield(transport._wait())
            raise
        if is_debug:
            logger.info("%s: %r", description, transport)
        return transport

    def _close_subprocesses(self) -> None:
        """Forget the processes; they live on."""
        self._close_children()


def _give_up(process: subprocess.Popen[Any]) -> None:
    """End a process that cannot be watched."""
    for file in (process.stdin, process.stdout, process.stderr):
        if file is not None:
            file.close()
    pidfd = take_pidfd(process)
    if pidfd is not None:
        os.close(pidfd)
    process.kill()
    process.wait()


def _check_binary(*, universal_newlines: bool) -> None:
    if universal_newlines:
        raise ValueError("universal_newlines must be False")


def _check_unbuffered(
    *, bufsize: int, text: bool | None, encoding: str | None, errors: str | None
) -> None:
    if bufsize != 0:
        raise ValueError("bufsize must be 0")
    if text:
        raise ValueError("text must be False")
    if encoding is not None:
        raise ValueError("encoding must be None")
    if errors is not None:
        raise ValueError("errors must be None")


def _describe_start(description: str, stdin: Any, stdout: Any, stderr: Any) -> str:
    parts = [description]
    if stdin is not None:
        parts.append(f"stdin={_describe_pipe(stdin)}")
    if stdout is not None and stderr == subprocess.STDOUT:
        parts.append(f"stdout=stderr={_describe_pipe(stdout)}")
    else:
        if stdout is not None:
            parts.append(f"stdout={_describe_pipe(stdout)}")
        if stderr is not None:
            parts.append(f"stderr={_describe_pipe(stderr)}")
    return " ".join(parts)


def _describe_pipe(file: Any) -> str:
    if file == subprocess.PIPE:
        return "<pipe>"
    if file == subprocess.STDOUT:
        return "<stdout>"
    return repr(file)
