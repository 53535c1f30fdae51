"""Finds out what each event loop of this interpreter can do, and writes it to a file as JSON.

    python tests/compatibility/measure.py tests/compatibility/results/3.13.json

Each loop is tried in a child process, which a loop may hang or abort as it likes: the next child goes on behind the
probe that ended the last one. `--loops` leaves out all but the loops it names. `page.py` makes the tables of the
documentation of the files.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import worker

LOOPS = ("asyncio", "uvloop", "rloop", "rsloop", "zuvloop", "aioxide")

_WORKER = Path(__file__).with_name("worker.py")


@dataclass(slots=True)
class Measured:
    """What has been found out about one loop."""

    version: str
    """As its distribution says; asyncio's is that of Python."""
    parameters: dict[str, list[str] | None] = field(default_factory=dict)
    """The parameters of each method in order, or None where the loop does not tell."""
    outcomes: dict[str, list[str]] = field(default_factory=dict)
    """For each probe, a word (yes, no, differs, fails, hangs, crashes) and what goes with it."""


def main() -> None:
    """Measure every loop that is installed."""
    arguments = _arguments()
    measured = {}
    for name in arguments.loops:
        if importlib.util.find_spec(name) is None:
            print(f"{name}: not installed", file=sys.stderr)
            continue
        found, unprobed = measure(name)
        if unprobed:
            raise SystemExit(f"No probe tries these: {', '.join(unprobed)}")
        measured[name] = found
        bad = [
            f"{probe}: {' '.join(out)}" for probe, out in found.outcomes.items() if out[0] != "yes"
        ]
        print(f"{name}: {len(found.outcomes) - len(bad)} of {len(found.outcomes)}", file=sys.stderr)
        if arguments.verbose:
            print(*bad, sep="\n", file=sys.stderr)
    result = {
        "python": platform.python_version(),
        "loops": {
            name: {
                "version": one.version,
                "parameters": one.parameters,
                "outcomes": one.outcomes,
            }
            for name, one in measured.items()
        },
    }
    text = json.dumps(result, indent=1) + "\n"
    if arguments.file == "-":
        sys.stdout.write(text)
    else:
        Path(arguments.file).write_text(text, encoding="utf-8")


def measure(name: str) -> tuple[Measured, list[str]]:
    """Try every probe on one loop. Returns what was found, and the keywords for which there is no probe."""
    found = Measured(_version(name))
    unprobed: list[str] = []
    first: str | None = next(iter(worker.PROBES))
    while first is not None:
        started = None
        lines, status = _child(name, first)
        for line in lines:
            if "unprobed" in line:
                unprobed, found.parameters = line["unprobed"], line["parameters"]
            elif "started" in line:
                started = line["started"]
            else:
                found.outcomes[line["ended"]] = [line["outcome"], line["detail"]]
        if started is None:
            raise SystemExit(f"{name} does not start")
        if started not in found.outcomes:
            # What one program tries for several names is not tried again.
            fatal = worker.PROBES[started].function
            same = [each for each, probe in worker.PROBES.items() if probe.function is fatal]
            found.outcomes |= dict.fromkeys(same, _death(status))
        first = next((each for each in worker.PROBES if each not in found.outcomes), None)
    return found, unprobed


def _child(name: str, first: str) -> tuple[list[dict[str, Any]], int]:
    """Run a child to its end, and return what it reported and its exit status."""
    reading, writing = os.pipe()
    child = subprocess.Popen(
        [sys.executable, str(_WORKER), name, first, str(writing)],
        pass_fds=[writing],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with open(reading, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    return lines, child.wait()


def _death(status: int) -> list[str]:
    """Say how a child ended in the middle of a probe."""
    if status == -signal.SIGALRM:
        return ["hangs", "never ends"]
    return [
        "crashes",
        f"ends the process ({signal.Signals(-status).name if status < 0 else status})",
    ]


def _version(name: str) -> str:
    if name == "asyncio":
        return platform.python_version()
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        # A checkout that was built but not installed.
        return str(getattr(importlib.import_module(name), "__version__", "of unknown version"))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", help="where to write to; - for stdout")
    parser.add_argument("--loops", nargs="+", choices=LOOPS, default=LOOPS, help="only these loops")
    parser.add_argument("--verbose", action="store_true", help="name all that is not a yes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
