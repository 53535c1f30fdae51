"""Subprocesses: exec and shell, their pipes, their ends, and the signals they get."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import re
import signal
import threading
from asyncio import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .programs import output_of, python
from .support import Loop, Reports, turns

LoopFactory = Callable[[], Loop]


pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)


async def test_output_and_status_come_back(loop: Loop) -> None:
    process = await python(
        "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert await process.communicate() == (b"out\n", b"err\n")
    assert process.returncode == 3
    assert await process.wait() == 3


async def test_input_goes_in(loop: Loop) -> None:
    process = await asyncio.create_subprocess_exec(
        "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert await process.communicate(b"through") == (b"through", None)
    assert process.returncode == 0


@pytest.mark.parametrize("size", [65_537, 1_000_000])
async def test_much_data_goes_through_cat(loop: Loop, size: int) -> None:
    process = await asyncio.create_subprocess_exec(
        "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    data = os.urandom(1000) * (size // 1000) + b"t" * (size % 1000)
    out, _ = await process.communicate(data)
    assert out == data


async def test_many_lines_go_through_cat(loop: Loop) -> None:
    process = await asyncio.create_subprocess_exec(
        "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    out, _ = await process.communicate(b"".join(b"%d\n" % i for i in range(9000)))
    assert out.count(b"\n") == 9000


async def test_a_shell_command_runs(loop: Loop) -> None:
    process = await asyncio.create_subprocess_shell(
        "echo $((6 * 7)); exit 5", stdout=subprocess.PIPE
    )
    assert await process.communicate() == (b"42\n", None)
    assert process.returncode == 5


async def test_a_process_can_be_talked_to_line_by_line(loop: Loop) -> None:
    process = await asyncio.create_subprocess_exec(
        "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for i in range(20):
        process.stdin.write(b"%d\n" % i)
        await process.stdin.drain()
        assert await process.stdout.readline() == b"%d\n" % i
    process.stdin.close()
    assert await process.wait() == 0


async def test_a_killed_process_has_a_negative_status(loop: Loop) -> None:
    process = await asyncio.create_subprocess_exec("sleep", "100")
    process.kill()
    assert await process.wait() == -signal.SIGKILL


async def test_terminate_and_send_signal_send_signals(loop: Loop) -> None:
    process = await asyncio.create_subprocess_exec("sleep", "100")
    process.terminate()
    assert await process.wait() == -signal.SIGTERM
    process = await asyncio.create_subprocess_exec("sleep", "100")
    process.send_signal(signal.SIGHUP)
    assert await process.wait() == -signal.SIGHUP


async def test_signals_after_the_end_are_process_lookup_errors(loop: Loop) -> None:
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
    await turns(3)
    with pytest.raises(ProcessLookupError):
        process.kill()
    with pytest.raises(ProcessLookupError):
        process.send_signal(signal.SIGTERM)


async def test_a_missing_program_is_file_not_found(loop: Loop) -> None:
    for _ in range(20):
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec("/no/such/program", stdout=subprocess.PIPE)


async def test_stderr_can_go_where_stdout_goes(loop: Loop) -> None:
    process = await asyncio.create_subprocess_shell(
        "echo out; echo err >&2", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert await process.communicate() == (b"out\nerr\n", None)


async def test_devnull_swallows(loop: Loop) -> None:
    process = await asyncio.create_subprocess_shell("echo out", stdout=subprocess.DEVNULL)
    assert process.stdout is None
    assert await process.wait() == 0


async def test_cwd_and_env_are_the_childs(loop: Loop, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_shell(
        "pwd; echo $MINE",
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env={"MINE": "yes", "PATH": os.environ["PATH"]},
    )
    out, _ = await process.communicate()
    assert out.decode().splitlines() == [str(tmp_path), "yes"]


async def test_pass_fds_and_new_session_reach_the_child(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    process = await python(
        f"import os; os.write({write_fd}, b'%d' % os.getsid(0))",
        pass_fds=[write_fd],
        start_new_session=True,
    )
    await process.wait()
    assert os.read(read_fd, 20) == b"%d" % process.pid
    os.close(read_fd)
    os.close(write_fd)


async def test_pipes_are_real_pipes_that_can_be_reopened(loop: Loop) -> None:
    process = await asyncio.create_subprocess_shell(
        "cat /dev/stdin > /dev/stdout", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert await process.communicate(b"reopened") == (b"reopened", None)


async def test_many_processes_end_in_any_order(loop: Loop) -> None:
    async def one(n: int) -> int:
        process = await asyncio.create_subprocess_shell(f"exit {n}")
        return await process.wait()

    assert await asyncio.gather(*(one(n) for n in range(10))) == list(range(10))


async def test_a_cancelled_wait_leaves_the_process(loop: Loop) -> None:
    process = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(process.wait(), 0.005)
    assert process.returncode is None
    assert process.stdin is not None
    process.stdin.close()
    assert await process.wait() == 0


async def test_a_process_that_closes_its_stdin_breaks_the_pipe_quietly(loop: Loop) -> None:
    process = await python("import os; os.close(0)", stdin=subprocess.PIPE)
    await process.communicate(b"x" * 1_000_000)
    assert process.returncode == 0


async def test_the_protocol_is_told_everything_once(loop: Loop) -> None:
    ended: asyncio.Future[None] = loop.create_future()
    events: list[object] = []

    class Protocol(asyncio.SubprocessProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            events.append("made")

        def pipe_data_received(self, fd: int, data: bytes) -> None:
            events.append((fd, data))

        def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
            events.append(("pipe lost", fd, exc))

        def process_exited(self) -> None:
            events.append("exited")

        def connection_lost(self, exc: Exception | None) -> None:
            events.append("lost")
            ended.set_result(None)

    transport, _ = await loop.subprocess_exec(Protocol, "echo", "hi", stdin=None, stderr=None)
    assert isinstance(transport, asyncio.SubprocessTransport)
    assert transport.get_pid() > 0
    await ended
    assert events[0] == "made"
    assert events[-1] == "lost"
    assert (1, b"hi\n") in events
    assert ("pipe lost", 1, None) in events
    assert events.count("exited") == 1
    assert transport.get_returncode() == 0
    transport.close()


async def test_closing_the_transport_kills_the_process_and_reaps_it(loop: Loop) -> None:
    ended: asyncio.Future[None] = loop.create_future()
    events: list[str] = []

    class Protocol(asyncio.SubprocessProtocol):
        def process_exited(self) -> None:
            events.append("exited")

        def connection_lost(self, exc: Exception | None) -> None:
            events.append("lost")
            ended.set_result(None)

    transport, _ = await loop.subprocess_exec(
        Protocol, "sleep", "100", stdin=None, stdout=None, stderr=None
    )
    pid = transport.get_pid()
    transport.close()
    await ended
    assert "lost" in events
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # noqa: ASYNC222  it does not wait


async def test_the_kinds_of_arguments_are_checked(loop: Loop) -> None:
    factory = asyncio.SubprocessProtocol
    with pytest.raises(ValueError, match="^cmd must be a string$"):
        await loop.subprocess_shell(factory, 5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="^universal_newlines must be False$"):
        await loop.subprocess_exec(factory, "true", universal_newlines=True)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="^bufsize must be 0$"):
        await loop.subprocess_exec(factory, "true", bufsize=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="^shell must be False$"):
        await loop.subprocess_exec(factory, "true", shell=True)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="^text must be False$"):
        await loop.subprocess_exec(factory, "true", text=True)  # type: ignore[call-overload]


async def test_no_zombies_and_no_fds_stay(loop: Loop) -> None:
    await (await asyncio.create_subprocess_exec("true", stdout=subprocess.PIPE)).communicate()
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        process = await asyncio.create_subprocess_exec(
            "true", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        await process.communicate()
    del process
    gc.collect()
    await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) <= before + 1


class Events(asyncio.SubprocessProtocol):
    """A protocol that remembers."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.data = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.events.append("made")

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.data += data
        if self.events[-1] != ("data", fd):
            self.events.append(("data", fd))

    def pipe_connection_lost(self, fd: int, exc: BaseException | None) -> None:
        self.events.append(("lost", fd))

    def process_exited(self) -> None:
        self.events.append("exited")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.events.append("lost")
        self.ended.set_result(None)


