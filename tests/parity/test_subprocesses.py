"""Subprocesses: exec and shell, their pipes, their ends, and the signals they get."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from asyncio import subprocess
from pathlib import Path

import pytest

from .support import Loop

pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)


async def _python(source: str, **kwargs: object) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", source, **kwargs)  # type: ignore[arg-type]


async def test_output_and_status_come_back(loop: Loop) -> None:
    process = await _python(
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
    process = await _python(
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
    process = await _python("import os; os.close(0)", stdin=subprocess.PIPE)
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
