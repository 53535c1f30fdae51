"""Signals: the pipe through which the interpreter ends the loop's sleep, and the user's signal handlers.

The interpreter's own handler, which runs at once in whatever thread the kernel chose, writes the number of
every signal that has a Python handler into the wakeup file descriptor of the process. A loop that runs in the
main thread makes that its own pipe, and so always wakes. Handlers that were set by `signal.signal` are called
by the interpreter, between bytecodes or when the native loop asks it to after a poll; those that were set by
`add_signal_handler` are scheduled here, when the pipe is read.

There is one wakeup file descriptor for the process. A loop takes it for as long as it runs, and keeps it while
it has signal handlers; what stood there comes back afterwards, and until then is passed whatever signals the
loop has no handler for.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import signal
import sys
import threading
import warnings
from asyncio.log import logger
from typing import TYPE_CHECKING, Any, TypeVarTuple
from weakref import WeakValueDictionary

from aioxide.callbacks import is_coroutine
from aioxide.foundation import Foundation

if TYPE_CHECKING:
    from collections.abc import Callable

Ts = TypeVarTuple("Ts")

# One read takes all that can reasonably wait; more than that is taken by the next.
_READ_BYTES_MAX = 4096

# Our open pipes by the descriptor that the interpreter knows them by.
_pipes: WeakValueDictionary[int, _SignalPipe] = WeakValueDictionary()


@functools.cache
def _arrange_for_forks() -> None:
    os.register_at_fork(after_in_child=_leave_pipes_to_parent)


def _leave_pipes_to_parent() -> None:
    """Keep the signals of a forked child out of the pipes, which it shares with its parent.

    asyncio does so itself from Python 3.12 on.
    """
    for pipe in _pipes.values():
        pipe.uninstall()
        # Nothing of what stood there before is passed on either: it is the parent's too.
        pipe.forget()


class _SignalPipe:
    """A pipe of signal numbers, which can take the place of the process's wakeup file descriptor."""

    def __init__(self) -> None:
        # Neither end may block: not the interpreter's signal handler, not the loop.
        self.read_fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._is_open = True
        self._is_installed = False
        # Who is to have the place back: one of our pipes, a file descriptor of somebody else, or -1.
        self._before: _SignalPipe | int = -1
        _pipes[self._write_fd] = self
        _arrange_for_forks()

    def install(self, *, has_handlers: bool) -> None:
        """Take the place. Raises ValueError outside of the main thread of the main interpreter."""
        if has_handlers:
            # Each number counts, so that the interpreter is to tell of those that the pipe has no room for.
            before = signal.set_wakeup_fd(self._write_fd)
        else:
            before = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        self._is_installed = True
        before = _number_of(before)
        if before != self._write_fd:
            self._before = _pipes.get(before, before)

    def uninstall(self) -> None:
        """Give the place back, unless somebody else has taken it in the meantime.

        Raises ValueError outside of the main thread of the main interpreter.
        """
        if not self._is_installed:
            return
        current = _number_of(signal.set_wakeup_fd(-1))
        self._is_installed = False
        if current == self._write_fd:
            current = self._before_fd()
        if current != -1:
            try:
                signal.set_wakeup_fd(current, warn_on_full_buffer=False)
            except (ValueError, OSError):
                logger.debug("wakeup file descriptor %d is gone", current)

    def forget(self) -> None:
        """Let nobody have the place back, nor the signals that the loop has no handler for."""
        self._before = -1

    def read(self) -> bytes:
        """Return the numbers of the signals that came since the last read."""
        try:
            return os.read(self.read_fd, _READ_BYTES_MAX)
        except BlockingIOError:
            return b""

    def pass_on(self, signums: bytes) -> None:
        """Give signals that the loop has no handler for to whoever had the place before."""
        fd = self._before_fd()
        if fd == -1:
            return
        try:
            os.write(fd, signums)
        except OSError as exc:
            # As the interpreter does for a full pipe: the other side has long been woken.
            logger.debug("signals could not be passed on: %s", exc)

    def close(self) -> None:
        """Give the place back, and close both ends.

        Raises ValueError, and closes nothing, where the pipe has the place and this is not the main thread:
        the interpreter would go on to write to a number that belongs to somebody else by then.
        """
        if not self._is_open:
            return
        self.uninstall()
        self._is_open = False
        # Gone already where the collector has come first.
        _pipes.pop(self._write_fd, None)
        os.close(self.read_fd)
        os.close(self._write_fd)

    def _before_fd(self) -> int:
        # A pipe of ours that was closed has left its number to others: look behind it.
        before = self._before
        while isinstance(before, _SignalPipe) and not before._is_open:
            before = before._before
        return before._write_fd if isinstance(before, _SignalPipe) else before


def _number_of(before: object) -> int:
    """Return who had the place: a file descriptor, or -1 if a stand-in for `signal.set_wakeup_fd` does not say."""
    return before if isinstance(before, int) else -1


