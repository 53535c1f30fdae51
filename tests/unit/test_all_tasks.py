"""The table behind `asyncio.all_tasks()`: right whatever comes and goes, in whatever order."""

from __future__ import annotations

import asyncio
import gc
import random

import aioxide

ROUNDS = 60
BATCH = 1_500


async def _waits(future: asyncio.Future[None]) -> None:
    await future


def test_all_tasks_is_right_while_tasks_come_and_go_in_any_order() -> None:
    rng = random.Random(7)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        this = asyncio.current_task()
        waiting: dict[asyncio.Task[None], asyncio.Future[None]] = {}
        for turn in range(ROUNDS):
            # Waves: the table grows to some tens of thousands, and is given back behind what is left.
            for _ in range(BATCH if turn % 20 < 14 else 10):
                future = loop.create_future()
                waiting[loop.create_task(_waits(future))] = future
            await asyncio.sleep(0)
            leave = 0.05 if turn % 20 < 14 else 0.9
            for task in [task for task in waiting if rng.random() < leave]:
                future = waiting.pop(task)
                if rng.random() < 0.3:
                    task.cancel()
                else:
                    future.set_result(None)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {this, *waiting}
        for future in waiting.values():
            future.set_result(None)

    aioxide.run(main())


def test_a_task_that_nobody_keeps_is_not_listed_any_more() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, _report: None)
        for _ in range(100):
            # The future is known to the task only, and the task to the future only.
            loop.create_task(_waits(loop.create_future()))  # noqa: RUF006 (that is the point)
        await asyncio.sleep(0)
        gc.collect()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    aioxide.run(main())
