"""Run one row about files by one library in this fresh process and print its figures as one line of JSON.

``python -m suite.file_child LIBRARY --probe`` only says which version of the library works here.
"""

import argparse
import asyncio
import gc
import json
import os
import statistics
import sys
from asyncio import AbstractEventLoop
from dataclasses import asdict
from pathlib import Path

from suite.files import libraries
from suite.files.cold import StillHotError
from suite.files.programs import MissingError
from suite.files.rows import ROWS, FileRow
from suite.results import Sample
from suite.stopwatch import Stopwatch


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--row")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--count", type=int)
    parser.add_argument("--repeat", type=int)
    options = parser.parse_args()
    loop = libraries.new_event_loop(options.library)
    asyncio.set_event_loop(loop)
    programs = libraries.load(options.library)
    if options.probe:
        print(json.dumps({"version": libraries.version(options.library)}))
        return
    row = next(row for row in ROWS if row.name == options.row)
    try:
        if isinstance(row, FileRow):
            sample = _measure(loop, row, programs, options)
        else:
            sample = Sample(loop.run_until_complete(row.program(programs, options.folder)))
    except (MissingError, StillHotError) as reason:
        sys.exit(str(reason))
    print(json.dumps(asdict(sample)), flush=True)
    # Ending is not under test, and a loop that hangs in it would spoil a good figure.
    os._exit(0)


def _measure(
    loop: AbstractEventLoop, row: FileRow, programs: object, options: argparse.Namespace
) -> Sample:
    """Return the medians over the repetitions, in nanoseconds per operation."""

    def run_once(count: int) -> Stopwatch:
        gc.collect()
        clock = Stopwatch()
        loop.run_until_complete(row.program(programs, options.folder, count, clock))
        return clock

    run_once(row.whole(options.count // 10))
    watches = [run_once(options.count) for _ in range(options.repeat)]
    return Sample(
        {
            "cpu_ns": statistics.median(watch.cpu_ns for watch in watches) / options.count,
            "wall_ns": statistics.median(watch.wall_ns for watch in watches) / options.count,
        }
    )


if __name__ == "__main__":
    main()
