"""Prints what a session found: a table, what is wrong in detail, and a closing line of three counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from outcome import Outcome, Status
from session import Report
from verdict import Verdict

# Details of one failure, unless all are asked for: a traceback ends with what matters, stacks begin with it.
_TRACEBACK_LINES_MAX = 3
_STACK_LINES_MAX = 14


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up; the first row is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(_pad, row, widths)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _pad(cell: str, width: int) -> str:
    return cell.ljust(width)


def session_table(reports: Sequence[Report]) -> str:
    """One row per file that has tests, and a total."""
    with_control = any(report.control for report in reports)
    heading = ["file", "passed/run", "excused", "failed", "flaky", "upstream", "skipped", "seconds"]
    if with_control:
        heading.append("stdlib")
    rows = [heading]
    for report in reports:
        if report.verdict.ran or report.verdict.skipped or not report.verdict.good:
            row = _cells(report.verdict.file, [report.verdict])
            rows.append([*row, _control_cell([report])] if with_control else row)
    total = _cells("total", [report.verdict for report in reports])
    rows.append([*total, _control_cell(reports)] if with_control else total)
    return table(rows)


def _cells(name: str, verdicts: Sequence[Verdict]) -> list[str]:
    def count(kind: str) -> str:
        return str(sum(len(getattr(verdict, kind)) for verdict in verdicts))

    passed = sum(len(verdict.passed) + len(verdict.flaky) for verdict in verdicts)
    ran = sum(verdict.ran for verdict in verdicts)
    kinds = ("excused", "failed", "flaky", "upstream", "skipped")
    seconds = sum(verdict.seconds for verdict in verdicts)
    return [name, f"{passed}/{ran}", *map(count, kinds), f"{seconds:.1f}"]


def _control_cell(reports: Iterable[Report]) -> str:
    outcomes = [
        outcome
        for report in reports
        if report.control
        for outcome in report.control.outcomes.values()
        if outcome.status is not Status.SKIPPED
    ]
    passed = sum(outcome.status is Status.PASSED for outcome in outcomes)
    return f"{passed}/{len(outcomes)}"


def problems(reports: Sequence[Report], *, verbose: bool) -> str:
    """Everything somebody has to look at: failures, stale excuses, flaky tests, upstream's failures."""
    lines: list[str] = []
    for report in reports:
        verdict = report.verdict
        for title, outcomes in (
            ("FAILED", verdict.failed),
            ("flaky", verdict.flaky),
            ("fails on the stdlib too", verdict.upstream),
        ):
            for outcome in outcomes:
                lines += _describe(title, outcome, verbose=verbose)
        lines += [f"STALE EXCUSE {complaint}" for complaint in verdict.stale]
    return "\n".join(lines)


def _describe(title: str, outcome: Outcome, *, verbose: bool) -> list[str]:
    detail = outcome.detail.strip().splitlines()
    if verbose:
        shown = detail
    elif outcome.status is Status.FAILED:
        shown = detail[-_TRACEBACK_LINES_MAX:]
    else:
        shown = detail[:_STACK_LINES_MAX]
    mark = " (white box)" if outcome.white_box else ""
    return [f"{title} {outcome.test}: {outcome.status}{mark}", *("    " + line for line in shown)]


def closing_line(reports: Sequence[Report]) -> str:
    """`N passed, N failed, N skipped`: flaky tests passed in the end, stale excuses are failures."""
    verdicts = [report.verdict for report in reports]
    passed = sum(len(v.passed) + len(v.flaky) for v in verdicts)
    failed = sum(len(v.failed) + len(v.stale) for v in verdicts)
    skipped = sum(len(v.skipped) + len(v.excused) + len(v.upstream) for v in verdicts)
    return f"{passed} passed, {failed} failed, {skipped} skipped"


def as_json(reports: Sequence[Report]) -> dict[str, Any]:
    """The verdicts by file, as JSON's own types."""
    kinds = ("passed", "skipped", "excused", "flaky", "upstream", "failed")
    return {
        report.verdict.file: {
            **{
                kind: [outcome.as_json() for outcome in getattr(report.verdict, kind)]
                for kind in kinds
            },
            "stale": report.verdict.stale,
            "seconds": report.verdict.seconds,
        }
        for report in reports
    }
