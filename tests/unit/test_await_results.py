"""The result of an `await` of something native: nothing keeps it but those who asked for it."""

import asyncio
import gc
import weakref
from typing import Any

import pytest

import aioxide


class Item:
    """What can be referred to weakly."""


async def _get(item: object) -> Any:
    queue: Any = aioxide.Queue()
    queue.put_nowait(item)
    return await queue.get()


def test_a_result_lives_no_longer_than_who_asked_for_it() -> None:
    async def main() -> None:
        gc.disable()
        try:
            item = await _get(Item())
            known = weakref.ref(item)
            del item
            assert known() is None
        finally:
            gc.enable()

    with asyncio.Runner(loop_factory=aioxide.new_event_loop) as runner:
        runner.run(main())


@pytest.mark.parametrize("result", [(), (1, 2), ValueError("result"), 7, "text", None])
def test_a_result_of_any_kind_is_returned_as_it_is(result: object) -> None:
    async def main() -> None:
        for _ in range(3):
            assert await _get(result) is result

    with asyncio.Runner(loop_factory=aioxide.new_event_loop) as runner:
        runner.run(main())


def test_what_is_raised_for_a_result_and_kept_keeps_its_own_result() -> None:
    async def main() -> None:
        kept = []
        for number in range(5):
            queue: Any = aioxide.Queue()
            queue.put_nowait(number)
            getting = queue.get()
            # By the slot that `await` calls, and not by a method.
            with pytest.raises(StopIteration) as raised:
                next(getting)
            kept.append(raised.value)
            assert await _get("another") == "another"
        assert [stop.value for stop in kept] == list(range(5))
        assert all(isinstance(stop, StopIteration) for stop in kept)

    with asyncio.Runner(loop_factory=aioxide.new_event_loop) as runner:
        runner.run(main())


def test_a_result_whose_end_awaits_another_result_is_in_nobodys_way() -> None:
    seen = []

    class Last:
        def __del__(self) -> None:
            getting = _get("inner")
            with pytest.raises(StopIteration) as raised:
                getting.send(None)
            seen.append(raised.value.value)

    async def main() -> None:
        await _get(Last())
        assert await _get("outer") == "outer"

    with asyncio.Runner(loop_factory=aioxide.new_event_loop) as runner:
        runner.run(main())
    assert seen == ["inner"]
