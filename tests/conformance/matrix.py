"""Runs the suite on every CPython of this machine that aioxide supports, and prints one table.

Called as `python tests/conformance/matrix.py [--target aioxide] [--pythons 3.12,3.13] [options of run.py]`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import interpreters
from builds import BuildError, prepare
from interpreters import Interpreter
from report import table

_RUN = Path(__file__).with_name("run.py")

# How one file did on one interpreter: the outcomes of each kind.
FileCounts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Column:
    """One interpreter's part of the table."""

    version: str
    release: str = ""
    skipped: str = ""
    """Why this interpreter was not run, if it was not."""
    good: bool = True
    files: dict[str, FileCounts] | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite everywhere. Return 1 if it failed anywhere, or could not be run at all."""
    asked, passed_on = _parser().parse_known_args(arguments)
    found = interpreters.find()
    columns = [
        _column(version, found.get(version), asked.target, passed_on)
        for version in asked.pythons.split(",")
    ]
    print("\n" + _combined(columns))
    for column in columns:
        if column.skipped:
            print(f"{column.version} skipped: {column.skipped}")
    ran = [column for column in columns if not column.skipped]
    print("\n" + _closing_line(ran))
    return 0 if ran and all(column.good for column in ran) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], epilog="Further options go to run.py."
    )
    parser.add_argument("--target", default="aioxide")
    parser.add_argument("--pythons", default=",".join(interpreters.VERSIONS), metavar="3.X,3.Y")
    return parser


def _column(
    version: str, interpreter: Interpreter | None, target: str, options: list[str]
) -> Column:
    if interpreter is None:
        where = f"name it in {interpreters.ENVIRONMENT} if it is in an unusual place"
        return Column(version, skipped=f"no CPython {version} found; {where}")
    if not interpreter.has_tests:
        return Column(
            version, skipped=f"{interpreter.command[-1]} was installed without test.test_asyncio"
        )
    print(f"\nCPython {interpreter.release}: {' '.join(interpreter.command)}", flush=True)
    try:
        environment = prepare(interpreter, target)
    except BuildError as error:
        # Not a reason to skip: a version that does not build is a version that does not work.
        print(f"{target} could not be installed: {error}", flush=True)
        return Column(version, interpreter.release, good=False)
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        result = Path(folder) / "result.json"
        command = [*environment.python, str(_RUN), "--target", target, "--json", str(result)]
        done = subprocess.run([*command, *options], check=False)
        files = _counts(json.loads(result.read_text())) if result.exists() else None
    return Column(version, interpreter.release, good=done.returncode == 0, files=files)


def _counts(result: dict[str, Any]) -> dict[str, FileCounts]:
    return {
        file: {kind: len(value) for kind, value in verdict.items() if isinstance(value, list)}
        for file, verdict in result["files"].items()
    }


def _combined(columns: Sequence[Column]) -> str:
    ran = [column for column in columns if not column.skipped]
    files = sorted({file for column in ran for file in column.files or ()})
    rows = [["file", *(column.release for column in ran)]]
    for file in files:
        counts = [(column.files or {}).get(file) for column in ran]
        cells = [_cell([each] if each else []) for each in counts]
        if any(cell != "-" for cell in cells):
            rows.append([file, *cells])
    rows.append(["total", *(_cell(list((column.files or {}).values())) for column in ran)])
    return table(rows)


def _cell(counts: Sequence[FileCounts]) -> str:
    """`passed/run`, and what else there is to say; `-` where there was nothing to run."""
    total = {kind: sum(each[kind] for each in counts) for kind in (counts[0] if counts else ())}
    if not any(total.values()):
        return "-"
    passed = total["passed"] + total["flaky"]
    ran = passed + total["excused"] + total["upstream"] + total["failed"]
    notes = [
        f"{total[kind]} {kind}"
        for kind in ("excused", "failed", "stale", "flaky", "upstream")
        if total[kind]
    ]
    return f"{passed}/{ran}" + (f" ({', '.join(notes)})" if notes else "")


def _closing_line(columns: Sequence[Column]) -> str:
    every = [counts for column in columns for counts in (column.files or {}).values()]

    def count(*kinds: str) -> int:
        return sum(counts[kind] for counts in every for kind in kinds)

    # A column without counts never got as far as a first test.
    failed = count("failed", "stale") + sum(column.files is None for column in columns)
    skipped = count("skipped", "excused", "upstream")
    return f"{count('passed', 'flaky')} passed, {failed} failed, {skipped} skipped"


if __name__ == "__main__":
    sys.exit(main())