async def test_standard_files_are_real_pipes(loop: Loop) -> None:
    source = "import os, stat; print([stat.S_ISFIFO(os.fstat(fd).st_mode) for fd in range(3)])"
    out = await output_of(source, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert out == b"[True, True, True]\n"


async def test_all_who_wait_are_told(loop: Loop) -> None:
    process = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE)
    waits = [asyncio.create_task(process.wait()) for _ in range(5)]
    await turns(2)
    waits.pop().cancel()
    assert process.returncode is None
    process.kill()
    assert await asyncio.gather(*waits) == [-signal.SIGKILL] * 4
    assert process.returncode == -signal.SIGKILL


async def test_a_hundred_processes_at_once(loop: Loop) -> None:
    async def one(n: int) -> bytes:
        process = await asyncio.create_subprocess_exec(
            "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        out, _ = await process.communicate(b"%d" % n * 10_000)
        return out

    outs = await asyncio.gather(*(one(n) for n in range(100)))
    assert outs == [b"%d" % n * 10_000 for n in range(100)]


async def test_the_protocol_can_be_changed_while_data_flows(loop: Loop) -> None:
    transport, first = await loop.subprocess_exec(Events, "cat", stderr=None)
    stdin: Any = transport.get_pipe_transport(0)
    stdin.write(b"first")
    while first.data != b"first":
        await turns(1)
    second = Events()
    second.events.append("taken over")
    assert transport.get_protocol() is first
    transport.set_protocol(second)
    assert transport.get_protocol() is second
    stdin.write(b"second")
    stdin.close()
    await second.ended
    assert first.data == b"first"
    assert second.data == b"second"
    assert first.events == ["made", ("data", 1)]
    transport.close()


async def test_the_end_of_stdin_in_the_child_is_told(loop: Loop) -> None:
    transport, protocol = await loop.subprocess_exec(
        Events, "sh", "-c", "exec <&-; exec sleep 100", stderr=None
    )
    while ("lost", 0) not in protocol.events:
        await turns(1)
    assert transport.get_returncode() is None
    transport.close()
    await protocol.ended


async def test_a_transport_tells_what_it_is(loop: Loop) -> None:
    transport, protocol = await loop.subprocess_exec(Events, "cat", stderr=None)
    pid = transport.get_pid()
    assert re.search(rf"pid={pid} running stdin=<.*> stdout=<.*>>$", repr(transport))
    assert transport.get_pipe_transport(2) is None
    assert transport.get_pipe_transport(7) is None
    assert not transport.is_closing()
    transport.close()
    transport.close()
    assert transport.is_closing()
    await protocol.ended
    assert re.search(rf"closed pid={pid} returncode=-9 ", repr(transport))


async def test_data_received_that_raises_is_reported_and_reading_goes_on(
    loop: Loop, reports: Reports
) -> None:
    class Raises(Events):
        def pipe_data_received(self, fd: int, data: bytes) -> None:
            super().pipe_data_received(fd, data)
            raise ZeroDivisionError

    transport, protocol = await loop.subprocess_exec(Raises, "cat", stderr=None)
    stdin: Any = transport.get_pipe_transport(0)
    stdin.write(b"one")
    while not reports:
        await turns(1)
    assert isinstance(reports.pop()["exception"], ZeroDivisionError)
    stdin.write(b"two")
    stdin.close()
    await protocol.ended
    assert isinstance(reports.pop()["exception"], ZeroDivisionError)
    assert protocol.data == b"onetwo"
    transport.close()


async def test_a_slow_child_pauses_its_writer(loop: Loop) -> None:
    class Flow(Events):
        def pause_writing(self) -> None:
            self.events.append("pause")

        def resume_writing(self) -> None:
            self.events.append("resume")

    transport, protocol = await loop.subprocess_exec(Flow, "cat", stderr=None)
    stdin: Any = transport.get_pipe_transport(0)
    stdin.write(b"x" * 1_000_000)
    assert protocol.events == ["made", "pause"]
    stdin.close()
    await protocol.ended
    assert len(protocol.data) == 1_000_000
    assert "resume" in protocol.events
    transport.close()


@pytest.mark.asyncio_since(3, 14, "until then the ends of the pipes are waited for, too")
async def test_wait_ends_with_the_process_though_its_child_holds_the_pipe(loop: Loop) -> None:
    process = await asyncio.create_subprocess_shell(
        "sleep 100 & echo $!; exit 4", stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    grandchild = int(await process.stdout.readline())
    assert await process.wait() == 4
    os.kill(grandchild, signal.SIGKILL)
    assert await process.stdout.read() == b""


async def test_debug_mode_tells_what_becomes_of_a_process(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.set_debug(True)
    caplog.set_level(logging.DEBUG, "asyncio")
    transport, protocol = await loop.subprocess_exec(
        Events, "cat", "secret", stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    await protocol.ended
    transport.close()
    transport, protocol = await loop.subprocess_shell(
        Events, "sleep 100", stdin=None, stdout=None, stderr=None
    )
    transport.close()
    await protocol.ended
    text = caplog.text
    for line in (
        "execute program 'cat' stdin=-3 stdout=stderr=<pipe>",
        "process 'cat' created: pid ",
        "SubprocessTransport pid=",
        "exited with return code 1",
        "run shell command 'sleep 100'",
        f"process 'sleep 100' created: pid {transport.get_pid()}",
        "Close running child process: kill <",
        "exited with return code -9",
    ):
        assert line in text, line
    assert "secret" not in text


def test_processes_start_in_many_threads_at_once(loop_factory: LoopFactory) -> None:
    codes: list[int] = []

    async def one(n: int) -> None:
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", f"cat; exit {n}", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        out, _ = await process.communicate(b"x" * n)
        assert out == b"x" * n
        codes.append(await process.wait())

    async def many() -> None:
        await asyncio.gather(*(one(n) for n in range(12)))

    def run() -> None:
        loop = loop_factory()
        loop.run_until_complete(many())
        loop.close()

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == sorted(list(range(12)) * 8)


def test_hooks_at_fork_do_not_run_in_the_child(program: Any) -> None:
    done = program.run("""
        os.register_at_fork(after_in_child=lambda: os.write(2, b"hook"))

        async def main():
            process = await asyncio.create_subprocess_exec("true")
            print(await process.wait(), signal.getsignal(signal.SIGCHLD))

        new_event_loop().run_until_complete(main())
    """)
    assert done.stdout.split() == ["0", "0"]
    assert "hook" not in done.stderr


@pytest.mark.asyncio_bug("cannot start it if it has ended before it is watched")
def test_a_process_that_the_kernel_reaps_has_ended_with_255(program: Any) -> None:
    done = program.run("""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

        async def main():
            for command in ("true", "sleep 0.01"):
                process = await asyncio.create_subprocess_shell(command)
                print(await process.wait())

        new_event_loop().run_until_complete(main())
    """)
    assert done.stdout.split() == ["255", "255"]
    assert "will report returncode 255" in done.stderr


def test_a_handler_of_the_users_that_reaps_is_left_alone(program: Any) -> None:
    done = program.run("""
        def reap(*args):
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pass

        signal.signal(signal.SIGCHLD, reap)

        async def main():
            process = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE)
            process.stdin.close()
            print(await process.wait() in (0, 255), signal.getsignal(signal.SIGCHLD) is reap)

        new_event_loop().run_until_complete(main())
    """)
    assert done.stdout == "True True\n"
