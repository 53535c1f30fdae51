"""A storm of subprocesses: `pip --version`, as often as asked for, some dozens at once.

    python examples/pip_storm.py 1000 50

Every output and every exit status must come, and neither a child nor a descriptor may be left.
"""

import argparse
import asyncio
import os
import sys
import threading
import time
from asyncio.subprocess import PIPE
from collections import Counter
from pathlib import Path


async def pip_version() -> tuple[int, str, str]:
    """Run `pip --version` by this interpreter; return its status, and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pip", "--version"), stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def storm(count: int, at_once: int) -> Counter[tuple[int, str, str]]:
    """Run it `count` times, never more than `at_once` at a time; return how often each result came."""
    room = asyncio.Semaphore(at_once)

    async def one() -> tuple[int, str, str]:
        async with room:
            return await pip_version()

    return Counter(await asyncio.gather(*(one() for _ in range(count))))


def left() -> tuple[list[str], list[str]]:
    """Return the open descriptors of this process, and its children, zombies included."""
    threads = Path("/proc/self/task").iterdir()
    children = [child for task in threads for child in (task / "children").read_text().split()]
    return os.listdir("/proc/self/fd"), children


async def main(count: int, at_once: int) -> None:
    """Let one go first, so that whatever is made once is there."""
    await pip_version()
    descriptors, children = left()
    assert not children
    start = time.perf_counter()
    results = await storm(count, at_once)
    seconds = time.perf_counter() - start
    descriptors_left, children = left()

    ((status, out, err),) = results
    print(f"status {status}, stderr {err!r}, {results.total()} times")
    print(f"pip of this Python: {f'(python {sys.version_info[0]}.{sys.version_info[1]})' in out}")
    print(f"descriptors: {len(descriptors_left) - len(descriptors)} more than before")
    print(f"children left: {len(children)}")
    print(f"{seconds:.1f} s, {threading.active_count()} threads", file=sys.stderr)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("count", type=int, nargs="?", default=8, help="how many (default: 8)")
parser.add_argument("at_once", type=int, nargs="?", default=50, help="how many at once")
arguments = parser.parse_args()
asyncio.run(main(arguments.count, arguments.at_once))
