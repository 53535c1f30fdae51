"""What our loop promises of the wakeup file descriptor beyond asyncio: it is taken, shared, and given back."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

import aioxide


@pytest.fixture
def foreign_fds() -> Iterator[tuple[int, int]]:
    """A pipe of somebody else (read end, write end), whose write end is the wakeup fd; it is so in the end, too."""
    read_fd, write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    try:
        yield read_fd, write_fd
        assert signal.set_wakeup_fd(write_fd) == write_fd
    finally:
        signal.set_wakeup_fd(before)
        os.close(read_fd)
        os.close(write_fd)


def wakeup_fd() -> int:
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd)
    return fd


async def kill_self(signum: int) -> None:
    os.kill(os.getpid(), signum)


def test_a_run_gives_the_wakeup_fd_back_to_whoever_had_it(foreign_fds: tuple[int, int]) -> None:
    async def during() -> int:
        return wakeup_fd()

    with closing(aioxide.new_event_loop()) as loop:
        assert loop.run_until_complete(during()) not in {-1, foreign_fds[1]}
        assert wakeup_fd() == foreign_fds[1]
        assert loop.run_until_complete(during()) not in {-1, foreign_fds[1]}


def test_a_loop_that_never_runs_leaves_the_wakeup_fd_alone(foreign_fds: tuple[int, int]) -> None:
    aioxide.new_event_loop().close()
    assert wakeup_fd() == foreign_fds[1]


def test_the_last_handler_removed_gives_the_wakeup_fd_back(foreign_fds: tuple[int, int]) -> None:
    with closing(aioxide.new_event_loop()) as loop:
        loop.add_signal_handler(signal.SIGUSR1, int)
        loop.add_signal_handler(signal.SIGUSR2, int)
        loop.remove_signal_handler(signal.SIGUSR1)
        assert wakeup_fd() != foreign_fds[1]
        loop.remove_signal_handler(signal.SIGUSR2)
        assert wakeup_fd() == foreign_fds[1]


def test_a_signal_without_handler_here_is_passed_on(foreign_fds: tuple[int, int]) -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with closing(aioxide.new_event_loop()) as loop:
            loop.run_until_complete(kill_self(signal.SIGUSR1))
            loop.run_until_complete(asyncio.sleep(0.001))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert os.read(foreign_fds[0], 16) == bytes([signal.SIGUSR1])


def test_a_signal_that_comes_between_runs_is_handled_in_the_next() -> None:
    seen: list[str] = []
    with closing(aioxide.new_event_loop()) as loop:
        loop.add_signal_handler(signal.SIGUSR1, seen.append, "seen")
        os.kill(os.getpid(), signal.SIGUSR1)
        assert seen == []
        loop.run_until_complete(asyncio.sleep(0.001))
        assert seen == ["seen"]


def test_a_loop_that_sits_idle_gets_its_signals_from_the_one_that_runs() -> None:
    seen: list[str] = []
    with closing(aioxide.new_event_loop()) as idle, closing(aioxide.new_event_loop()) as running:
        idle.add_signal_handler(signal.SIGUSR1, seen.append, "idle")
        running.run_until_complete(kill_self(signal.SIGUSR1))
        assert seen == []
        idle.run_until_complete(asyncio.sleep(0.001))
        assert seen == ["idle"]


def test_a_closed_loop_is_not_given_the_place_back(foreign_fds: tuple[int, int]) -> None:
    async def close(first: asyncio.AbstractEventLoop) -> None:
        first.close()
        # Takes the number that the closed pipe has left.
        stack.callback(os.close, os.dup(foreign_fds[0]))
        stack.callback(os.close, os.dup(foreign_fds[0]))

    with ExitStack() as stack, closing(aioxide.new_event_loop()) as second:
        first = aioxide.new_event_loop()
        first.add_signal_handler(signal.SIGUSR1, int)
        second.run_until_complete(close(first))
        assert wakeup_fd() == foreign_fds[1]


def test_a_cancelled_handler_is_removed_by_its_next_signal() -> None:
    with closing(aioxide.new_event_loop()) as loop:
        loop.add_signal_handler(signal.SIGUSR1, int)
        loop._signal_handlers[signal.SIGUSR1].cancel()
        loop.run_until_complete(kill_self(signal.SIGUSR1))
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
        assert not loop.remove_signal_handler(signal.SIGUSR1)


FORKED = """
    import os, signal, sys, asyncio, aioxide

    seen = []
    loop = aioxide.new_event_loop()
    loop.add_signal_handler(signal.SIGUSR1, seen.append, "parent")
    if (pid := os.fork()) == 0:
        # The child has the handler still, but must not write into the parent's pipe.
        os.kill(os.getpid(), signal.SIGUSR1)

        async def main():
            os.kill(os.getpid(), signal.SIGUSR1)
            await asyncio.sleep(0.001)

        aioxide.run(main())
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    loop.run_until_complete(asyncio.sleep(0.001))
    assert seen == [], seen
    loop.close()
"""


def test_signals_of_a_forked_child_stay_out_of_the_parents_loop() -> None:
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(FORKED)]
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
