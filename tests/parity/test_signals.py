"""`add_signal_handler` and `remove_signal_handler`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading

import pytest

from .support import Loop, Reports


@pytest.fixture(autouse=True)
def _same_dispositions():  # type: ignore[no-untyped-def]
    """Signal dispositions and the wakeup fd are afterwards what they were."""
    numbers = (
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGCHLD,
    )
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before


def _wakeup_fd() -> int:
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd)
    return fd


def test_a_handler_is_called_with_its_arguments_on_the_loop(loop: Loop) -> None:
    got: list[tuple[object, ...]] = []

    def handler(*args: object) -> None:
        got.append(
            (
                *args,
                asyncio.get_running_loop() is loop,
                threading.get_ident() == threading.main_thread().ident,
            )
        )
        loop.stop()

    loop.add_signal_handler(signal.SIGUSR1, handler, 1, "two")
    loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
    loop.run_forever()
    assert got == [(1, "two", True, True)]
    assert loop.remove_signal_handler(signal.SIGUSR1) is True


def test_a_signal_wakes_a_sleeping_loop(loop: Loop) -> None:
    loop.add_signal_handler(signal.SIGUSR1, loop.stop)
    child = subprocess.Popen(["sh", "-c", f"kill -USR1 {os.getpid()}"])
    loop.run_forever()
    child.wait()
    loop.remove_signal_handler(signal.SIGUSR1)


def test_a_second_handler_replaces_the_first(loop: Loop) -> None:
    seen: list[str] = []
    loop.add_signal_handler(signal.SIGUSR1, seen.append, "first")
    loop.add_signal_handler(signal.SIGUSR1, lambda: (seen.append("second"), loop.stop()))
    loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
    loop.run_forever()
    assert seen == ["second"]
    assert loop.remove_signal_handler(signal.SIGUSR1) is True


def test_several_signals_have_their_own_handlers(loop: Loop) -> None:
    seen: set[str] = set()

    def handler(name: str) -> None:
        seen.add(name)
        if len(seen) == 2:
            loop.stop()

    loop.add_signal_handler(signal.SIGUSR1, handler, "one")
    loop.add_signal_handler(signal.SIGUSR2, handler, "two")
    loop.call_soon(os.kill, os.getpid(), signal.SIGUSR2)
    loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
    loop.run_forever()
    assert seen == {"one", "two"}
    loop.remove_signal_handler(signal.SIGUSR1)
    loop.remove_signal_handler(signal.SIGUSR2)


def test_removing_what_is_not_there_is_false(loop: Loop) -> None:
    assert loop.remove_signal_handler(signal.SIGUSR1) is False


def test_removing_restores_the_default(loop: Loop) -> None:
    loop.add_signal_handler(signal.SIGUSR1, int)
    assert signal.getsignal(signal.SIGUSR1) is not signal.SIG_DFL
    loop.remove_signal_handler(signal.SIGUSR1)
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_removing_a_sigint_handler_brings_keyboard_interrupt_back(loop: Loop) -> None:
    loop.add_signal_handler(signal.SIGINT, int)
    loop.remove_signal_handler(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_closing_the_loop_removes_its_handlers(loop: Loop) -> None:
    loop.add_signal_handler(signal.SIGUSR1, int)
    loop.add_signal_handler(signal.SIGUSR2, int)
    loop.close()
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL


def test_the_wakeup_fd_is_given_back_when_the_last_handler_goes(loop: Loop) -> None:
    assert _wakeup_fd() == -1
    loop.add_signal_handler(signal.SIGUSR1, int)
    loop.remove_signal_handler(signal.SIGUSR1)
    assert _wakeup_fd() == -1


def test_the_wakeup_fd_is_given_back_when_the_loop_closes(loop: Loop) -> None:
    loop.add_signal_handler(signal.SIGUSR1, int)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    assert _wakeup_fd() == -1


@pytest.mark.parametrize("number", [0, -1, 1000])
def test_a_number_that_is_no_signal_is_a_value_error(loop: Loop, number: int) -> None:
    with pytest.raises(ValueError, match=f"^invalid signal number {number}$"):
        loop.add_signal_handler(number, int)
    with pytest.raises(ValueError, match=f"^invalid signal number {number}$"):
        loop.remove_signal_handler(number)


@pytest.mark.parametrize("wrong", ["SIGINT", None, 1.5])
def test_something_that_is_no_number_is_a_type_error(loop: Loop, wrong: object) -> None:
    with pytest.raises(TypeError, match="^sig must be an int, not "):
        loop.add_signal_handler(wrong, int)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="^sig must be an int, not "):
        loop.remove_signal_handler(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_signal_that_cannot_be_caught_is_a_runtime_error(
    loop: Loop, number: signal.Signals
) -> None:
    with pytest.raises(RuntimeError, match=f"^sig {int(number)} cannot be caught$"):
        loop.add_signal_handler(number, int)
    assert _wakeup_fd() == -1


def test_coroutines_cannot_be_handlers(loop: Loop) -> None:
    async def handler() -> None:
        """Not a callback."""

    with pytest.raises(TypeError, match=r"^coroutines cannot be used with add_signal_handler\(\)$"):
        loop.add_signal_handler(signal.SIGUSR1, handler)
    coro = handler()
    with pytest.raises(TypeError, match=r"^coroutines cannot be used with add_signal_handler\(\)$"):
        loop.add_signal_handler(signal.SIGUSR1, coro)  # type: ignore[arg-type]
    coro.close()


def test_handlers_can_only_be_added_in_the_main_thread(loop: Loop) -> None:
    errors: list[BaseException] = []

    def other_thread() -> None:
        try:
            loop.add_signal_handler(signal.SIGUSR1, int)
        except (RuntimeError, ValueError) as exc:
            errors.append(exc)

    thread = threading.Thread(target=other_thread)
    thread.start()
    thread.join()
    assert [type(exc) for exc in errors] == [RuntimeError]
    assert "set_wakeup_fd only works in main thread" in str(errors[0])


def test_sigchld_can_be_handled(loop: Loop) -> None:
    loop.add_signal_handler(signal.SIGCHLD, loop.stop)
    child = subprocess.Popen(["true"])
    loop.run_forever()
    child.wait()
    assert loop.remove_signal_handler(signal.SIGCHLD)


def test_an_exception_in_a_handler_is_reported(loop: Loop, reports: Reports) -> None:
    def handler() -> None:
        loop.call_soon(loop.stop)
        raise LookupError("handler")

    loop.add_signal_handler(signal.SIGUSR1, handler)
    loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
    loop.run_forever()
    assert [type(report["exception"]) for report in reports] == [LookupError]
    reports.clear()
    loop.remove_signal_handler(signal.SIGUSR1)


def test_a_storm_of_signals_is_survived(loop: Loop) -> None:
    seen = 0

    def handler() -> None:
        nonlocal seen
        seen += 1

    loop.add_signal_handler(signal.SIGUSR1, handler)
    for _ in range(100):
        os.kill(os.getpid(), signal.SIGUSR1)
    loop.call_later(0.01, loop.stop)
    loop.run_forever()
    assert seen >= 1
    loop.remove_signal_handler(signal.SIGUSR1)


def test_signals_that_are_lost_are_reported(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    lost: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: lost.append(report.exc_value))

    def storm() -> None:
        # More than any loop has room for, while it cannot read.
        for _ in range(70_000):
            os.kill(os.getpid(), signal.SIGUSR1)
        loop.stop()

    loop.add_signal_handler(signal.SIGUSR1, int)
    loop.call_soon(storm)
    loop.run_forever()
    loop.remove_signal_handler(signal.SIGUSR1)
    assert {type(exc) for exc in lost} == {BlockingIOError}


def test_system_calls_interrupted_by_a_handled_signal_are_restarted(loop: Loop) -> None:
    child = "import os; os.write(1, b'x'); os.read(0, 1)"
    pipe = subprocess.PIPE
    sender = threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGUSR1))
    loop.add_signal_handler(signal.SIGUSR1, int)
    with subprocess.Popen([sys.executable, "-c", child], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        sender.start()
        assert process.stdout.read(1) == b"x"
        process.stdin.write(b"x")
        process.stdin.close()
        sender.join()
    loop.remove_signal_handler(signal.SIGUSR1)


def test_a_plain_python_handler_runs_while_the_loop_sleeps(loop: Loop) -> None:
    seen: list[int] = []
    before = signal.signal(
        signal.SIGUSR1, lambda *_: (seen.append(1), loop.call_soon_threadsafe(loop.stop))
    )
    child = subprocess.Popen(["sh", "-c", f"kill -USR1 {os.getpid()}"])
    loop.run_forever()
    child.wait()
    signal.signal(signal.SIGUSR1, before)
    assert seen == [1]


def test_an_exception_of_a_plain_python_handler_leaves_run_forever(loop: Loop) -> None:
    def handler(*_: object) -> None:
        raise KeyboardInterrupt("mine")

    timer = threading.Timer(0.005, os.kill, (os.getpid(), signal.SIGUSR1))
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(KeyboardInterrupt, match="mine"):
            loop.call_soon(timer.start)
            loop.run_forever()
    finally:
        signal.signal(signal.SIGUSR1, before)
    timer.join()
    assert not loop.is_running()
