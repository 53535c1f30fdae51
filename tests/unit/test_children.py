"""What our loop promises about child processes on every Python: it learns of every end, however that is told."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import aioxide
from aioxide import _core

DEADLINE_S = 30.0


def run(main: Callable[[], Any]) -> Any:
    return aioxide.run(asyncio.wait_for(main(), DEADLINE_S))


@pytest.fixture
def _bare_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pidfd comes with a process."""

    def start(*call: Any) -> tuple[int, None] | None:
        started = start_program(*call)
        if started is None:
            return None
        pid, pidfd = started
        assert pidfd is not None
        os.close(pidfd)
        return pid, None

    start_program = _core.start_program
    monkeypatch.setattr(_core, "start_program", start)


@pytest.fixture
def _no_pidfd(_bare_start: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel refuses pidfds, as in some containers."""

    def refuse(pid: int, flags: int = 0) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "pidfd_open", refuse)


@pytest.mark.usefixtures("_no_pidfd")
def test_without_pidfds_a_thread_waits_for_the_process() -> None:
    async def main() -> list[int]:
        processes = [await asyncio.create_subprocess_shell(f"exit {n}") for n in range(5)]
        return [await process.wait() for process in processes]

    assert run(main) == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("_no_pidfd")
def test_a_process_that_outlives_its_loop_is_reaped_by_the_waiting_thread(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with closing(aioxide.new_event_loop()) as loop:
        process = loop.run_until_complete(asyncio.create_subprocess_exec("sleep", "100"))
    process._transport.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name == f"aioxide-waitpid-{process.pid}":
            thread.join(DEADLINE_S)
    with pytest.raises(ChildProcessError):
        os.waitpid(process.pid, 0)
    assert "is closed" in caplog.text


def test_a_process_started_in_any_thread_is_waited_for() -> None:
    codes: list[int] = []

    async def main() -> None:
        process = await asyncio.create_subprocess_shell("exit 3")
        codes.append(await process.wait())

    threads = [threading.Thread(target=run, args=(main,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert codes == [3] * 4


def test_wait_ends_with_the_process_though_its_child_holds_the_pipe() -> None:
    async def main() -> None:
        process = await asyncio.create_subprocess_shell(
            "sleep 100 & echo $!; exit 4", stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        grandchild = int(await process.stdout.readline())
        try:
            assert await process.wait() == 4
        finally:
            os.kill(grandchild, signal.SIGKILL)
        # Now the pipe ends, and with it the transport.
        assert await process.stdout.read() == b""

    run(main)


def test_a_status_that_the_popen_object_took_is_not_lost() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.subprocess_exec(
            asyncio.SubprocessProtocol, "sleep", "100", stdin=None, stdout=None, stderr=None
        )
        popen = transport.get_extra_info("subprocess")
        # Within one callback, so that the loop cannot be first.
        popen.kill()
        popen.wait()
        code: int = await transport._wait()  # type: ignore[attr-defined]
        transport.close()
        return code

    assert run(main) == -signal.SIGKILL


def test_a_status_that_somebody_else_took_is_reported_as_255(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> int:
        process = await asyncio.create_subprocess_exec("sleep", "100")
        process.kill()
        os.waitpid(process.pid, 0)  # noqa: ASYNC222 - the loop must not be first
        return await process.wait()

    with caplog.at_level(logging.WARNING, "asyncio"):
        assert run(main) == 255
    assert "exit status already read" in caplog.text


def test_a_loop_that_closes_leaves_no_pidfd_open() -> None:
    with closing(aioxide.new_event_loop()) as loop:
        process = loop.run_until_complete(asyncio.create_subprocess_exec("sleep", "100"))
    transport: Any = process._transport  # type: ignore[attr-defined]
    popen = transport.get_extra_info("subprocess")
    transport.close()
    popen.wait()
    descriptors = Path("/proc/self/fd").iterdir()
    assert [fd for fd in descriptors if fd.is_symlink() and "pidfd" in os.readlink(fd)] == []


async def _terminate() -> int:
    process = await asyncio.create_subprocess_exec("sleep", "100")
    process.terminate()
    return await process.wait()


@pytest.mark.usefixtures("_no_pidfd")
def test_signals_without_pidfds_go_by_the_number() -> None:
    assert run(_terminate) == -signal.SIGTERM


def test_signals_that_pidfds_refuse_go_by_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pidfd: int, number: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(signal, "pidfd_send_signal", refuse)
    assert run(_terminate) == -signal.SIGTERM


@pytest.mark.usefixtures("_bare_start")
def test_a_kernel_that_cannot_wait_for_a_pidfd_gets_a_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waitid = os.waitid

    def refuse(kind: int, number: int, options: int) -> Any:
        if kind == os.P_PIDFD:
            raise OSError(errno.EINVAL, "Invalid argument")
        return waitid(kind, number, options)

    monkeypatch.setattr(os, "waitid", refuse)
    assert run(_terminate) == -signal.SIGTERM


def test_a_number_that_a_stranger_has_is_no_pidfd_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> int:
        loop: Any = asyncio.get_running_loop()
        process = await asyncio.create_subprocess_exec("true")
        await process.wait()

        class Stranger:
            """A process that was reaped, and whose number is another's by now."""

            pid = os.getppid()
            returncode = None

        ended: asyncio.Future[int] = loop.create_future()
        loop._watch_child(Stranger(), ended.set_result)
        return await ended

    assert run(main) == 255
    assert "exit status already read" in caplog.text


def test_a_process_that_was_reaped_behind_us_gets_no_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def kill(pid: int, number: int) -> None:
        raise AssertionError("the number may be a stranger's")

    async def main() -> None:
        process = await asyncio.create_subprocess_exec("sleep", "100")
        process.kill()
        os.waitpid(process.pid, 0)  # noqa: ASYNC222 - the loop must not be first
        monkeypatch.setattr(os, "kill", kill)
        process.kill()
        process._transport.close()  # type: ignore[attr-defined]
        await process.wait()

    run(main)


def test_ten_thousand_failed_starts_leak_nothing() -> None:
    async def storm(count: int) -> None:
        for _ in range(count):
            with pytest.raises(FileNotFoundError):
                await asyncio.create_subprocess_exec(
                    "no-such-program", stdin=asyncio.subprocess.PIPE
                )

    def used() -> tuple[int, int]:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return len(os.listdir("/proc/self/fd")), pages

    async def main() -> None:
        await storm(500)
        descriptors, pages = used()
        await storm(10_000)
        assert used()[0] == descriptors
        # Some pages more or less are the allocator's affair; 100 bytes for each start would be 240.
        assert used()[1] - pages < 240

    run(main)


def test_a_process_that_cannot_be_watched_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        monkeypatch.setattr(aioxide.EventLoop, "_watch_child", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            await asyncio.create_subprocess_exec("sleep", "100", stdin=asyncio.subprocess.PIPE)

    children = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    before = children.read_text()
    run(main)
    assert children.read_text() == before
