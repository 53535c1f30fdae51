"""Run one row on one loop in this fresh process and print its figures as one line of JSON.

``python -m suite.loop_child LOOP --probe`` only says which version of the loop works here.
"""

import argparse
import asyncio
import gc
import inspect
import json
import os
import statistics
from asyncio import AbstractEventLoop
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

from suite import peers
from suite.results import Sample
from suite.rows import LoopRow, MemoryRow, row_named
from suite.stopwatch import Stopwatch

T = TypeVar("T")


class UnexpectedError(Exception):
    """Something reached the loop's exception handler: the figures are those of a broken run."""


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("loop")
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--row")
    parser.add_argument("--count", type=int)
    parser.add_argument("--repeat", type=int)
    parser.add_argument("--core", type=int)
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    loop = peers.factory(options.loop)()
    asyncio.set_event_loop(loop)
    if options.probe:
        loop.run_until_complete(asyncio.sleep(0))
        print(json.dumps({"version": peers.version(options.loop)}))
    else:
        row = row_named(options.row)
        if isinstance(row, LoopRow):
            sample = _measure(loop, row, options.count, options.repeat)
        elif isinstance(row, MemoryRow):
            sample = Sample(
                _watched(loop, lambda: loop.run_until_complete(row.program(options.count)))
            )
        else:
            parser.error("not a row of this kind")
        print(json.dumps(asdict(sample)), flush=True)
    # Ending is not under test, and a loop that hangs in it would spoil a good figure.
    os._exit(0)


def _measure(loop: AbstractEventLoop, row: LoopRow, count: int, repeat: int) -> Sample:
    """Return the medians over the repetitions, in nanoseconds per operation."""

    def repetitions() -> list[Stopwatch]:
        _run_once(loop, row, row.whole(count // 10))
        return [_run_once(loop, row, count) for _ in range(repeat)]

    watches = _watched(loop, repetitions)
    return Sample(
        figures={
            "cpu_ns": statistics.median(watch.cpu_ns for watch in watches) / count,
            "wall_ns": statistics.median(watch.wall_ns for watch in watches) / count,
        },
        deviation=row.check(loop) if row.check else None,
    )


def _watched(loop: AbstractEventLoop, run: Callable[[], T]) -> T:
    """Return what *run* does; UnexpectedError if the loop's exception handler was called meanwhile."""
    unexpected: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: unexpected.append(context))
    done = run()
    if unexpected:
        context = unexpected[0]
        raise UnexpectedError(f"{context.get('message')}: {context.get('exception')!r}")
    return done


def _run_once(loop: AbstractEventLoop, row: LoopRow, count: int) -> Stopwatch:
    # Collection stays on, as in any program; only the garbage of the set-up is not the row's.
    gc.collect()
    clock = Stopwatch()
    if inspect.iscoroutinefunction(row.program):
        loop.run_until_complete(row.program(count, clock))
    else:
        row.program(loop, count, clock)
    return clock


if __name__ == "__main__":
    main()
