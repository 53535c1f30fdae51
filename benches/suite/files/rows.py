"""Every row about files: its name, its group, how much work it is and which program does it."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

from suite.files import programs
from suite.files.material import LARGE_MIB
from suite.stopwatch import Stopwatch


@dataclass(frozen=True)
class FileRow:
    """A program in one process, by one library, that is timed."""

    #: As in the tables.
    name: str
    group: str
    program: Callable[[object, Path, int, Stopwatch], Coroutine[None, None, None]]
    #: Operations in one repetition of a full run.
    count: int
    #: Operations that are done together: no repetition, however quick the run, does a part of them.
    batch: int = 1
    #: Repetitions, where a single one is long enough.
    repeat_max: int = 3

    def whole(self, count: int) -> int:
        """Return the least number of operations that can be done, not below *count*."""
        return -(-max(count, 1) // self.batch) * self.batch


@dataclass(frozen=True)
class TickRow:
    """The same with a task that ticks beside it, of which it is measured how late it wakes."""

    #: As in the tables.
    name: str
    group: str
    #: Returns the figures of a sample.
    program: Callable[[object, Path], Coroutine[None, None, dict[str, float]]]


ROWS: tuple[FileRow | TickRow, ...] = (
    FileRow("small files, one by one", "files", programs.small_files, 1_000, batch=100),
    FileRow(
        "small files, 100 at once",
        "files",
        programs.small_files_together,
        1_000,
        batch=programs.TOGETHER,
    ),
    FileRow("small files, by one call each", "files", programs.small_paths, 1_000, batch=100),
    FileRow("lines, async for", "files", programs.lines, 200_000, batch=20_000, repeat_max=1),
    FileRow("MiB in order", "files", programs.in_order, LARGE_MIB, batch=LARGE_MIB),
    FileRow(
        "MiB in order, cold", "files", programs.in_order_cold, LARGE_MIB, LARGE_MIB, repeat_max=1
    ),
    FileRow("4 KiB at random", "files", programs.at_random, 5_000, batch=500),
    FileRow("4 KiB at random, cold", "files", programs.at_random_cold, 2_000, batch=500),
    FileRow("append and fsync", "files", programs.appends, 600, batch=100),
    FileRow(
        "append and fsync, beyond the disk",
        "overhead",
        programs.appends_beyond_the_disk,
        1_000,
        batch=25 * programs.PAIRED,
    ),
    FileRow(
        "4 KiB at random, cold, beyond the disk",
        "overhead",
        programs.at_random_cold_beyond_the_disk,
        1_000,
        batch=25 * programs.PAIRED,
    ),
    TickRow("beside nothing", "ticks", programs.ticks_beside_nothing),
    TickRow("beside small files, 100 at once", "ticks", programs.ticks_beside_small_files),
    TickRow("beside lines", "ticks", programs.ticks_beside_lines),
    TickRow("beside MiB in order", "ticks", programs.ticks_beside_reads),
    TickRow("beside 4 KiB at random", "ticks", programs.ticks_beside_random_reads),
    TickRow("beside appends with fsync", "ticks", programs.ticks_beside_appends),
)
