"""Reads the file of excused tests: which tests of upstream a target fails for a reason that stands.

An excuse is for tests that look inside the stdlib's own loop, or at a difference that the README names; never for
a promise asyncio makes. One that is no longer true is itself a failure: see `verdict.py`.
"""

from __future__ import annotations

import operator
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXCUSES = Path(__file__).with_name("excuses.toml")

Version = tuple[int, int]

_COMPARISONS: dict[str, Callable[[Version, Version], bool]] = {
    "==": operator.eq,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}

_KEYS = {"reason", "tests", "python", "hangs", "came_late"}


class ExcuseError(ValueError):
    """The file of excuses says something that it cannot mean."""


@dataclass(frozen=True, slots=True)
class Excuse:
    """Why one test may fail."""

    test: str
    """The test, as `file.Class.method`."""
    reason: str
    """One line: what the test relies on."""
    hangs: bool
    """The test does not end; it is not run, unless that is asked for."""

    came_late: bool
    """The test came with a bug-fix release; earlier ones of the same version do not have it."""

    @property
    def file(self) -> str:
        """The upstream file the test is in."""
        return self.test.partition(".")[0]


def load(target: str, python: Version, path: Path = EXCUSES) -> dict[str, Excuse]:
    """The excuses of a target that hold on one version of Python, by test.

    Raises:
        ExcuseError: An entry lacks a part, has one too many, or excuses a test twice.
    """
    excuses: dict[str, Excuse] = {}
    for entry in tomllib.loads(path.read_text()).get(target, []):
        _check(entry)
        if not _covers(entry.get("python", ">=3.11"), python):
            continue
        for test in entry["tests"]:
            if test in excuses:
                raise ExcuseError(f"{test} is excused twice")
            excuses[test] = Excuse(
                test, entry["reason"], entry.get("hangs", False), entry.get("came_late", False)
            )
    return excuses


def _check(entry: dict[str, Any]) -> None:
    name = entry.get("reason", entry)
    if unknown := entry.keys() - _KEYS:
        raise ExcuseError(f"unknown keys {sorted(unknown)} in the excuse {name!r}")
    if not entry.get("reason") or not entry.get("tests"):
        raise ExcuseError(f"the excuse {name!r} needs a reason and tests")
    if "\n" in entry["reason"]:
        raise ExcuseError(f"the reason {name!r} has more than one line")


def _covers(versions: str, python: Version) -> bool:
    """Whether a range such as `>=3.12, <3.14` covers this Python."""
    return all(_compare(part.strip(), python) for part in versions.split(","))


def _compare(part: str, python: Version) -> bool:
    match = re.fullmatch(r"(==|>=|<=|>|<)\s*(\d+)\.(\d+)", part)
    if match is None:
        raise ExcuseError(f"{part!r} is no version range: write >=3.12, <3.14 or ==3.13")
    sign, major, minor = match.groups()
    return _COMPARISONS[sign](python, (int(major), int(minor)))
