"""Waiting for child processes: how the loop learns that one has ended, and with what.

The kernel gives a file descriptor for a process (a pidfd), which becomes readable when the process ends: one
more source for the loop, with no thread and no SIGCHLD, in any thread. Where the kernel refuses that, a thread
waits for the process; the process is reaped in the loop's thread even then, so that whoever sends it a signal
there never hits a stranger who was given its number.
"""

from __future__ import annotations

import os
import threading
from asyncio.log import logger
from typing import TYPE_CHECKING, Any

from aioxide.foundation import Foundation

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    Exited = Callable[[int], object]

# What asyncio reports for a process whose exit status somebody else took.
_UNKNOWN_EXIT = 255


class Children(Foundation):
    """Watches child processes."""

    _pidfds: set[int]

    def __init__(self) -> None:
        super().__init__()
        # The descriptors of the processes that are watched.
        self._pidfds = set()

    def _watch_child(self, process: subprocess.Popen[Any], exited: Exited) -> None:
        """Reap a child process when it ends, and call `exited` with its return code, in the loop."""
        try:
            pidfd = os.pidfd_open(process.pid)
        except (AttributeError, OSError):
            # No such call in this build or kernel, or forbidden, or out of descriptors.
            threading.Thread(
                target=self._await_child,
                args=(process, exited),
                name=f"aioxide-waitpid-{process.pid}",
                daemon=True,
            ).start()
            return
        self._pidfds.add(pidfd)
        self._add_reader(pidfd, self._child_ended, pidfd, process, exited)

    def _child_ended(self, pidfd: int, process: subprocess.Popen[Any], exited: Exited) -> None:
        self._remove_reader(pidfd)
        self._pidfds.discard(pidfd)
        os.close(pidfd)
        self._reap_child(process, exited)

    def _await_child(self, process: subprocess.Popen[Any], exited: Exited) -> None:
        """Wait for a child process without reaping it. Runs in a thread made for it."""
        try:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            logger.debug("child process pid %d was reaped already", process.pid)
        try:
            self.call_soon_threadsafe(self._reap_child, process, exited)
        except RuntimeError:
            # The loop is closed: nobody is left to tell, but the process is not left a zombie.
            process.poll()
            logger.warning("Loop %r that handles pid %r is closed", self, process.pid)

    def _reap_child(self, process: subprocess.Popen[Any], exited: Exited) -> None:
        returncode = _reap(process)
        if self.get_debug():
            logger.debug("process %s exited with returncode %s", process.pid, returncode)
        exited(returncode)

    def _close_children(self) -> None:
        """Watch no child process any more."""
        while self._pidfds:
            os.close(self._pidfds.pop())


def _reap(process: subprocess.Popen[Any]) -> int:
    """Return the return code of a process that has ended."""
    try:
        _, status = os.waitpid(process.pid, 0)
    except ChildProcessError:
        # `Popen.poll` may have been there first, and then it knows; other code would have kept it to itself.
        if process.returncode is not None:
            return process.returncode
        logger.warning(
            "child process pid %d exit status already read: will report returncode %d",
            process.pid,
            _UNKNOWN_EXIT,
        )
        return _UNKNOWN_EXIT
    try:
        return os.waitstatus_to_exitcode(status)
    except ValueError:
        # A status of a kind that this Python does not know.
        return status
