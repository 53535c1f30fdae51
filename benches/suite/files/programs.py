"""What the rows about files do, whichever library does it: have the files, run, see that nothing is missing."""

import asyncio
import io
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from suite.files import builtin, cold, material
from suite.files.material import BLOCK, LARGE_MIB, MIB, RECORD, SMALL
from suite.stopwatch import Stopwatch

#: Files that are read at once.
TOGETHER = 100
#: Operations by a library, after each of which as many plain calls follow whose time is taken off.
PAIRED = 20
#: Seconds between two ticks, and how long a row with ticks goes on at least.
TICK_S = 0.001
TICKING_S = 1.0
#: Lines and random reads that are done again and again while a task ticks.
TICKED_LINES = 20_000
TICKED_READS = 1_000


class MissingError(Exception):
    """A library has no call for a row, or brought less than there is."""


def call(programs: object, name: str) -> Callable[..., Awaitable[int]]:
    """Return the program called *name*; MissingError where the library has no call for it."""
    try:
        found: Callable[..., Awaitable[int]] = getattr(programs, name)
    except AttributeError:
        raise MissingError("has no call for it") from None
    return found


async def small_files(programs: object, folder: Path, count: int, clock: Stopwatch) -> None:
    """Open, read and close small files, one after the other."""
    read = call(programs, "read_files")
    paths = material.small_files(folder, count)
    with clock:
        _check(await read(paths), count * SMALL)


async def small_files_together(
    programs: object, folder: Path, count: int, clock: Stopwatch
) -> None:
    """Do the same with a hundred at once."""
    read = call(programs, "read_files_together")
    paths = material.small_files(folder, count)
    with clock:
        for first in range(0, count, TOGETHER):
            _check(await read(paths[first : first + TOGETHER]), TOGETHER * SMALL)


async def small_paths(programs: object, folder: Path, count: int, clock: Stopwatch) -> None:
    """Read small files whole by a single call for each, one after the other."""
    read = call(programs, "read_paths")
    paths = material.small_files(folder, count)
    with clock:
        _check(await read(paths), count * SMALL)


async def lines(programs: object, folder: Path, count: int, clock: Stopwatch) -> None:
    """Iterate over the lines of a text."""
    read = call(programs, "count_lines")
    path = material.text(folder, count)
    with clock:
        _check(await read(path), count)