class Signals(Foundation):
    """Signal handlers: add, remove, call."""

    _signal_handlers: dict[int, asyncio.Handle]
    _signal_pipe: _SignalPipe | None

    def __init__(self) -> None:
        super().__init__()
        self._signal_handlers = {}
        self._signal_pipe = None

    def add_signal_handler(self, sig: int, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        """Call back in the loop whenever a signal arrives; replaces the handler there was.

        Args:
            sig: number of the signal.
            callback: called in the loop, where it may do anything.
            args: its positional arguments.

        Raises:
            RuntimeError: the loop is closed, this is not the main thread, or the signal cannot be caught.
            TypeError: `callback` is a coroutine or makes one, or `sig` is not an int.
            ValueError: there is no such signal.

        """
        if is_coroutine(callback):
            raise TypeError("coroutines cannot be used with add_signal_handler()")
        self._check_signal(sig)
        self._check_closed()
        try:
            self._open_signal_pipe().install(has_handlers=True)
        except (ValueError, OSError) as exc:
            raise RuntimeError(str(exc)) from exc
        self._signal_handlers[sig] = asyncio.Handle(callback, args, self)
        try:
            # Whatever handler Python has, the interpreter writes to the pipe; this one does nothing else.
            signal.signal(sig, _heard)
            # System calls under way are to go on: what they wait for has not changed.
            signal.siginterrupt(sig, False)
        except OSError as exc:
            del self._signal_handlers[sig]
            self._release_signals()
            _refuse_uncatchable(sig, exc)
            raise

    def remove_signal_handler(self, sig: int) -> bool:
        """Give a signal back its default action; return whether it had a handler here.

        Args:
            sig: number of the signal.

        Raises:
            RuntimeError: the signal cannot be caught.
            TypeError: `sig` is not an int.
            ValueError: there is no such signal, or this is not the main thread.

        """
        self._check_signal(sig)
        if self._signal_handlers.pop(sig, None) is None:
            return False
        default = signal.default_int_handler if sig == signal.SIGINT else signal.SIG_DFL
        try:
            signal.signal(sig, default)
        except OSError as exc:
            _refuse_uncatchable(sig, exc)
            raise
        self._release_signals()
        return True

    def _check_signal(self, sig: int) -> None:
        if not isinstance(sig, int):
            raise TypeError(f"sig must be an int, not {sig!r}")
        if sig not in signal.valid_signals():
            raise ValueError(f"invalid signal number {sig}")

    def _attend_signals(self) -> None:
        """Let signals end the loop's sleep. Only the main thread hears signals."""
        if not _is_main_thread():
            return
        try:
            self._open_signal_pipe().install(has_handlers=bool(self._signal_handlers))
        except ValueError:
            # A main thread, but of a subinterpreter: those have no signals.
            logger.debug("this interpreter hears no signals")

    def _release_signals(self) -> None:
        """Stop listening to signals, unless the loop runs in the main thread or has signal handlers."""
        pipe = self._signal_pipe
        if pipe is None or not _is_main_thread() or self._thread_id == threading.get_ident():
            return
        if not self._signal_handlers:
            try:
                pipe.uninstall()
            except (ValueError, OSError) as exc:
                logger.info("the wakeup file descriptor could not be given back: %s", exc)
        # The last signals may be somebody else's, who would hear of them in the next run, if there is one.
        self._read_signals()

    def _open_signal_pipe(self) -> _SignalPipe:
        if self._signal_pipe is None:
            pipe = _SignalPipe()
            self._add_reader(pipe.read_fd, self._read_signals)
            self._signal_pipe = pipe
        return self._signal_pipe

    def _read_signals(self) -> None:
        """Schedule the handlers of the signals that came, and pass on the others."""
        pipe = self._signal_pipe
        signums = pipe.read() if pipe is not None else b""
        others = bytes(signum for signum in signums if not self._handle_signal(signum))
        if pipe is not None and others:
            pipe.pass_on(others)

    def _handle_signal(self, sig: int) -> bool:
        """Schedule the handler of a signal; return whether there is one."""
        handle: Any = self._signal_handlers.get(sig)
        if handle is None:
            return False
        if handle.cancelled():
            self.remove_signal_handler(sig)
        elif not self.is_closed():
            self._add_callback(handle)
        return True

    def _close_signals(self) -> None:
        """Remove every handler, and close the pipe."""
        if sys.is_finalizing():
            if self._signal_handlers:
                warnings.warn(
                    f"Closing the loop {self!r} on interpreter shutdown stage, "
                    f"skipping signal handlers removal",
                    ResourceWarning,
                    source=self,
                    stacklevel=2,
                )
                self._signal_handlers.clear()
            return
        for sig in list(self._signal_handlers):
            self.remove_signal_handler(sig)
        pipe, self._signal_pipe = self._signal_pipe, None
        if pipe is not None:
            pipe.close()


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _heard(_signum: int, _frame: object) -> None:
    """Stand where the interpreter wants a handler."""


def _refuse_uncatchable(sig: int, exc: OSError) -> None:
    if exc.errno == errno.EINVAL:
        raise RuntimeError(f"sig {sig} cannot be caught") from exc
