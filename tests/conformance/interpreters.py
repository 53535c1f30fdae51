"""Finds the CPythons of this machine that the suite should run on.

`AIOXIDE_PYTHONS` comes first: commands separated by colons, each an interpreter, or a wrapper and the
interpreter it is to start (`/srv/py314/enter python3.14`). Then what is on PATH, in pyenv and in /usr/bin.
The first that works serves its version.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VERSIONS = ("3.11", "3.12", "3.13", "3.14", "3.15")

ENVIRONMENT = "AIOXIDE_PYTHONS"

# Starting an interpreter takes far less, also through a wrapper on a machine that is busy.
_PROBE_SECONDS_MAX = 60

_PROBE = """
import importlib.util, json, platform, sys
if sys.implementation.name != "cpython":
    raise SystemExit("not CPython")
has_tests = False
if importlib.util.find_spec("test") is not None:
    has_tests = importlib.util.find_spec("test.test_asyncio") is not None
print(json.dumps([list(sys.version_info[:2]), platform.python_version(), has_tests]))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """One CPython that starts."""

    command: tuple[str, ...]
    """How to start it; all but the last part is a wrapper that anything else in its world needs too."""
    version: str
    """`3.13`"""
    release: str
    """`3.13.2`"""
    has_tests: bool
    """Whether it brings test.test_asyncio."""

    @property
    def wrapper(self) -> tuple[str, ...]:
        """What has to precede a command for it to run where this interpreter runs."""
        return self.command[:-1]


def find() -> dict[str, Interpreter]:
    """The interpreter to use for each version, by version, for the versions that have one.

    One that brings the tests wins over one that does not, then the earlier candidate.
    """
    chosen: dict[str, Interpreter] = {}
    for command in _candidates():
        found = _probe(command)
        if found is None or found.version not in VERSIONS:
            continue
        known = chosen.get(found.version)
        if known is None or (found.has_tests and not known.has_tests):
            chosen[found.version] = found
    return chosen


def _candidates() -> Iterator[tuple[str, ...]]:
    for command in os.environ.get(ENVIRONMENT, "").split(os.pathsep):
        if command.strip():
            yield tuple(shlex.split(command))
    for version in VERSIONS:
        yield (f"python{version}",)
        yield from _pyenv(version)
        yield (f"/usr/bin/python{version}",)


def _pyenv(version: str) -> Iterator[tuple[str, ...]]:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for python in sorted(root.glob(f"versions/{version}.*/bin/python"), reverse=True):
        yield (str(python),)


def _probe(command: tuple[str, ...]) -> Interpreter | None:
    """Start the interpreter and ask what it is. None if it does not start or is no CPython."""
    try:
        answer = subprocess.run(
            [*command, "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS_MAX,
            check=True,
        )
        (major, minor), release, has_tests = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Interpreter(command, f"{major}.{minor}", release, has_tests)
