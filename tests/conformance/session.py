"""Runs many upstream files against one target: side by side, failures again alone, control beside."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from driver import run_file
from excuses import Excuse
from outcome import FileRun, Order, Outcome
from verdict import Evidence, Verdict, judge, missing

CONTROL = "stdlib"

# A file with more failures than this is broken, not flaky: running them all again would tell nothing.
_RETRIES_MAX = 12


@dataclass(frozen=True, slots=True)
class Options:
    """What to run and how."""

    target: str
    files: tuple[str, ...]
    match: str
    jobs: int
    hang_seconds: float
    white_box: bool
    control: bool
    """Run the stdlib's loop beside the target."""
    retry: bool
    """Run each failure once more, alone."""
    hanging: bool
    """Run also the excused tests that are known to hang."""


@dataclass(frozen=True, slots=True)
class Report:
    """A session's result for one file: the verdict, and how the control did if it ran."""

    verdict: Verdict
    control: FileRun | None


def upstream_files() -> list[str]:
    """The test files that the running Python brings.

    Raises:
        ModuleNotFoundError: This Python was installed without its tests.
    """
    package = import_module("test.test_asyncio")
    return sorted(path.stem for path in Path(package.__path__[0]).glob("test_*.py"))


def run_session(
    options: Options,
    excuses: Mapping[str, Excuse],
    progress: Callable[[FileRun, str], None],
) -> list[Report]:
    """Run everything the options ask for, and judge it.

    Args:
        options: What to run and how.
        excuses: The target's excuses on this Python, by test.
        progress: Called with each file as it is done, and the target it ran on.
    """

    def run(target: str, file: str) -> FileRun:
        result = run_file(_order(options, excuses, target, file), hang_seconds=options.hang_seconds)
        progress(result, target)
        return result

    with ThreadPoolExecutor(options.jobs) as pool:
        ours = [pool.submit(run, options.target, file) for file in options.files]
        theirs = [pool.submit(run, CONTROL, file) for file in options.files if options.control]
    controls = {future.result().file: future.result() for future in theirs}
    return [
        _report(future.result(), controls.get(future.result().file), options, excuses)
        for future in ours
    ]


def _order(options: Options, excuses: Mapping[str, Excuse], target: str, file: str) -> Order:
    hanging = {excuse.test for excuse in excuses.values() if excuse.hangs}
    return Order(
        target=target,
        file=file,
        match=options.match,
        skip=frozenset() if options.hanging or target == CONTROL else frozenset(hanging),
        white_box=options.white_box,
    )


def _report(
    run: FileRun, control: FileRun | None, options: Options, excuses: Mapping[str, Excuse]
) -> Report:
    alone = _again_alone(run, options, excuses) if options.retry else {}
    if control is not None:
        _control_again(control, alone, options)
    verdict = judge(run, Evidence(excuses, alone, control))
    if run.found:
        verdict.stale += missing(run, excuses.values())
    return Report(verdict, control)


def _again_alone(
    run: FileRun, options: Options, excuses: Mapping[str, Excuse]
) -> dict[str, Outcome]:
    """Run each failure that is not excused once more, with nothing beside it."""
    failures = [
        outcome.test
        for outcome in run.outcomes.values()
        if outcome.bad and outcome.test not in excuses and outcome.test in run.found
    ]
    alone: dict[str, Outcome] = {}
    if len(failures) > _RETRIES_MAX:
        return alone
    for test in failures:
        print(f"again, alone: {test}", file=sys.stderr, flush=True)
        order = Order(options.target, run.file, only=frozenset({test}))
        alone.update(run_file(order, hang_seconds=options.hang_seconds).outcomes)
    return alone


def _control_again(control: FileRun, alone: Mapping[str, Outcome], options: Options) -> None:
    """Run on the stdlib's loop, now, what just failed twice: the machine may have changed meanwhile."""
    for again in alone.values():
        if again.bad and again.test in control.found:
            order = Order(CONTROL, control.file, only=frozenset({again.test}))
            outcomes = run_file(order, hang_seconds=options.hang_seconds).outcomes.values()
            for outcome in outcomes:
                if outcome.bad:
                    control.record(outcome)
