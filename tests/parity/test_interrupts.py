"""Ctrl-C: what SIGINT does to a loop, to `asyncio.run` and to a `Runner`, in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest


def _wait_until_it_sleeps(process: subprocess.Popen[str]) -> None:
    """Wait until the program, which has said that it is ready, waits for what is to come."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        # The state comes after the name, which is in brackets.
        if Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] in "SZ":
            return
        os.sched_yield()
    pytest.fail("the program does not come to wait")


def _interrupt_when_ready(process: subprocess.Popen[str], times: int = 1) -> tuple[str, str]:
    """Send SIGINT once the program has said it is ready; return what it wrote."""
    assert process.stdout is not None
    for _ in range(times):
        while (line := process.stdout.readline()) and line != "ready\n":
            pass
        if not line:
            process.kill()
            _, err = process.communicate()
            pytest.fail(f"the program ended before it was ready\n{err}")
        if times > 1:
            # A second one in the middle of asyncio's own Python may cost it a callback.
            _wait_until_it_sleeps(process)
        process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        pytest.fail(f"the program did not end\n{out}\n{err}")


def test_sigint_leaves_run_forever_as_keyboard_interrupt(program) -> None:  # type: ignore[no-untyped-def]
    process = program.start(
        """
        loop = new_event_loop()
        loop.call_soon(lambda: print("ready", flush=True))
        try:
            loop.run_forever()
        except KeyboardInterrupt:
            print("interrupted", loop.is_running())
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
        print("usable")
        """
    )
    out, err = _interrupt_when_ready(process)
    assert (out, err) == ("interrupted False\nusable\n", "")
    assert process.returncode == 0


def test_sigint_cancels_the_main_task_of_a_runner(program) -> None:  # type: ignore[no-untyped-def]
    process = program.start(
        """
        async def main():
            print("ready", flush=True)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                print("cancelled")
                raise
            finally:
                await asyncio.sleep(0)
                print("cleaned up")
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(main())
        except KeyboardInterrupt:
            print("interrupted", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        """
    )
    out, err = _interrupt_when_ready(process)
    assert (out, err) == ("cancelled\ncleaned up\ninterrupted True\n", "")


def test_sigint_interrupts_a_busy_main_task_at_its_next_wait(program) -> None:  # type: ignore[no-untyped-def]
    process = program.start(
        """
        async def main():
            print("ready", flush=True)
            while True:
                await asyncio.sleep(0)
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(main())
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    assert _interrupt_when_ready(process) == ("interrupted\n", "")


def test_a_second_sigint_interrupts_a_main_task_that_will_not_go(program) -> None:  # type: ignore[no-untyped-def]
    process = program.start(
        """
        async def main():
            for attempt in range(2):
                try:
                    print("ready", flush=True)
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    print("cancelled", attempt)
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(main())
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    out, err = _interrupt_when_ready(process, times=2)
    assert out.splitlines()[-1] == "interrupted", err


def test_an_unhandled_keyboard_interrupt_ends_the_process_by_sigint(program) -> None:  # type: ignore[no-untyped-def]
    process = program.start(
        """
        async def main():
            print("ready", flush=True)
            await asyncio.Event().wait()
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(main())
        """
    )
    _, err = _interrupt_when_ready(process)
    assert process.returncode == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")


def test_a_sigint_handler_on_the_loop_takes_the_place_of_the_interrupt(program) -> None:  # type: ignore[no-untyped-def]
    process = program.start(
        """
        async def main():
            loop = asyncio.get_running_loop()
            stop = asyncio.Event()
            loop.add_signal_handler(signal.SIGINT, stop.set)
            print("ready", flush=True)
            await stop.wait()
            return "stopped in order"
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            print(runner.run(main()))
        """
    )
    assert _interrupt_when_ready(process) == ("stopped in order\n", "")
    assert process.returncode == 0


def test_sigint_reaches_a_loop_that_waits_for_a_socket(program) -> None:  # type: ignore[no-untyped-def]
    process = program.start(
        """
        import socket
        async def main():
            loop = asyncio.get_running_loop()
            a, b = socket.socketpair()
            with a, b:
                a.setblocking(False)
                print("ready", flush=True)
                await loop.sock_recv(a, 1)
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(main())
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    assert _interrupt_when_ready(process) == ("interrupted\n", "")


def test_sigint_is_not_swallowed_while_the_loop_serves(program) -> None:  # type: ignore[no-untyped-def]
    process = program.start(
        """
        async def main():
            async def echo(reader, writer):
                writer.write(await reader.readline())
                writer.close()
            server = await asyncio.start_server(echo, "127.0.0.1", 0)
            async with server:
                print("ready", flush=True)
                await server.serve_forever()
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(main())
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    assert _interrupt_when_ready(process) == ("interrupted\n", "")


def test_sys_exit_in_the_main_task_is_the_exit_status(program) -> None:  # type: ignore[no-untyped-def]
    result = program.run(
        """
        async def main():
            sys.exit(7)
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(main())
        """
    )
    assert (result.returncode, result.stderr) == (7, "")


def test_sys_exit_in_a_background_task_is_the_exit_status(program) -> None:  # type: ignore[no-untyped-def]
    result = program.run(
        """
        async def background():
            sys.exit(7)
        async def main():
            task = asyncio.create_task(background())
            await asyncio.Event().wait()
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(main())
        """
    )
    assert result.returncode == 7, result.stderr


def test_sys_exit_in_a_callback_is_the_exit_status(program) -> None:  # type: ignore[no-untyped-def]
    result = program.run(
        """
        loop = new_event_loop()
        loop.call_soon(sys.exit, 9)
        try:
            loop.run_forever()
        finally:
            loop.close()
        """
    )
    assert (result.returncode, result.stderr) == (9, "")


def test_a_loop_may_be_left_unclosed_at_exit(program) -> None:  # type: ignore[no-untyped-def]
    result = program.run(
        """
        loop = new_event_loop()
        async def main():
            loop.call_later(3600, print)
            loop.create_future()
        loop.run_until_complete(main())
        print("end")
        """
    )
    assert (result.returncode, result.stdout) == (0, "end\n"), result.stderr


def test_a_child_forked_without_exec_may_run_a_loop_of_its_own(program) -> None:  # type: ignore[no-untyped-def]
    result = program.run(
        """
        loop = new_event_loop()
        async def main():
            await asyncio.sleep(0.001)
            return "fine"
        loop.run_until_complete(main())
        pid = os.fork()
        if pid == 0:
            mine = new_event_loop()
            result = mine.run_until_complete(main())
            mine.close()
            os._exit(42 if result == "fine" else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        print(loop.run_until_complete(main()))
        loop.close()
        """
    )
    assert result.stdout == "42\nfine\n", result.stderr


def test_a_child_forked_inside_a_callback_has_no_running_loop(program) -> None:  # type: ignore[no-untyped-def]
    result = program.run(
        """
        async def main():
            pid = os.fork()
            if pid == 0:
                try:
                    asyncio.get_running_loop()
                except RuntimeError:
                    os._exit(42)
                os._exit(1)
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            print(runner.run(main()))
        """
    )
    assert result.stdout == "42\n", result.stderr
