"""anyio's locks, events, limiters and memory streams: nothing is lost when one of those who wait is cancelled."""

from __future__ import annotations

import asyncio

import anyio
import pytest

pytestmark = pytest.mark.usefixtures("task_kind")


async def test_an_event_wakes_all_who_wait() -> None:
    event = anyio.Event()
    awake: list[int] = []

    async def waits(number: int) -> None:
        await event.wait()
        awake.append(number)

    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(waits, number)
        await anyio.wait_all_tasks_blocked()
        assert awake == []
        event.set()
    assert awake == list(range(10))


async def test_a_lock_goes_round_in_order() -> None:
    lock = anyio.Lock()
    order: list[int] = []

    async def takes(number: int) -> None:
        async with lock:
            order.append(number)
            await asyncio.sleep(0)

    async with lock, anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(takes, number)
        await anyio.wait_all_tasks_blocked()
        assert lock.statistics().tasks_waiting == 10
        lock.release()
        await anyio.wait_all_tasks_blocked()
        await lock.acquire()
    assert order == list(range(10))


async def test_a_lock_handed_to_a_cancelled_task_is_not_lost() -> None:
    lock = anyio.Lock()
    await lock.acquire()
    scope = anyio.CancelScope()

    async def takes() -> None:
        with scope:
            async with lock:
                pass

    async with anyio.create_task_group() as group:
        group.start_soon(takes)
        await anyio.wait_all_tasks_blocked()
        lock.release()
        scope.cancel()
    with anyio.fail_after(10):
        await lock.acquire()


async def test_a_semaphore_lets_in_so_many() -> None:
    semaphore = anyio.Semaphore(3)
    inside = most = 0

    async def enters() -> None:
        nonlocal inside, most
        async with semaphore:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(enters)
    assert most == 3
    assert semaphore.value == 3


async def test_a_limiter_has_its_tokens_back_when_a_borrower_is_cancelled() -> None:
    limiter = anyio.CapacityLimiter(1)
    async with limiter:
        with anyio.move_on_after(0.01) as scope:
            await limiter.acquire_on_behalf_of("another")
        assert scope.cancelled_caught
        assert limiter.statistics().tasks_waiting == 0
    assert limiter.available_tokens == 1


async def test_a_condition_wakes_as_many_as_asked() -> None:
    condition = anyio.Condition()
    awake: list[int] = []

    async def waits(number: int) -> None:
        async with condition:
            await condition.wait()
            awake.append(number)

    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(waits, number)
        await anyio.wait_all_tasks_blocked()
        async with condition:
            condition.notify(2)
        await anyio.wait_all_tasks_blocked()
        assert awake == [0, 1]
        async with condition:
            condition.notify_all()
    assert awake == [0, 1, 2, 3]


async def test_a_cancelled_wait_on_a_condition_has_the_lock_back() -> None:
    condition = anyio.Condition()
    async with condition:
        with anyio.move_on_after(0.01) as scope:
            await condition.wait()
        assert scope.cancelled_caught
        assert condition.locked()
    assert not condition.locked()


@pytest.mark.parametrize("size", [0, 1, 10])
async def test_a_memory_stream_carries_every_item_in_order(size: int) -> None:
    send, receive = anyio.create_memory_object_stream[int](size)

    async def sends() -> None:
        async with send:
            for number in range(100):
                await send.send(number)

    async with anyio.create_task_group() as group, receive:
        group.start_soon(sends)
        assert [item async for item in receive] == list(range(100))


async def test_many_senders_and_receivers_share_a_memory_stream() -> None:
    send, receive = anyio.create_memory_object_stream[int](5)
    got: list[int] = []

    async def sends(clone: anyio.abc.ObjectSendStream[int], base: int) -> None:
        async with clone:
            for number in range(50):
                await clone.send(base + number)

    async def receives(clone: anyio.abc.ObjectReceiveStream[int]) -> None:
        async with clone:
            async for item in clone:
                got.append(item)

    async with anyio.create_task_group() as group, send, receive:
        for base in (0, 50, 100):
            group.start_soon(sends, send.clone(), base)
            group.start_soon(receives, receive.clone())
    assert sorted(got) == list(range(150))


async def test_an_item_sent_to_a_cancelled_receiver_is_not_lost() -> None:
    send, receive = anyio.create_memory_object_stream[str](1)
    scope = anyio.CancelScope()
    got: list[str] = []

    async def receives() -> None:
        with scope:
            got.append(await receive.receive())

    async with send, receive:
        async with anyio.create_task_group() as group:
            group.start_soon(receives)
            await anyio.wait_all_tasks_blocked()
            send.send_nowait("item")
            scope.cancel()
        if not got:
            got.append(receive.receive_nowait())
    assert got == ["item"]


async def test_a_cancelled_sender_sends_nothing() -> None:
    send, receive = anyio.create_memory_object_stream[str](0)
    async with send, receive:
        with anyio.move_on_after(0.01) as scope:
            await send.send("never")
        assert scope.cancelled_caught
        with pytest.raises(anyio.WouldBlock):
            receive.receive_nowait()


async def test_receivers_hear_that_the_last_sender_is_gone() -> None:
    send, receive = anyio.create_memory_object_stream[str](0)

    async def receives() -> None:
        with pytest.raises(anyio.EndOfStream):
            await receive.receive()

    async with receive, anyio.create_task_group() as group:
        group.start_soon(receives)
        await anyio.wait_all_tasks_blocked()
        send.close()
