"""Probes of subprocesses: every keyword of `subprocess.Popen`, through a program and through a shell."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peers
from catalogue import probe
from peers import expect, refused

Loop = asyncio.AbstractEventLoop
Run = Callable[..., Any]

# What `nobody` has on most systems; only a process that may become somebody else uses it.
_NOBODY = 65534


class _Output(asyncio.SubprocessProtocol):
    """Keeps what a process writes, and notes that it is over."""

    def __init__(self) -> None:
        self.data = {1: bytearray(), 2: bytearray()}
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.data[fd] += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set_result(None)


class _Ran:
    """What is left of a process that has ended."""

    def __init__(self, transport: Any, protocol: _Output) -> None:
        self.returncode = transport.get_returncode()
        self.out = bytes(protocol.data[1]).decode().strip()
        self.err = bytes(protocol.data[2]).decode().strip()


async def _over(transport: Any, protocol: _Output) -> _Ran:
    await protocol.over
    return _Ran(transport, protocol)


async def _exec(loop: Loop, script: str, **keywords: Any) -> _Ran:
    keywords = {"stdin": None} | keywords
    return await _over(*await loop.subprocess_exec(_Output, "/bin/sh", "-c", script, **keywords))


async def _shell(loop: Loop, script: str, **keywords: Any) -> _Ran:
    keywords = {"stdin": None} | keywords
    return await _over(*await loop.subprocess_shell(_Output, script, **keywords))


def _probe_both(*keywords: str) -> Callable[[Callable[[Loop, Run], Any]], None]:
    """Enter a probe for a program and for a shell."""

    def enter(function: Callable[[Loop, Run], Any]) -> None:
        for method, run in (("subprocess_exec", _exec), ("subprocess_shell", _shell)):

            async def tried(loop: Loop, run: Run = run) -> None:
                await function(loop, run)

            probe(method, *keywords)(tried)

    return enter


@_probe_both()
async def process(loop: Loop, run: Run) -> None:
    ran = await run(loop, "echo out; echo err >&2; exit 3")
    expect((ran.out, ran.err, ran.returncode) == ("out", "err", 3), "other output or exit status")


@_probe_both("stdin")
async def stdin(loop: Loop, run: Run) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"hello")
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        expect((await run(loop, "cat", stdin=file)).out == "hello", "another input")
    expect((await run(loop, "cat", stdin=subprocess.DEVNULL)).out == "", "another input")


@_probe_both("stdout")
async def stdout(loop: Loop, run: Run) -> None:
    with peers.folder() as place, (place / "out").open("w+b") as file:
        await run(loop, "echo hello", stdout=file)
        file.seek(0)
        expect(file.read() == b"hello\n", "not written to the file")


@_probe_both("stderr")
async def stderr(loop: Loop, run: Run) -> None:
    ran = await run(loop, "echo hello >&2", stderr=subprocess.STDOUT)
    expect((ran.out, ran.err) == ("hello", ""), "stderr does not go to stdout")


def _fixed(keyword: str, accepted: Any, rejected: Any) -> None:
    """Enter the probes of a keyword that is there to be refused."""

    @_probe_both(keyword)
    async def fixed(loop: Loop, run: Run) -> None:
        await run(loop, "true", **{keyword: accepted})
        with refused(ValueError):
            await run(loop, "true", **{keyword: rejected})


_fixed("universal_newlines", False, True)
_fixed("bufsize", 0, 1)
_fixed("encoding", None, "utf-8")
_fixed("errors", None, "strict")
_fixed("text", None, True)


@probe("subprocess_exec", "shell")
async def exec_shell(loop: Loop) -> None:
    await _exec(loop, "true", shell=False)
    with refused(ValueError):
        await _exec(loop, "true", shell=True)


@probe("subprocess_shell", "shell")
async def shell_shell(loop: Loop) -> None:
    await _shell(loop, "true", shell=True)
    with refused(ValueError):
        await _shell(loop, "true", shell=False)


@probe("subprocess_exec", "executable")
async def exec_executable(loop: Loop) -> None:
    endpoint = await loop.subprocess_exec(
        _Output, "a name", "-c", "echo $0", stdin=None, executable="/bin/sh"
    )
    expect((await _over(*endpoint)).out == "a name", "another program or another name")


@probe("subprocess_shell", "executable")
async def shell_executable(loop: Loop) -> None:
    ran = await _shell(loop, "print(40 + 2)", executable=sys.executable)
    expect(ran.out == "42", "another shell")


@_probe_both("preexec_fn")
async def preexec_fn(loop: Loop, run: Run) -> None:
    ran = await run(loop, "umask", preexec_fn=lambda: os.umask(0o071))
    expect(int(ran.out, 8) == 0o071, "not called in the child")


@_probe_both("close_fds")
async def close_fds(loop: Loop, run: Run) -> None:
    fd = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(fd, True)
    script = f"test -e /proc/self/fd/{fd}"
    try:
        expect((await run(loop, script, close_fds=True)).returncode == 1, "inherited all the same")
        expect((await run(loop, script, close_fds=False)).returncode == 0, "closed all the same")
    finally:
        os.close(fd)


@_probe_both("pass_fds")
async def pass_fds(loop: Loop, run: Run) -> None:
    fd = os.open(os.devnull, os.O_RDONLY)
    try:
        ran = await run(loop, f"test -e /proc/self/fd/{fd}", pass_fds=(fd,))
        expect(ran.returncode == 0, "not inherited")
    finally:
        os.close(fd)


@_probe_both("cwd")
async def cwd(loop: Loop, run: Run) -> None:
    with peers.folder() as place:
        expect(Path((await run(loop, "pwd", cwd=place)).out) == place.resolve(), "another folder")


@_probe_both("env")
async def env(loop: Loop, run: Run) -> None:
    ran = await run(loop, "echo $COLOUR$HOME", env={"COLOUR": "green"})
    expect(ran.out == "green", "another environment")


@_probe_both("restore_signals")
async def restore_signals(loop: Loop, run: Run) -> None:
    # Python ignores SIGPIPE, signal 13, and a child inherits what is ignored.
    script = "grep SigIgn /proc/self/status"
    for restored in (True, False):
        ignored = int((await run(loop, script, restore_signals=restored)).out.split()[1], 16)
        expect(bool(ignored >> 12 & 1) is not restored, f"SIGPIPE differs with {restored}")


@_probe_both("start_new_session")
async def start_new_session(loop: Loop, run: Run) -> None:
    ran = await run(loop, "cut -d' ' -f6 /proc/$$/stat", start_new_session=True)
    expect(int(ran.out) != os.getsid(0), "the same session")


@_probe_both("process_group")
async def process_group(loop: Loop, run: Run) -> None:
    ran = await run(loop, "cut -d' ' -f5 /proc/$$/stat", process_group=0)
    expect(int(ran.out) != os.getpgrp(), "the same group")


@_probe_both("umask")
async def umask(loop: Loop, run: Run) -> None:
    expect(int((await run(loop, "umask", umask=0o071)).out, 8) == 0o071, "another mask")


@_probe_both("user")
async def user(loop: Loop, run: Run) -> None:
    wanted = os.getuid() or _NOBODY
    expect((await run(loop, "id -u", user=wanted, cwd="/")).out == str(wanted), "another user")


@_probe_both("group")
async def group(loop: Loop, run: Run) -> None:
    wanted = _NOBODY if os.getuid() == 0 else os.getgid()
    expect((await run(loop, "id -g", group=wanted)).out == str(wanted), "another group")


@_probe_both("extra_groups")
async def extra_groups(loop: Loop, run: Run) -> None:
    if os.getuid() == 0:
        ran = await run(loop, "id -G", extra_groups=[_NOBODY])
        expect(str(_NOBODY) in ran.out.split(), "other groups")
    else:
        with refused(PermissionError):
            await run(loop, "true", extra_groups=[_NOBODY])


@_probe_both("pipesize")
async def pipesize(loop: Loop, run: Run) -> None:
    wanted = 1 << 18
    asking = f"import fcntl; print(fcntl.fcntl(1, {fcntl.F_GETPIPE_SZ}))"
    ran = await run(loop, f"{shlex.quote(sys.executable)} -SEc '{asking}'", pipesize=wanted)
    expect(ran.out == str(wanted), "another size")
