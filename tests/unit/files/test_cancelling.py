"""What is cancelled loses nothing: no bytes of a pipe, no order among writes, no descriptor, no loop that closes."""

from __future__ import annotations

import asyncio
import itertools
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.files.opened import binary, pipe

from aioxide import files

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from aioxide.files.binary import BinaryFile

# Longer than any file holds back, so that each write is one of the loop's operations.
BLOCK = 300_000
OPENED = 10_000


async def cancelled_after(turns: int, coroutine: Coroutine[Any, Any, Any]) -> bool:
    """Cancel a coroutine after so many turns; whether it had not ended by then."""
    task = asyncio.ensure_future(coroutine)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled()


def blocks_of(data: bytes) -> list[int]:
    """Return the number that each block is made of; fails for one in which two meet, or a part of one."""
    found = []
    for begin in range(0, len(data), BLOCK):
        block = data[begin : begin + BLOCK]
        assert block == block[:1] * BLOCK, f"a torn block at {begin}"
        found.append(block[0])
    return found


def test_a_write_that_is_cancelled_is_whole_or_not_there_and_in_its_place(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def main() -> None:
        certain = set()
        async with binary(tmp_path / "file", "wb") as file:
            for number in range(60):
                write = file.write(bytes([number]) * BLOCK)
                if number % 3 == 0:
                    await write
                    certain.add(number)
                elif not await cancelled_after(number % 5, write):
                    certain.add(number)
        there = blocks_of((tmp_path / "file").read_bytes())
        assert there == sorted(set(there))
        assert certain <= set(there)

    run(main())


def test_what_was_held_is_written_once_though_flushes_are_cancelled(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    expected = b"".join(b"%d\n" % number for number in range(2000))

    async def main() -> None:
        async with binary(tmp_path / "file", "wb") as file:
            for number in range(2000):
                await file.write(b"%d\n" % number)
                if number % 7 == 0:
                    await cancelled_after(number % 4, file.flush())
        assert (tmp_path / "file").read_bytes() == expected

    run(main())


def test_a_read_that_is_cancelled_leaves_the_position(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "file").write_bytes(data)

    async def main() -> None:
        async with binary(tmp_path / "file") as file:
            position = 0
            for turns, size in itertools.product(range(4), (1, 5_000, 200_000)):
                task = asyncio.ensure_future(file.read(size))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                if not task.cancelled():
                    assert task.result() == data[position : position + size]
                    position += size
                assert await file.tell() == position
                assert await file.read(10) == data[position : position + 10]
                position += 10

    run(main())


def test_a_read_of_a_pipe_that_is_cancelled_takes_nothing(run: Callable[..., Any]) -> None:
    async def main() -> None:
        reader, writer = pipe()
        for number in range(50):
            assert await cancelled_after(number % 5, reader.read(5))
            await writer.write(b"%05d" % number)
            await writer.flush()
            assert await reader.read(5) == b"%05d" % number
        await writer.close()
        assert await reader.read(5) == b""
        await reader.close()

    run(main())


def test_those_who_wait_for_a_file_may_leave_the_line(
    run: Callable[..., Any],
) -> None:
    async def main() -> None:
        reader, writer = pipe()
        tasks = [asyncio.ensure_future(reader.read(1)) for _ in range(9)]
        await asyncio.sleep(0)
        for task in tasks[1::2]:
            task.cancel()
        await writer.write(b"abcde")
        await writer.flush()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[::2] == [b"a", b"b", b"c", b"d", b"e"]
        assert all(isinstance(result, asyncio.CancelledError) for result in results[1::2])
        await writer.close()
        await reader.close()

    run(main())


def test_pipes_that_are_silent_hold_up_nobody(run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"here")

    async def main() -> None:
        pairs = [pipe() for _ in range(100)]
        reads = [asyncio.ensure_future(reader.read(1)) for reader, _ in pairs]
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            for _ in range(100):
                async with binary(tmp_path / "file") as file:
                    assert await file.read() == b"here"
                async with binary(tmp_path / "new", "wb") as file:
                    await file.write(b"there")
        for (_, writer), read in zip(pairs, reads, strict=True):
            await writer.write(b"x")
            await writer.close()
            assert await read == b"x"
        for reader, _ in pairs:
            await reader.close()

    run(main())


def test_a_loop_may_close_while_a_pipe_is_read(run: Callable[..., Any]) -> None:
    async def read() -> tuple[BinaryFile, BinaryFile, asyncio.Future[bytes]]:
        reader, writer = pipe()
        read = asyncio.ensure_future(reader.read(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return reader, writer, read

    async def go_on(reader: BinaryFile, writer: BinaryFile) -> None:
        async with asyncio.timeout(10):
            await writer.write(b"x")
            await writer.close()
            assert await reader.read(2) == b"x"
            await reader.close()

    reader, writer, ended = run(read())
    assert ended.cancelled()
    # The files belong to no loop: another one may go on with them.
    run(go_on(reader, writer))


def test_a_file_may_close_while_it_is_read(run: Callable[..., Any]) -> None:
    async def main() -> None:
        reader, writer = pipe()
        read = asyncio.ensure_future(reader.read(1))
        await asyncio.sleep(0)
        close = asyncio.ensure_future(reader.close())
        await asyncio.sleep(0)
        assert not close.done()
        await writer.write(b"x")
        await writer.close()
        assert await read == b"x"
        await close
        assert reader.closed

    run(main())


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_ten_thousand_cancelled_opens_leave_no_descriptor(
    run: Callable[..., Any], tmp_path: Path, turns: int
) -> None:
    (tmp_path / "file").write_bytes(b"here")

    async def main() -> None:
        # What the loop itself needs for files is open before they are counted.
        async with files.open(tmp_path / "file", "ab"):
            pass
        before = len(os.listdir("/proc/self/fd"))

        async def open_and_close(mode: str) -> None:
            async with files.open(tmp_path / "file", mode):
                await asyncio.sleep(0)

        for _ in range(OPENED // 100):
            modes = itertools.cycle(("rb", "ab", "r+b"))
            tasks = [asyncio.ensure_future(open_and_close(next(modes))) for _ in range(100)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        # What was opened for nobody is closed with its completion.
        async with asyncio.timeout(10):
            while len(os.listdir("/proc/self/fd")) > before:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)

    run(main())


def test_two_that_are_cancelled_together_let_nobody_overtake(run: Callable[..., Any]) -> None:
    async def main() -> None:
        reader, writer = pipe()
        blocks = [bytes([number]) * BLOCK for number in range(5)]
        writes = [asyncio.ensure_future(writer.write(block)) for block in blocks]
        for _ in range(5):
            await asyncio.sleep(0)
        # The first is under way. It leaves while the second, whose turn it would be, has not heard of its own end yet.
        writes[0].cancel()
        writes[1].cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        received = asyncio.ensure_future(reader.read())
        await asyncio.gather(*writes, return_exceptions=True)
        await writer.close()
        assert blocks_of(await received) == [0, 2, 3, 4]
        await reader.close()

    run(main())
