"""What became of one upstream test, and how a child process tells its driver.

A child writes one JSON object per line: `found` (every test the file holds), `started`, `ended`, and at
the very end `finished`. What is missing tells the driver what a crash or a hang interrupted.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How one test ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    HUNG = "hung"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One test and its end.

    `test` reads `file.Class.method`. `white_box` marks tests that look inside the stdlib's own loop.
    """

    test: str
    status: Status
    detail: str = ""
    seconds: float = 0.0
    white_box: bool = False

    @property
    def bad(self) -> bool:
        """Whether the test neither passed nor excused itself."""
        return self.status not in (Status.PASSED, Status.SKIPPED)

    @property
    def reason(self) -> str:
        """The last line of the detail: for a traceback, the exception."""
        lines = self.detail.strip().splitlines()
        return lines[-1].strip() if lines else ""

    def as_json(self) -> dict[str, Any]:
        """The outcome as JSON's own types."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Outcome:
        """The outcome that `as_json` wrote."""
        return cls(**{**fields, "status": Status(fields["status"])})


@dataclass(frozen=True, slots=True)
class Order:
    """What one child process is asked to run."""

    target: str
    """Name of a module under targets/."""
    file: str
    """Name of a module of test.test_asyncio."""
    match: str = ""
    """Only tests whose name contains this."""
    only: frozenset[str] | None = None
    """Only these tests, if given."""
    skip: frozenset[str] = frozenset()
    """Not these tests: they already ran, or are known to hang."""
    white_box: bool = True
    """Whether to run the tests that look inside the stdlib's own loop."""

    def wants(self, test: str) -> bool:
        """Whether the order covers this test."""
        chosen = self.only is None or test in self.only
        return chosen and self.match in test and test not in self.skip

    def as_json(self) -> dict[str, Any]:
        """The order as JSON's own types."""
        only = None if self.only is None else sorted(self.only)
        return {**asdict(self), "only": only, "skip": sorted(self.skip)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Order:
        """The order that `as_json` wrote."""
        only = None if fields["only"] is None else frozenset(fields["only"])
        return cls(**{**fields, "only": only, "skip": frozenset(fields["skip"])})


@dataclass(slots=True)
class FileRun:
    """Everything one upstream file gave, over however many children it took."""

    file: str
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    found: set[str] = field(default_factory=set)
    """Every test the file holds for this target, run or not."""
    seconds: float = 0.0

    def record(self, outcome: Outcome) -> None:
        """Keep the outcome, in place of an earlier one of the same test."""
        self.outcomes[outcome.test] = outcome
