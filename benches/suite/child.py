"""A child process that is talked to in lines, and the reason why it failed when it does."""

import contextlib
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

#: Where ``suite`` can be imported from.
_BENCHES = Path(__file__).resolve().parent.parent
#: Seconds. No row of a full run takes nearly as long; a child that does has hung.
PATIENCE_S = 120.0


class ChildError(Exception):
    """A child process ended, or was ended, without the answer it owed; the text says why."""


class Child:
    """A child process with its standard input and output; killed when its ``with`` block ends."""

    def __init__(
        self,
        command: list[str],
        patience_s: float = PATIENCE_S,
        environment: dict[str, str] | None = None,
    ) -> None:
        # A file, not a pipe: nobody reads while the child runs, and a full pipe would stop it.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            command,
            cwd=_BENCHES,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._hung = False
        self._patience_s = patience_s
        self._alarm = threading.Timer(patience_s, self._give_up)
        self._alarm.daemon = True
        self._alarm.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._alarm.cancel()
        self._process.kill()
        # Also waits for the process and closes the pipes, of which one may still hold what nobody read.
        with contextlib.suppress(BrokenPipeError):
            self._process.__exit__(kind, error, traceback)
        self._errors.close()

    def read(self) -> str:
        """Return the next line; ChildError if there is none."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ChildError(self._reason())
        return line.rstrip("\n")

    def ask(self, line: str) -> str:
        """Send *line* and return the next line; ChildError if the process is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ChildError(self._reason()) from None
        return self.read()

    def _give_up(self) -> None:
        self._hung = True
        self._process.kill()

    def _reason(self) -> str:
        status = self._process.wait()
        if self._hung:
            return f"no answer within {self._patience_s:.0f} s"
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").splitlines()
        # The frame that an exception group is printed in is no reason, and warnings are those of the end.
        stripped = (line.strip(" |+-") for line in lines)
        said = [line for line in stripped if line and "Warning: " not in line]
        if status < 0:
            return f"killed by {signal.Signals(-status).name}" + (f": {said[-1]}" if said else "")
        return said[-1] if said else f"ended with status {status}"


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module of the suite on this interpreter."""
    return [sys.executable, "-m", module, *arguments]
