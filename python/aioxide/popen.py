"""`subprocess.Popen` with a start of our own: a child that shares this process's memory until it runs the program.

Keywords, pipes, files and all methods are those of the standard library's class. Only what makes the process is
native (`_core.start_program`), and leaves to that class again whatever it is not made for.
"""

from __future__ import annotations

import subprocess
from typing import Any

from aioxide import _core

# What the standard library's class calls its own with.
_PARAMETERS = (
    "self args executable preexec_fn close_fds pass_fds cwd env startupinfo creationflags shell "
    "p2cread p2cwrite c2pread c2pwrite errread errwrite "
    "restore_signals gid gids uid umask start_new_session process_group"
)
_PIPES = slice(10, 16)
_NO_PIPES = (-1,) * 6


class Popen(subprocess.Popen[Any]):
    """A process, together with its descriptor."""

    _pidfd: int | None = None

    def _execute_child(self, *call: Any) -> None:
        started = _core.start_program(*call)
        if started is None:
            super()._execute_child(*call)  # type: ignore[misc]
            return
        self.pid, self._pidfd = started
        self._child_created = True
        if call[_PIPES] != _NO_PIPES:
            self._close_pipe_fds(*call[_PIPES])  # type: ignore[attr-defined]


def _knows_its_base() -> bool:
    """Tell whether the standard library's class works as ours expects of it."""
    execute: Any = getattr(_STANDARD, "_execute_child", None)
    code = getattr(execute, "__code__", None)
    return (
        code is not None
        and " ".join(code.co_varnames[: code.co_argcount]) == _PARAMETERS
        and hasattr(_STANDARD, "_close_pipe_fds")
    )


_STANDARD: type[subprocess.Popen[Any]] = subprocess.Popen
_IS_OURS = _knows_its_base()


def popen_class() -> type[subprocess.Popen[Any]]:
    """Return the class of processes: the standard library's if a program has replaced it, or has forbidden `vfork`."""
    if _IS_OURS and subprocess.Popen is _STANDARD and getattr(subprocess, "_USE_VFORK", True):
        return Popen
    return subprocess.Popen


def take_pidfd(process: subprocess.Popen[Any]) -> int | None:
    """Return the descriptor that was made with the process, which is the caller's from here on."""
    if not isinstance(process, Popen):
        return None
    pidfd, process._pidfd = process._pidfd, None
    return pidfd
