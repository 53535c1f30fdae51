"""A million operations of each native primitive leave memory as it was, and nothing to the collector."""

from __future__ import annotations

import pytest
from tests.namespaces import OURS

from .test_million_tasks import PRELUDE, run_alone

# What is done, by one task or by several, in a function that takes the number of times.
OPERATIONS = {
    "Lock": """
lock = asyncio.Lock()
async def contend(count):
    for _ in range(count // 10):
        async with lock:
            await asyncio.sleep(0)
async def work(count):
    await asyncio.wait([asyncio.create_task(contend(count)) for _ in range(10)])
""",
    "Semaphore": """
semaphore = asyncio.Semaphore(3)
async def contend(count):
    for _ in range(count // 10):
        async with semaphore:
            await asyncio.sleep(0)
async def work(count):
    await asyncio.wait([asyncio.create_task(contend(count)) for _ in range(10)])
""",
    "Event": """
async def work(count):
    for _ in range(count):
        event = asyncio.Event()
        asyncio.get_running_loop().call_soon(event.set)
        await event.wait()
""",
    "Condition": """
condition = asyncio.Condition()
async def wait(count):
    async with condition:
        for _ in range(count):
            await condition.wait()
async def work(count):
    waiting = asyncio.create_task(wait(count))
    while not waiting.done():
        async with condition:
            condition.notify()
        await asyncio.sleep(0)
""",
    "Queue": """
queue = asyncio.Queue(10)
async def consume(count):
    for _ in range(count):
        await queue.get()
        queue.task_done()
async def work(count):
    consuming = asyncio.create_task(consume(count))
    for i in range(count):
        await queue.put((i, "item"))
    await consuming
""",
    "sleep": """
async def work(count):
    for _ in range(count // 2):
        await asyncio.sleep(0)
        await asyncio.sleep(1e-9)
""",
    "gather": """
async def nothing(): pass
async def work(count):
    for _ in range(count // 100):
        await asyncio.gather(*[nothing() for _ in range(100)])
""",
    "wait": """
async def nothing(): pass
async def work(count):
    for _ in range(count // 100):
        await asyncio.wait([asyncio.create_task(nothing()) for _ in range(100)], timeout=60)
""",
    "as_completed": """
async def nothing(): pass
async def work(count):
    for _ in range(count // 100):
        for coming in asyncio.as_completed([nothing() for _ in range(100)]):
            await coming
""",
    "wait_for": """
async def fails(): raise KeyError
async def work(count):
    for _ in range(count // 2):
        await asyncio.wait_for(asyncio.sleep(0), 60)
        try:
            await asyncio.wait_for(fails(), 60)
        except KeyError:
            pass
""",
    "shield": """
async def nothing(): pass
async def work(count):
    for _ in range(count):
        await asyncio.shield(nothing())
""",
    "timeout": """
async def work(count):
    for _ in range(count // 2):
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
        try:
            async with asyncio.timeout(-1):
                await asyncio.sleep(0)
        except TimeoutError:
            pass
""",
    "TaskGroup": """
async def nothing(): pass
async def work(count):
    for _ in range(count // 100):
        async with asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(nothing())
""",
    "StreamReader": """
async def work(count):
    reader = asyncio.StreamReader()
    for _ in range(count // 2):
        reader.feed_data(b"a line of some length\\n")
        await reader.readline()
        asyncio.get_running_loop().call_soon(reader.feed_data, b"12345678")
        await reader.readexactly(8)
""",
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_million_operations_leave_memory_flat(name: str) -> None:
    OURS.require(name)
    before, after, unreachable = run_alone(
        PRELUDE
        + "import aioxide\naioxide.install()\n"
        + OPERATIONS[name]
        + """
loop = asyncio.new_event_loop()
loop.run_until_complete(work(100_000))
gc.collect()
before = rss()
loop.run_until_complete(work(800_000))
gc.disable()
loop.run_until_complete(work(100_000))
print(before, rss(), gc.collect())
loop.close()
"""
    )
    assert after - before < 4_000_000
    assert unreachable < 100
