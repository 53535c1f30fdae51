"""Runs one upstream file in child processes, and charges a crash or a hang to the test in flight.

A child that dies or stalls is replaced by one that goes on with the tests not yet reported.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from outcome import FileRun, Order, Outcome, Status

_WORKER = Path(__file__).parent / "worker.py"

# A file that loses this many children is broken as a whole; going on would only take longer to say so.
_CHILDREN_MAX = 80

# How long a hung child may take to write its stacks; one that is stopped or blocks signals never does.
_LAST_WORDS_SECONDS_MAX = 5

# Enough of a child's last words for the stacks of its threads.
_DETAIL_LINES_MAX = 60

# A line that faulthandler begins with. What went before it is mostly other tests' output.
_STACKS_BEGIN = "Fatal Python error"

# How many lines before that still belong to the end: what a native panic or the C library had to say.
_LEAD_LINES = 4


@dataclass(slots=True)
class _Child:
    """One worker process, the pipe it reports on, and the file that takes its output."""

    process: subprocess.Popen[bytes]
    reports: int
    output: Path
    buffered: bytes = b""


@dataclass(slots=True)
class _Progress:
    """What a child said it was doing when it was last heard."""

    in_flight: dict[str, Any] | None = None
    finished: bool = False
    hung: bool = False


def run_file(order: Order, *, hang_seconds: float) -> FileRun:
    """Run the order to its end.

    Args:
        order: What to run.
        hang_seconds: How long a child may say nothing before it counts as hung.
    """
    began = time.monotonic()
    run = FileRun(order.file)
    for _ in range(_CHILDREN_MAX):
        rest = replace(order, skip=order.skip | run.outcomes.keys())
        with tempfile.TemporaryDirectory(
            prefix="conformance-", ignore_cleanup_errors=True
        ) as scratch:
            with _child(rest, Path(scratch)) as child:
                progress = _follow(child, run, hang_seconds)
                if progress.finished:
                    break
            lost = _charge(order.file, child, progress)
        run.record(lost)
        if progress.in_flight is None:
            break
    run.seconds = time.monotonic() - began
    return run


@contextmanager
def _child(order: Order, scratch: Path) -> Iterator[_Child]:
    """A worker in a folder and a process group of its own, all of which is gone afterwards."""
    folder = scratch / "cwd"
    folder.mkdir()
    output = scratch / "output"
    reports, child_end = os.pipe()
    command = [sys.executable, "-X", "faulthandler", str(_WORKER)]
    command += [json.dumps(order.as_json()), str(child_end)]
    try:
        with output.open("wb") as sink:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=folder,
                pass_fds=(child_end,),
                start_new_session=True,
            )
    finally:
        os.close(child_end)
    try:
        yield _Child(process, reports, output)
    finally:
        _kill_group(process)
        os.close(reports)


def _ask_for_stacks(process: subprocess.Popen[bytes]) -> None:
    """Let faulthandler write where each thread of a hung child stands, which ends the child."""
    process.send_signal(signal.SIGABRT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LAST_WORDS_SECONDS_MAX)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End the child and whatever its tests left running."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _follow(child: _Child, run: FileRun, hang_seconds: float) -> _Progress:
    """Take the child's reports until it ends, or until it has been silent for too long."""
    progress = _Progress()
    os.set_blocking(child.reports, False)
    # The pipe alone cannot tell the end: processes that a test forked may hold it open.
    ended = os.pidfd_open(child.process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(child.reports, selectors.EVENT_READ)
            selector.register(ended, selectors.EVENT_READ)
            while not progress.finished:
                ready = [key.fd for key, _ in selector.select(hang_seconds)]
                if not ready:
                    progress.hung = True
                    _ask_for_stacks(child.process)
                    break
                closed = _take_reports(child, run, progress)
                if ended in ready:
                    break
                if closed:
                    selector.unregister(child.reports)
    finally:
        os.close(ended)
    return progress


def _take_reports(child: _Child, run: FileRun, progress: _Progress) -> bool:
    """Read what the pipe holds now and apply each whole line. Return whether the pipe is closed."""
    closed = False
    with suppress(BlockingIOError):
        while chunk := os.read(child.reports, 65_536):
            child.buffered += chunk
        closed = True
    *lines, child.buffered = child.buffered.split(b"\n")
    for line in lines:
        _apply(json.loads(line), run, progress)
    return closed


def _apply(event: dict[str, Any], run: FileRun, progress: _Progress) -> None:
    match event:
        case {"found": tests}:
            run.found.update(tests)
        case {"started": _}:
            progress.in_flight = event
        case {"ended": fields}:
            run.record(Outcome.from_json(fields))
            progress.in_flight = None
        case {"finished": True}:
            progress.finished = True


def _charge(file: str, child: _Child, progress: _Progress) -> Outcome:
    """The outcome of the test that took its child down; of the file, if no test was in flight."""
    status = Status.HUNG if progress.hung else Status.CRASHED
    how = "silent for too long" if progress.hung else f"exit status {child.process.returncode}"
    detail = "\n".join([how, *_last_words(child.output.read_text(errors="replace").splitlines())])
    if progress.in_flight is None:
        return Outcome(f"{file}.<import>", status, detail)
    flight = progress.in_flight
    return Outcome(flight["started"], status, detail, white_box=flight["white_box"])


def _last_words(lines: list[str]) -> list[str]:
    """The part of a dead child's output that tells how it died."""
    begins = [number for number, line in enumerate(lines) if line.startswith(_STACKS_BEGIN)]
    if not begins:
        return lines[-_DETAIL_LINES_MAX:]
    return lines[max(0, begins[-1] - _LEAD_LINES) :][:_DETAIL_LINES_MAX]
