"""Runs CPython's own asyncio tests against one target, on the Python that runs this file.

Called as `python tests/conformance/run.py --target aioxide --files test_events,test_streams`.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import report
from adapt import swapped_names
from excuses import load
from outcome import FileRun, Status
from session import Options, run_session, upstream_files

_TARGETS = Path(__file__).parent / "targets"

# Targets that are a package of the same name, rather than made of the stdlib.
_INSTALLED = ("aioxide", "uvloop", "rloop")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for. Return 1 if anything failed or an excuse is stale."""
    asked = _parser().parse_args(arguments)
    try:
        present = upstream_files()
    except ModuleNotFoundError:
        print(f"{sys.executable} was installed without test.test_asyncio", file=sys.stderr)
        return 2
    if asked.target in _INSTALLED and find_spec(asked.target) is None:
        print(f"{asked.target} is not installed for {sys.executable}", file=sys.stderr)
        return 2
    options = _options(asked, present)
    if unknown := set(options.files) - set(present):
        print(f"this Python has no {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    began = time.monotonic()
    reports = run_session(options, load(options.target, sys.version_info[:2]), _progress)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"\n{options.target} on {python}, {time.monotonic() - began:.0f} s\n")
    names = swapped_names(import_module(f"targets.{options.target}"))
    print(f"In asyncio's place: {', '.join(sorted(names))}\n")
    print(report.session_table(reports))
    if found := report.problems(reports, verbose=asked.verbose):
        print("\n" + found)
    if asked.json:
        content = {"target": options.target, "python": python, "files": report.as_json(reports)}
        asked.json.write_text(json.dumps(content, indent=1))
    print("\n" + report.closing_line(reports))
    return 0 if all(each.verdict.good for each in reports) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    targets = sorted(path.stem for path in _TARGETS.glob("[a-z]*.py"))
    parser.add_argument("--target", choices=targets, default="aioxide")
    parser.add_argument("--files", default="", help="comma-separated; default: all there are")
    parser.add_argument("--match", default="", help="only tests whose name contains this")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="files side by side (default: 2)")
    parser.add_argument("--hang", type=float, default=40, metavar="SECONDS", help="default: 40")
    parser.add_argument("--control", action="store_true", help="run the stdlib's loop beside it")
    parser.add_argument("--no-retry", action="store_true", help="do not run failures again, alone")
    parser.add_argument("--run-hanging", action="store_true", help="also excused tests that hang")
    parser.add_argument(
        "--no-white-box",
        action="store_true",
        help="leave out the classes that mostly look inside the stdlib's loop",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every outcome here")
    parser.add_argument("-v", "--verbose", action="store_true", help="whole tracebacks")
    return parser


def _options(asked: argparse.Namespace, present: Sequence[str]) -> Options:
    return Options(
        target=asked.target,
        files=tuple(asked.files.split(",") if asked.files else present),
        match=asked.match,
        jobs=asked.jobs,
        hang_seconds=asked.hang,
        white_box=not asked.no_white_box,
        control=asked.control,
        retry=not asked.no_retry,
        hanging=asked.run_hanging,
    )


def _progress(run: FileRun, target: str) -> None:
    """One line on stderr per file, so that a long run shows that it lives."""
    bad = sum(outcome.bad for outcome in run.outcomes.values())
    passed = sum(outcome.status is Status.PASSED for outcome in run.outcomes.values())
    text = f"{target:8} {run.file:26} {passed:4} passed {bad:3} not {run.seconds:6.1f} s"
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
