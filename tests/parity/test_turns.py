"""One turn of the loop: what runs in this batch, what in the next, and when `stop` takes hold."""

from __future__ import annotations

import asyncio
import socket

from .support import Loop, Reports, nonblocking_pair


def test_a_callback_scheduled_by_a_callback_runs_in_the_next_turn(loop: Loop) -> None:
    order: list[str] = []

    def first() -> None:
        order.append("first")
        loop.call_soon(order.append, "next turn")

    loop.call_soon(first)
    loop.call_soon(order.append, "same turn")
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()
    assert order == ["first", "same turn", "next turn"]


def test_stop_lets_the_current_batch_finish(loop: Loop) -> None:
    ran: list[int] = []
    loop.call_soon(ran.append, 1)
    loop.call_soon(loop.stop)
    loop.call_soon(ran.append, 2)
    loop.run_forever()
    assert ran == [1, 2]


def test_stop_does_not_run_what_the_last_batch_scheduled(loop: Loop) -> None:
    ran: list[int] = []
    loop.call_soon(loop.stop)
    loop.call_soon(loop.call_soon, ran.append, 1)
    loop.run_forever()
    assert ran == []
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert ran == [1]


def test_stop_before_the_run_makes_exactly_one_turn(loop: Loop) -> None:
    ran: list[int] = []
    loop.call_soon(ran.append, 1)
    loop.call_soon(loop.call_soon, ran.append, 2)
    loop.stop()
    loop.run_forever()
    assert ran == [1]


def test_stop_is_forgotten_after_the_run(loop: Loop) -> None:
    loop.stop()
    loop.run_forever()
    reached: list[int] = []

    async def main() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        reached.append(1)

    loop.run_until_complete(main())
    assert reached == [1]


def test_stop_on_an_empty_loop_returns_at_once(loop: Loop) -> None:
    loop.stop()
    loop.run_forever()
    assert not loop.is_running()


def test_a_self_scheduling_callback_does_not_starve_io(loop: Loop) -> None:
    a, b = nonblocking_pair()
    turns = 0

    def spin() -> None:
        nonlocal turns
        turns += 1
        handles.append(loop.call_soon(spin))
        del handles[:-1]

    handles = [loop.call_soon(spin)]
    loop.add_reader(a, loop.stop)
    b.send(b"x")
    loop.run_forever()
    handles[-1].cancel()
    assert turns < 1_000_000
    loop.remove_reader(a)
    a.close()
    b.close()


def test_a_self_scheduling_callback_does_not_starve_timers(loop: Loop) -> None:
    handles: list[asyncio.Handle] = []

    def spin() -> None:
        handles[:] = [loop.call_soon(spin)]

    spin()
    loop.call_later(0.01, loop.stop)
    loop.run_forever()
    handles[0].cancel()


def test_zero_delay_timers_do_not_starve_io(loop: Loop) -> None:
    a, b = nonblocking_pair()
    timers: list[asyncio.TimerHandle] = []

    def spin() -> None:
        timers[:] = [loop.call_later(0, spin)]

    spin()
    loop.add_reader(a, loop.stop)
    b.send(b"x")
    loop.run_forever()
    timers[0].cancel()
    loop.remove_reader(a)
    a.close()
    b.close()


def test_a_timer_rescheduled_by_itself_fires_once_a_turn(loop: Loop) -> None:
    order: list[str] = []

    def again() -> None:
        order.append("timer")
        if len(order) < 6:
            loop.call_later(0, again)
            loop.call_soon(order.append, "soon")
        else:
            loop.stop()

    loop.call_later(0, again)
    loop.run_forever()
    assert order == ["timer", "soon", "timer", "soon", "timer", "soon", "timer"]


def test_ready_callbacks_run_before_io_and_timers_that_come_due_meanwhile(loop: Loop) -> None:
    a, b = nonblocking_pair()
    order: list[str] = []

    def readable() -> None:
        order.append("io")
        loop.remove_reader(a)

    loop.add_reader(a, readable)
    loop.call_soon(order.append, "soon")
    b.send(b"x")
    loop.call_at(loop.time() - 1, order.append, "timer")
    loop.call_later(0.005, loop.stop)
    loop.run_forever()
    assert order == ["soon", "io", "timer"]
    a.close()
    b.close()


def test_io_comes_before_timers_of_the_same_turn(loop: Loop) -> None:
    a, b = nonblocking_pair()
    order: list[str] = []

    def readable() -> None:
        order.append("io")
        loop.remove_reader(a)

    loop.add_reader(a, readable)
    b.send(b"x")
    loop.call_at(loop.time(), order.append, "timer")
    loop.call_later(0.005, loop.stop)
    loop.run_forever()
    assert order == ["io", "timer"]
    a.close()
    b.close()


def test_a_reader_removed_by_a_callback_of_the_same_turn_does_not_run(loop: Loop) -> None:
    pairs = [nonblocking_pair() for _ in range(2)]
    ran: list[int] = []

    def readable(me: int) -> None:
        ran.append(me)
        for a, _ in pairs:
            loop.remove_reader(a)
        loop.call_soon(loop.stop)

    for i, (a, b) in enumerate(pairs):
        loop.add_reader(a, readable, i)
        b.send(b"x")
    loop.run_forever()
    assert len(ran) == 1
    for a, b in pairs:
        a.close()
        b.close()


def test_a_reader_fires_once_a_turn_while_data_is_there(loop: Loop) -> None:
    a, b = nonblocking_pair()
    b.send(b"xyz")
    got: list[bytes] = []

    def readable() -> None:
        got.append(a.recv(1))
        if len(got) == 3:
            loop.stop()

    loop.add_reader(a, readable)
    loop.run_forever()
    assert got == [b"x", b"y", b"z"]
    loop.remove_reader(a)
    a.close()
    b.close()


def test_sleep_zero_lets_every_other_task_make_a_step(loop: Loop) -> None:
    order: list[str] = []

    async def worker(name: str) -> None:
        for _ in range(3):
            order.append(name)
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(worker("a"), worker("b"), worker("c"))

    loop.run_until_complete(main())
    assert order == ["a", "b", "c"] * 3


def test_a_done_callback_runs_in_a_later_turn(loop: Loop) -> None:
    order: list[str] = []

    async def main() -> None:
        future = loop.create_future()
        future.add_done_callback(lambda _: order.append("callback"))
        future.set_result(None)
        order.append("set")
        await asyncio.sleep(0)
        order.append("after")

    loop.run_until_complete(main())
    assert order == ["set", "callback", "after"]


def test_an_exception_in_a_reader_is_reported_and_the_reader_stays(
    loop: Loop, reports: Reports
) -> None:
    a, b = nonblocking_pair()
    calls = 0

    def readable() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            a.recv(1)
            loop.stop()
        raise ValueError("reader")

    loop.add_reader(a, readable)
    b.send(b"x")
    loop.run_forever()
    assert [str(r["exception"]) for r in reports] == ["reader", "reader"]
    reports.clear()
    assert loop.remove_reader(a) is True
    a.close()
    b.close()


def test_hundreds_of_ready_sockets_are_all_served(loop: Loop) -> None:
    pairs = [nonblocking_pair() for _ in range(200)]
    left = set(range(len(pairs)))

    def readable(i: int, sock: socket.socket) -> None:
        sock.recv(1)
        loop.remove_reader(sock)
        left.discard(i)
        if not left:
            loop.stop()

    for i, (a, b) in enumerate(pairs):
        loop.add_reader(a, readable, i, a)
        b.send(b"x")
    loop.run_forever()
    assert not left
    for a, b in pairs:
        a.close()
        b.close()
