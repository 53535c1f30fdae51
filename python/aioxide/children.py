"""Waiting for child processes: how the loop learns that one has ended, and with what.

The kernel gives a file descriptor for a process (a pidfd), which becomes readable when the process ends: one
more source for the loop, with no thread and no SIGCHLD, in any thread. Unlike a process number it never comes to
mean another process, so that signals go through it, and the status is asked of it.

Where the kernel refuses all that, a thread waits for the process; the process is reaped in the loop's thread
even then, so that whoever sends it a signal there never hits a stranger who was given its number.
"""

from __future__ import annotations

import os
import signal
import threading
from asyncio.log import logger
from typing import TYPE_CHECKING, Any

from aioxide.foundation import Foundation
from aioxide.popen import take_pidfd

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    Exited = Callable[[int], object]

# What asyncio reports for a process whose exit status somebody else took.
_UNKNOWN_EXIT = 255


class Child:
    """A child process, from when it is watched until it is reaped."""

    __slots__ = ("_exited", "_pidfd", "process")

    def __init__(self, process: subprocess.Popen[Any], exited: Exited) -> None:
        self.process = process
        self._exited = exited
        self._pidfd: int | None = None

    def open_pidfd(self) -> int:
        """Return the descriptor that came with the process, or else ask the kernel for one.

        Raises:
            ProcessLookupError: somebody else has reaped the process.
            OSError: there are no such descriptors, or none is free.
            AttributeError: this build of Python does not know them.

        """
        pidfd = take_pidfd(self.process)
        if pidfd is not None:
            self._pidfd = pidfd
            return pidfd
        pidfd = os.pidfd_open(self.process.pid)
        try:
            # A process that was reaped before this may have left its number to a stranger.
            os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            os.close(pidfd)
            raise ProcessLookupError from None
        except BaseException:
            os.close(pidfd)
            raise
        self._pidfd = pidfd
        return pidfd

    def close_pidfd(self) -> None:
        """Let go of the descriptor."""
        pidfd, self._pidfd = self._pidfd, None
        if pidfd is not None:
            os.close(pidfd)

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, if it has not been reaped.

        Raises:
            PermissionError: the process has become another user's.
            ProcessLookupError: the process has been reaped.

        """
        if self._pidfd is not None:
            try:
                signal.pidfd_send_signal(self._pidfd, number)
                return
            except ProcessLookupError:
                raise
            except (AttributeError, OSError):
                # Refused, or forbidden: `os.kill` will say which.
                logger.debug("no signal through the pidfd of process %d", self.process.pid)
        # It looks whether the process has ended before it uses the number.
        self.process.send_signal(number)

    def is_running(self) -> bool:
        """Tell whether the process has not ended, without reaping it."""
        if self._pidfd is None:
            return self.process.poll() is None
        try:
            return os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False

    def reap(self) -> int | None:
        """Take the return code of the process; None while it runs."""
        pid = self.process.pid
        try:
            if self._pidfd is None:
                _, status = os.waitpid(pid, 0)
                return os.waitstatus_to_exitcode(status)
            result = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            # `Popen.poll` may have been there first, and then it knows; other code would have kept it to itself.
            known: int | None = self.process.returncode
            return self.lost() if known is None else known
        if result is None:
            return None
        has_exited = result.si_code == os.CLD_EXITED
        return result.si_status if has_exited else -result.si_status

    def lost(self) -> int:
        """Return what stands for the return code of a process that somebody else has reaped."""
        logger.warning(
            "child process pid %d exit status already read: will report returncode %d",
            self.process.pid,
            _UNKNOWN_EXIT,
        )
        return _UNKNOWN_EXIT

    def ended(self, returncode: int) -> None:
        """Tell whoever waits for the process."""
        self._exited(returncode)


class Children(Foundation):
    """Watches child processes."""

    _children: set[Child]

    def __init__(self) -> None:
        super().__init__()
        # Those that have a pidfd.
        self._children = set()

    def _watch_child(self, process: subprocess.Popen[Any], exited: Exited) -> Child:
        """Reap a child process when it ends, and call `exited` with its return code, in the loop."""
        child = Child(process, exited)
        try:
            pidfd = child.open_pidfd()
        except ProcessLookupError:
            self.call_soon(self._child_lost, child)
        except (AttributeError, OSError):
            # No such call in this build or kernel, or forbidden, or out of descriptors.
            threading.Thread(
                target=self._await_child,
                args=(child,),
                name=f"aioxide-waitpid-{process.pid}",
                daemon=True,
            ).start()
        else:
            self._children.add(child)
            self._add_reader(pidfd, self._child_readable, pidfd, child)
        return child

    def _child_readable(self, pidfd: int, child: Child) -> None:
        returncode = child.reap()
        if returncode is None:
            return
        self._remove_reader(pidfd)
        self._children.discard(child)
        child.close_pidfd()
        self._child_ended(child, returncode)

    def _child_lost(self, child: Child) -> None:
        known: int | None = child.process.returncode
        self._child_ended(child, child.lost() if known is None else known)

    def _await_child(self, child: Child) -> None:
        """Wait for a child process without reaping it. Runs in a thread made for it."""
        pid = child.process.pid
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            logger.debug("child process pid %d was reaped already", pid)
        try:
            self.call_soon_threadsafe(self._reap_child, child)
        except RuntimeError:
            # The loop is closed: nobody is left to tell, but the process is not left a zombie.
            child.process.poll()
            logger.warning("Loop %r that handles pid %r is closed", self, pid)

    def _reap_child(self, child: Child) -> None:
        returncode = child.reap()
        if returncode is not None:
            self._child_ended(child, returncode)

    def _child_ended(self, child: Child, returncode: int) -> None:
        if self.get_debug():
            logger.debug("process %s exited with returncode %s", child.process.pid, returncode)
        child.ended(returncode)

    def _close_children(self) -> None:
        """Watch no child process any more."""
        while self._children:
            self._children.pop().close_pidfd()
