"""What other event loops got wrong, as far as no other file of tests speaks of it; each test names the mistake."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .support import (
    Loop,
    Recorder,
    Reports,
    client_tls,
    connected,
    nonblocking_pair,
    port_of,
    server_tls,
    turns,
)


def _resident_kib() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


async def _leaves() -> None:
    raise SystemExit(7)


def _start(loop: Loop) -> None:
    loop.kept = loop.create_task(_leaves())  # type: ignore[attr-defined]


def _start_at_once(loop: Loop) -> None:
    asyncio.eager_task_factory(loop, _leaves())


def _wake(loop: Loop) -> None:
    waiter = loop.create_future()

    async def waits() -> None:
        await waiter
        raise SystemExit(7)

    loop.kept = loop.create_task(waits())  # type: ignore[attr-defined]
    loop.call_soon(waiter.set_result, None)


STARTS = [
    _start,
    _wake,
    pytest.param(
        _start_at_once,
        marks=pytest.mark.python_since(3, 12, "there are no eager tasks before 3.12"),
    ),
]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("where", ["callback", "timer", "reader", "signal", "thread"])
def test_a_system_exit_of_a_task_started_by_a_callback_leaves_the_loop_whole(
    loop: Loop, reports: Reports, where: str, start: Callable[[Loop], None]
) -> None:
    a, b = nonblocking_pair()

    def callback() -> None:
        loop.remove_reader(a)
        start(loop)

    if where == "callback":
        loop.call_soon(callback)
    elif where == "timer":
        loop.call_later(0.001, callback)
    elif where == "reader":
        b.send(b"x")
        loop.add_reader(a, callback)
    elif where == "signal":
        loop.add_signal_handler(signal.SIGUSR1, callback)
        loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
    else:
        loop.run_in_executor(None, loop.call_soon_threadsafe, callback)
    code = None
    try:
        loop.run_forever()
    except SystemExit as exc:  # and no traceback of it stays, which would keep the task
        code = exc.code
    assert code == 7
    assert not loop.is_running()
    assert loop.run_until_complete(asyncio.sleep(0, "still running")) == "still running"
    loop.kept = None  # type: ignore[attr-defined]
    gc.collect()
    # Nobody asked the task what became of it; there is nothing else to complain of.
    assert all("never retrieved" in report["message"] for report in reports)
    reports.clear()
    a.close()
    b.close()


async def test_timeouts_that_never_fire_hold_no_memory(loop: Loop) -> None:
    async def rounds(count: int) -> None:
        for _ in range(count):
            await asyncio.wait_for(asyncio.sleep(0), 3600)

    await rounds(5000)
    gc.collect()
    before = _resident_kib()
    await rounds(50_000)
    gc.collect()
    assert _resident_kib() - before < 4096


async def test_timeouts_that_fire_hold_no_memory(loop: Loop) -> None:
    never = loop.create_future()

    async def rounds(count: int) -> None:
        for _ in range(count):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(never), 1e-9)

    await rounds(2000)
    gc.collect()
    before = _resident_kib()
    await rounds(10_000)
    gc.collect()
    assert _resident_kib() - before < 4096
    never.cancel()


async def test_a_connection_cancelled_in_every_turn_leaves_its_socket_to_its_owner(
    loop: Loop,
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    for steps in range(8):
        mine = socket.create_connection(listener.getsockname())
        theirs = await loop.sock_accept(listener)
        number = mine.fileno()
        task = loop.create_task(loop.create_connection(Recorder, sock=mine))
        await turns(steps)
        if task.done():
            transport, protocol = await task
            transport.abort()
            await protocol.lost
        else:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await turns(3)
            mine.close()
        # Whoever gets the number now has nothing to do with what was cancelled.
        a, b = nonblocking_pair()
        again = a if a.fileno() == number else b
        other = b if again is a else a
        next_transport, next_protocol = await loop.create_connection(Recorder, sock=again)
        other.send(b"for the next")
        assert await next_protocol.received(12) == b"for the next"
        gc.collect()
        next_transport.write(b"and back")
        await turns(2)
        assert await loop.sock_recv(other, 100) == b"and back"
        next_transport.close()
        await next_protocol.lost
        other.close()
        theirs[0].close()
    listener.close()


async def test_a_tls_download_that_is_closed_midway_ends_before_the_shutdown_timeout(
    loop: Loop,
) -> None:
    class Endless(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            self.resume_writing()

        def pause_writing(self) -> None:
            self.is_paused = True

        def resume_writing(self) -> None:
            self.is_paused = False
            while not self.is_paused and not self.transport.is_closing():
                self.transport.write(b"x" * 100_000)

    server = await loop.create_server(Endless, "127.0.0.1", 0, ssl=server_tls())
    transport, protocol = await loop.create_connection(
        Recorder, "127.0.0.1", port_of(server), ssl=client_tls(), server_hostname="localhost"
    )
    await protocol.received(1_000_000)
    transport.close()
    async with asyncio.timeout(5):  # asyncio's shutdown timeout is 30 s
        await protocol.lost
    server.close()
    await turns(20)


async def test_a_writer_and_a_reader_of_one_protocol_survive_each_others_reentrance(
    loop: Loop,
) -> None:
    class Busy(Recorder):
        left = 3_000_000

        def _more(self, size: int) -> None:
            size = min(size, self.left)
            self.left -= size
            self.transport.write(b"y" * size)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._more(2 * len(data))

        def resume_writing(self) -> None:
            super().resume_writing()
            self._more(200_000)
            self._more(200_000)

    async with connected(Busy, Busy) as pair:
        for end in (pair.client, pair.server):
            end._more(300_000)
        assert len(await pair.client.received(3_000_000)) == 3_000_000
        assert len(await pair.server.received(3_000_000)) == 3_000_000