async def in_order(programs: object, folder: Path, count: int, clock: Stopwatch) -> None:
    """Read the large file from beginning to end by reads of a MiB, so often as it takes for *count* MiB."""
    read = call(programs, "read_in_order")
    path = material.large(folder)
    with clock:
        for _ in range(count // LARGE_MIB):
            _check(await read(path), LARGE_MIB * MIB)


async def in_order_cold(programs: object, folder: Path, count: int, clock: Stopwatch) -> None:
    """Do the same each time with none of it in the page cache."""
    read = call(programs, "read_in_order")
    path = material.large(folder)
    for _ in range(count // LARGE_MIB):
        cold.drop(path)
        with clock:
            _check(await read(path), LARGE_MIB * MIB)


async def at_random(programs: object, folder: Path, count: int, clock: Stopwatch) -> None:
    """Read blocks of the large file here and there."""
    read = call(programs, "read_at")
    path, offsets = material.large(folder), material.offsets(count)
    with clock:
        _check(await read(path, offsets), count * BLOCK)


async def at_random_cold(programs: object, folder: Path, count: int, clock: Stopwatch) -> None:
    """Do the same with none of it in the page cache at first."""
    cold.drop(material.large(folder))
    await at_random(programs, folder, count, clock)


async def appends(programs: object, folder: Path, count: int, clock: Stopwatch) -> None:
    """Append records, each of which is on the disk before the next."""
    append = call(programs, "append")
    path = folder / "appended.log"
    path.unlink(missing_ok=True)
    with clock:
        await append(path, RECORD, count)
    _check(path.stat().st_size, count * len(RECORD))


async def appends_beyond_the_disk(
    programs: object, folder: Path, count: int, clock: Stopwatch
) -> None:
    """Append records likewise, and take off the time in which plain calls do as much."""
    path, plain_path = folder / "appended.log", folder / "plainly-appended.log"
    path.unlink(missing_ok=True)
    plain_path.unlink(missing_ok=True)
    append, plain = call(programs, "append"), _plain_calls(programs)
    await _beyond(
        lambda: append(path, RECORD, PAIRED),
        lambda: plain.append(plain_path, RECORD, PAIRED),
        count // PAIRED,
        clock,
    )
    _check(path.stat().st_size, count * len(RECORD))


async def at_random_cold_beyond_the_disk(
    programs: object, folder: Path, count: int, clock: Stopwatch
) -> None:
    """Read blocks that are not in the page cache, and take off the time in which plain calls do as much."""
    read, plain = call(programs, "read_at"), _plain_calls(programs)
    path = material.large(folder)
    cold.drop(path)
    offsets = iter(material.offsets(2 * count))
    await _beyond(
        lambda: read(path, [next(offsets) for _ in range(PAIRED)]),
        lambda: plain.read_at(path, [next(offsets) for _ in range(PAIRED)]),
        count // PAIRED,
        clock,
    )


def _plain_calls(programs: object) -> builtin.Programs:
    if isinstance(programs, builtin.Programs):
        raise MissingError("is what is taken off")
    return builtin.Programs(io)


async def _beyond(
    operations: Callable[[], Awaitable[object]],
    plain: Callable[[], Awaitable[object]],
    rounds: int,
    clock: Stopwatch,
) -> None:
    """Add to *clock* what *operations* take beyond *plain*, in the median of *rounds*.

    What a disk takes itself changes by a third within a minute, by more than libraries differ.
    """
    watches = []
    for _ in range(rounds):
        watches.append((Stopwatch(), Stopwatch()))
        for watch, work in zip(watches[-1], (operations, plain), strict=True):
            with watch:
                await work()
    # By the clock only: a thread of the kernel that polls for a library does so beside the plain calls, too.
    beyond = statistics.median(theirs.wall_ns - own.wall_ns for theirs, own in watches)
    if beyond <= 0:
        raise MissingError("takes no longer than plain calls")
    clock.wall_ns += int(beyond * rounds)


async def ticks_beside_small_files(programs: object, folder: Path) -> dict[str, float]:
    """Read small files, a hundred at once, while a task ticks."""
    read = call(programs, "read_files_together")
    paths = material.small_files(folder, TOGETHER)
    return await _ticks_beside(lambda: read(paths))


async def ticks_beside_lines(programs: object, folder: Path) -> dict[str, float]:
    """Iterate over lines while a task ticks."""
    read = call(programs, "count_lines")
    path = material.text(folder, TICKED_LINES)
    return await _ticks_beside(lambda: read(path))


async def ticks_beside_reads(programs: object, folder: Path) -> dict[str, float]:
    """Read the large file in order while a task ticks."""
    read = call(programs, "read_in_order")
    path = material.large(folder)
    return await _ticks_beside(lambda: read(path))


async def ticks_beside_random_reads(programs: object, folder: Path) -> dict[str, float]:
    """Read blocks here and there while a task ticks."""
    read = call(programs, "read_at")
    path, offsets = material.large(folder), material.offsets(TICKED_READS)
    return await _ticks_beside(lambda: read(path, offsets))


async def ticks_beside_appends(programs: object, folder: Path) -> dict[str, float]:
    """Append records, each with an fsync, while a task ticks."""
    append = call(programs, "append")
    path = folder / "appended.log"
    return await _ticks_beside(lambda: append(path, RECORD, 100))


async def ticks_beside_nothing(programs: object, folder: Path) -> dict[str, float]:
    """Do nothing while a task ticks: what is seen then is the machine's."""
    return await _ticks_beside(lambda: asyncio.sleep(TICKING_S, 0))


async def _ticks_beside(work: Callable[[], Awaitable[int]]) -> dict[str, float]:
    """Do *work* again and again, and return by how much a task that sleeps meanwhile wakes late."""
    await work()
    late_ns: list[int] = []
    busy_ns: list[int] = []

    async def tick() -> None:
        while True:
            due = time.perf_counter_ns() + round(TICK_S * 1e9)
            began = time.thread_time_ns()
            await asyncio.sleep(TICK_S)
            late_ns.append(time.perf_counter_ns() - due)
            busy_ns.append(time.thread_time_ns() - began)

    ticking = asyncio.create_task(tick())
    end = time.perf_counter() + TICKING_S
    while time.perf_counter() < end:
        await work()
    # Once more, so that a task which was never let run has waited for all of it.
    await asyncio.sleep(2 * TICK_S)
    ticking.cancel()
    return {
        "late_p99_ns": statistics.quantiles(late_ns, n=100)[-1],
        "late_max_ns": max(late_ns),
        "busy_p99_ns": statistics.quantiles(busy_ns, n=100)[-1],
    }


def _check(seen: int, expected: int) -> None:
    if seen != expected:
        raise MissingError(f"brought {seen} of {expected}")
