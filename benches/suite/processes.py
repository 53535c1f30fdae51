"""Rows about subprocesses: how soon one is started and waited for, in a small process and in a large one."""

import asyncio
import contextlib
import mmap
from functools import cache
from pathlib import Path

from suite.stopwatch import Stopwatch

#: Bytes that the large process holds: what makes a copy of its page tables dear.
MUCH = 2 * 1024**3


async def spawn(count: int, clock: Stopwatch) -> None:
    """Start a program that does nothing, and wait for its end, one after the other."""
    with clock:
        for _ in range(count):
            process = await asyncio.create_subprocess_exec("true")
            if await process.wait():
                raise RuntimeError(f"ended with status {process.returncode}")


async def spawn_beside_much(count: int, clock: Stopwatch) -> None:
    """Do the same in a process that holds much memory."""
    _hold_much()
    await spawn(count, clock)


@cache
def _hold_much() -> mmap.mmap:
    """Return memory of which every page has been written to; it lives as long as the process."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable" and int(value.split()[0]) * 1024 < 2 * MUCH:
            raise MemoryError(f"less than twice {MUCH // 1024**3} GiB of memory are available")
    block = mmap.mmap(-1, MUCH, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    # Small pages on every machine; a kernel without huge ones refuses, and means the same.
    with contextlib.suppress(OSError):
        block.madvise(mmap.MADV_NOHUGEPAGE)
    block[:: mmap.PAGESIZE] = bytes(MUCH // mmap.PAGESIZE)
    return block
