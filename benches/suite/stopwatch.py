"""Measure the wall and CPU time of the part of a row that counts."""

import time
from types import TracebackType


class Stopwatch:
    """Adds up the time spent inside its ``with`` blocks; what a row sets up outside them is free.

    CPU time is that of the whole process: a loop that moves work to a thread of its own pays for it.
    """

    def __init__(self) -> None:
        self.wall_ns = 0
        self.cpu_ns = 0

    def __enter__(self) -> None:
        self.wall_ns -= time.perf_counter_ns()
        self.cpu_ns -= time.process_time_ns()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cpu_ns += time.process_time_ns()
        self.wall_ns += time.perf_counter_ns()
