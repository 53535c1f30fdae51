"""Many tasks: a million of them leave nothing behind, and one that waits takes fewer bytes than the stdlib's."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

WAITING = 100_000


def run_alone(source: str) -> list[int]:
    """Run a program in an interpreter of its own, and return the numbers it prints."""
    command = [sys.executable, "-c", textwrap.dedent(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [int(word) for word in done.stdout.split()]


# RSS is read from the kernel, not its peak: what is asked is whether memory comes back.
PRELUDE = """
import asyncio, gc, os

def rss():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
"""


def test_a_million_tasks_leave_memory_flat_and_no_cycles() -> None:
    sizes = run_alone(
        PRELUDE
        + """
import aioxide

async def child(future):
    await asyncio.sleep(0)
    if future is not None:
        await future

async def batch(loop, count):
    future = loop.create_future()
    waiting = [loop.create_task(child(future)) for _ in range(count // 4)]
    busy = [loop.create_task(child(None)) for _ in range(count // 4)]
    await asyncio.sleep(0)
    await asyncio.gather(*busy)
    future.set_result(None)
    await asyncio.gather(*waiting)
    cancelled = [loop.create_task(child(loop.create_future())) for _ in range(count // 4)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for task in cancelled:
        task.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)
    for _ in range(count // 4):
        await loop.create_task(child(None))

loop = aioxide.new_event_loop()
loop.run_until_complete(batch(loop, 50_000))
gc.collect()
before, objects = rss(), len(gc.get_objects())
for _ in range(20):
    loop.run_until_complete(batch(loop, 50_000))
gc.disable()
loop.run_until_complete(batch(loop, 50_000))
unreachable = gc.collect()
print(before, rss(), objects, len(gc.get_objects()), unreachable)
loop.close()
"""
    )
    before, after, objects_before, objects_after, unreachable = sizes
    assert after - before < 8_000_000
    assert objects_after - objects_before < 100
    assert unreachable < 100


def waiting_bytes(module: str, waits_for: str) -> int:
    """Bytes for each of many tasks that wait, measured in an interpreter of its own."""
    [size] = run_alone(
        PRELUDE
        + f"""
import {module}
COUNT = {WAITING}

async def waits(thing):
    await thing

async def main(loop):
    one = loop.create_future()
    futures = [one] * COUNT if {waits_for!r} == "one" else [loop.create_future() for _ in range(COUNT)]
    # The coroutines cost the same everywhere, so they are not part of the difference.
    coros = [waits(future) for future in futures]
    tasks = [None] * COUNT
    gc.collect()
    before = rss()
    for index in range(COUNT):
        tasks[index] = loop.create_task(coros[index])
    for _ in range(2):
        await asyncio.sleep(0)
    gc.collect()
    print((rss() - before) // COUNT)
    for future in set(futures):
        future.set_result(None)
    await asyncio.gather(*tasks)

loop = {module}.new_event_loop()
loop.run_until_complete(main(loop))
loop.close()
"""
    )
    return size


@pytest.mark.parametrize("waits_for", ["one", "its own"])
def test_a_waiting_task_takes_fewer_bytes_than_the_stdlibs(waits_for: str) -> None:
    ours = waiting_bytes("aioxide", waits_for)
    theirs = waiting_bytes("asyncio", waits_for)
    assert 0 < ours < theirs
