"""Judges a run: what passed, what failed, what is excused, and which excuses have gone stale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from excuses import Excuse
from outcome import FileRun, Outcome, Status


@dataclass(slots=True)
class Verdict:
    """One upstream file, judged. Each outcome is in exactly one of the lists."""

    file: str
    passed: list[Outcome] = field(default_factory=list)
    skipped: list[Outcome] = field(default_factory=list)
    """Tests that skip themselves on this machine."""
    excused: list[Outcome] = field(default_factory=list)
    """Failures that the file of excuses accounts for."""
    flaky: list[Outcome] = field(default_factory=list)
    """Failures that passed when run once more, alone."""
    upstream: list[Outcome] = field(default_factory=list)
    """Failures of the stdlib's own loop on this machine too."""
    failed: list[Outcome] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    """Excuses that are no longer true, each with what is wrong about it."""
    seconds: float = 0.0

    @property
    def ran(self) -> int:
        """How many tests ran, or would have if they did not hang."""
        judged = (self.passed, self.excused, self.flaky, self.upstream, self.failed)
        return sum(map(len, judged))

    @property
    def good(self) -> bool:
        """Whether there is nothing here that somebody has to mend."""
        return not self.failed and not self.stale


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known besides the run itself."""

    excuses: Mapping[str, Excuse]
    alone: Mapping[str, Outcome]
    """How tests that failed ended when run once more, alone."""
    control: FileRun | None
    """The same file on the stdlib's loop, if it was run beside."""

    def control_status(self, test: str) -> Status | None:
        """How the stdlib's loop did in this test, if it was asked."""
        if self.control is None or test not in self.control.outcomes:
            return None
        return self.control.outcomes[test].status


def judge(run: FileRun, evidence: Evidence) -> Verdict:
    """Judge every outcome of one file."""
    verdict = Verdict(run.file, seconds=run.seconds)
    for outcome in run.outcomes.values():
        excuse = evidence.excuses.get(outcome.test)
        if excuse is not None and outcome.status is Status.PASSED:
            verdict.passed.append(outcome)
            verdict.stale.append(f"{outcome.test} passes; its excuse says: {excuse.reason}")
        elif excuse is not None:
            (verdict.excused if outcome.bad else verdict.skipped).append(outcome)
        else:
            _judge_unexcused(outcome, evidence, verdict)
    verdict.excused += _not_run(run, evidence.excuses.values())
    return verdict


def _judge_unexcused(outcome: Outcome, evidence: Evidence, verdict: Verdict) -> None:
    control = evidence.control_status(outcome.test)
    again = evidence.alone.get(outcome.test)
    if outcome.status is Status.PASSED:
        verdict.passed.append(outcome)
    elif outcome.status is Status.SKIPPED:
        # A test may skip itself because the loop lacks something; that must not go unseen.
        only_here = control is Status.PASSED
        (verdict.failed if only_here else verdict.skipped).append(outcome)
    elif again is not None and again.status is Status.PASSED:
        verdict.flaky.append(outcome)
    elif control not in (None, Status.PASSED, Status.SKIPPED):
        verdict.upstream.append(outcome)
    else:
        verdict.failed.append(outcome)


def _not_run(run: FileRun, excuses: Iterable[Excuse]) -> list[Outcome]:
    """Excused tests that exist and were left out because they hang."""
    return [
        Outcome(excuse.test, Status.HUNG, excuse.reason)
        for excuse in excuses
        if excuse.hangs and excuse.test in run.found and excuse.test not in run.outcomes
    ]


def missing(run: FileRun, excuses: Iterable[Excuse]) -> list[str]:
    """Complaints about excuses whose test the file does not hold."""
    return [
        f"{excuse.test} does not exist; its excuse says: {excuse.reason}"
        for excuse in excuses
        if excuse.file == run.file and excuse.test not in run.found and not excuse.came_late
    ]
