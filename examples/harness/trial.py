"""One run of one program on one loop, in a process of its own: what came out, what it cost.

The program gets a process group of its own. When it is over, or when its time is, whatever is left
of the group is killed, so no run can disturb the next.
"""

import difflib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import IO

from .catalogue import FOLDER, Example

# How each loop is asked to run a program: exactly as a user would.
COMMANDS = {
    "asyncio": (sys.executable,),
    "aioxide": (sys.executable, "-m", "aioxide"),
}

# No example takes more than two seconds alone; this is for a machine with a lot else to do.
DEADLINE_S = 60.0

# Words of the interpreter that mean a program was not as well as its exit status says.
COMPLAINTS = (
    "Traceback (most recent call last)",
    "was never awaited",
    "was never retrieved",
    "was destroyed but it is pending",
    "ResourceWarning",
    "Exception ignored",
)


@dataclass(frozen=True)
class Trial:
    """What a run of a program came to.

    CPU time is user and system time of the program and of the children it waited for.
    """

    status: int
    stdout: str
    stderr: str
    wall_s: float
    cpu_s: float
    timed_out: bool
    left_processes: bool

    @property
    def trouble(self) -> str:
        """What was wrong with this run whatever it printed; empty if nothing was."""
        if self.timed_out:
            return f"killed after {self.wall_s:.0f} s"
        if self.status != 0:
            return f"exit status {self.status}"
        if self.left_processes:
            return "left processes behind"
        for complaint in COMPLAINTS:
            if complaint in self.stderr:
                return f"stderr says {complaint!r}"
        return ""


def run_example(example: Example, loop: str, *, deadline_s: float = DEADLINE_S) -> Trial:
    """Run `example` on the named loop. Raises KeyError for a loop that is not in COMMANDS."""
    command = (*COMMANDS[loop], str(example.program), *example.arguments)
    return run_command(command, deadline_s=deadline_s)


def run_command(command: Sequence[str], *, deadline_s: float) -> Trial:
    """Run `command` from the root of the repository, killing it after `deadline_s` seconds."""
    # Files rather than pipes: nobody has to read them while we wait for the end.
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=FOLDER.parent,
            start_new_session=True,
        )
        try:
            timed_out = _wait_for_end(process.pid, deadline_s)
        except BaseException:  # Ctrl-C reaches us only: the program is in a session of its own.
            os.killpg(process.pid, signal.SIGKILL)
            raise
        wall_s = time.perf_counter() - start
        _, wait_status, usage = os.wait4(process.pid, 0)
        # Popen must not look for the process again: it is gone, and this is how it ended.
        process.returncode = os.waitstatus_to_exitcode(wait_status)
        return Trial(
            status=process.returncode,
            stdout=_content(stdout),
            stderr=_content(stderr),
            wall_s=wall_s,
            cpu_s=usage.ru_utime + usage.ru_stime,
            timed_out=timed_out,
            left_processes=_kill_group(process.pid),
        )


def _wait_for_end(pid: int, deadline_s: float) -> bool:
    """Wait until the process has ended, but do not reap it; return whether it had to be killed."""
    timed_out = threading.Event()

    def kill() -> None:
        timed_out.set()
        os.killpg(pid, signal.SIGKILL)

    timer = threading.Timer(deadline_s, kill)
    timer.start()
    try:
        # The process stays a zombie and keeps its number, so a late timer cannot hit a stranger.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    finally:
        timer.cancel()
        timer.join()
    return timed_out.is_set()


def _kill_group(leader: int) -> bool:
    """Kill what is left of the process group of `leader`, return whether there was anything."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="backslashreplace")


@cache
def why_not(module: str) -> str:
    """Say why `module` cannot be imported by this interpreter; empty if it can."""
    trial = run_command((sys.executable, "-c", f"import {module}"), deadline_s=DEADLINE_S)
    if trial.timed_out:
        return f"importing {module} takes for ever"
    if trial.status == 0:
        return ""
    return (
        f"cannot import {module}: {(trial.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    )


def why_skip(example: Example) -> str:
    """Say why `example` cannot run here at all; empty if it can."""
    return "; ".join(filter(None, map(why_not, example.needs)))


def difference(left: str, left_name: str, right: str, right_name: str) -> str:
    """Return a unified diff of two outputs; empty if they are the same."""
    lines = difflib.unified_diff(
        left.splitlines(), right.splitlines(), left_name, right_name, lineterm=""
    )
    return "\n".join(lines)
