"""Runs every test of the project, one runner after the other, and adds up what they report.

Each runner's output is passed on as it comes. The last line is the sum, as `N passed, N failed, N skipped`; the exit
status is 0 if every runner was content.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent

# CPython's own tests of what is ours so far, on the event loop of this package.
CONFORMANCE_FILES = (
    "test_events",
    "test_base_events",
    "test_runners",
    "test_context",
    "test_pep492",
    "test_sock_lowlevel",
    "test_server",
    "test_streams",
    "test_buffered_proto",
    "test_unix_events",
    "test_eager_task_factory",
    "test_tasks",
    "test_locks",
    "test_queues",
    "test_taskgroups",
    "test_timeouts",
    "test_waitfor",
    "test_threads",
    "test_subprocess",
)

# How each runner words what it counts. The kinds not named here (measured, filtered out …) are no outcomes.
OUTCOME_BY_WORD = {
    "passed": "passed",
    "failed": "failed",
    "error": "failed",
    "errors": "failed",
    "timed out": "failed",
    "xpassed": "failed",
    "skipped": "skipped",
    "ignored": "skipped",
    "xfailed": "skipped",
}
_COUNT = re.compile(rf"(\d+) ({'|'.join(OUTCOME_BY_WORD)})\b")

# The lines that close a run: cargo nextest's, cargo test's (one for each binary), pytest's, and our own.
_CLOSING = re.compile(
    r"^\s*Summary \[.*tests? run:|^test result: |^=+ .* in [\d.:]+s.* =+$|^\d+ passed, \d+ failed, \d+ skipped$"
)
_COLOUR = re.compile(r"\x1b\[[\d;]*m")


@dataclass
class Stage:
    """One runner: what it is called, how it is started, and what came of it."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    status: int = 0
    seconds: float = 0.0

    def run(self) -> None:
        """Run to the end, passing on every line and counting by those that close a run."""
        print(f"\n--- {self.name}: {' '.join(self.command)}", flush=True)
        began = time.monotonic()
        process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                print(line, end="", flush=True)
                self.counts += counted(line)
        self.status = process.wait()
        self.seconds = time.monotonic() - began


def counted(line: str) -> Counter[str]:
    """Return the outcomes that a closing line reports, and nothing for any other line."""
    line = _COLOUR.sub("", line)
    counts: Counter[str] = Counter()
    if _CLOSING.search(line):
        for number, word in _COUNT.findall(line):
            counts[OUTCOME_BY_WORD[word]] += int(number)
    return counts


def stages() -> Iterator[Stage]:
    """Name every runner, the quick ones first."""
    if shutil.which("cargo-nextest"):
        nextest = ["cargo", "nextest", "run", "--package", "aioxide-engine", "--locked"]
        # It shows each test as it runs, which no file needs to keep.
        yield Stage("engine", [*nextest, "--status-level", "fail", "--no-tests", "warn"])
    else:
        yield Stage(
            "engine",
            ["cargo", "test", "--package", "aioxide-engine", "--lib", "--tests", "--locked"],
        )
    yield Stage(
        "engine's examples", ["cargo", "test", "--package", "aioxide-engine", "--doc", "--locked"]
    )
    yield Stage(
        "engine under loom",
        [
            "cargo",
            "test",
            "--package",
            "aioxide-engine",
            "--test",
            "loom",
            "--locked",
            "--profile",
            "dev-release",
        ],
        # A folder of its own, as the flag changes every crate; three preemptions find what more would find, in
        # seconds instead of hours.
        {"RUSTFLAGS": "--cfg loom", "CARGO_TARGET_DIR": "target/loom", "LOOM_MAX_PREEMPTIONS": "3"},
    )
    yield Stage("Python", [sys.executable, "-m", "pytest"])
    # Once more with natives in asyncio's place before anyio and aiohttp are imported. What starts programs of its own
    # would be the same as before.
    installed = [sys.executable, "-m", "aioxide", "-m", "pytest", "tests/ecosystem"]
    yield Stage("natives installed", [*installed, "-k", "aioxide and not storm and not soak"])
    if files := present_conformance_files():
        conformance = [sys.executable, "tests/conformance/run.py", "--target", "aioxide"]
        yield Stage("conformance", [*conformance, "--files", ",".join(files)])


def present_conformance_files() -> list[str]:
    """Return those of the files that this Python's own test suite has; a Python may come without the suite."""
    try:
        import test.test_asyncio as upstream
    except ImportError:
        return []
    folder = Path(upstream.__path__[0])
    return [name for name in CONFORMANCE_FILES if (folder / f"{name}.py").exists()]


def main() -> int:
    """Run everything, even after a failure, and return the exit status."""
    ran = list(stages())
    for stage in ran:
        stage.run()
    print("\n--- all together")
    total: Counter[str] = Counter()
    for stage in ran:
        total += stage.counts
        verdict = "ok" if stage.status == 0 else f"failed, status {stage.status}"
        print(f"{stage.name:<20} {phrase(stage.counts):<40} {stage.seconds:6.0f} s  {verdict}")
    if not present_conformance_files():
        print(
            "conformance          left out: this Python has no test.test_asyncio (Debian: libpython3-testsuite)"
        )
    print(phrase(total))
    return 0 if all(stage.status == 0 for stage in ran) else 1


def phrase(counts: Counter[str]) -> str:
    """Word the counts as every runner of ours does."""
    return f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"


if __name__ == "__main__":
    sys.exit(main())
