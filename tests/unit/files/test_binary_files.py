"""What files of bytes promise beyond the built-in ones: several tasks, cancellation, errors, what is forgotten."""

from __future__ import annotations

import asyncio
import errno
import gc
import mmap
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.files.opened import binary, pipe

from aioxide.files.binary import BinaryFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]


async def until_it_waits(task: asyncio.Task[Any]) -> None:
    """Let a task go on until it waits for the kernel."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not task.done()


async def cancelled(task: asyncio.Task[Any]) -> None:
    """Cancel a task, and wait for its end."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_lines_come_one_by_one_and_all(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    lines = [b"x" * (n % 300) + b"\n" for n in range(3000)] + [b"y" * 400_000 + b"\n", b"the end"]
    path.write_bytes(b"".join(lines))

    async def main() -> None:
        for buffering in (-1, 0, 2, 100):
            async with binary(path, buffering=buffering) as file:
                assert [line async for line in file] == lines
                assert await file.tell() == path.stat().st_size
                with pytest.raises(StopAsyncIteration):
                    await anext(file)
        async with binary(path) as file:
            assert [await anext(file), await file.readline(), await anext(file)] == lines[:3]

    run(main())


def test_chunks_are_of_one_size(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = os.urandom(100_001)
    path.write_bytes(content)

    async def main() -> None:
        async with binary(path) as file:
            chunks = [chunk async for chunk in file.chunks(1000)]
            assert b"".join(chunks) == content
            assert [len(chunk) for chunk in chunks] == [1000] * 100 + [1]
            with pytest.raises(ValueError, match="size must be above zero"):
                file.chunks(0)

    run(main())


def test_positional_calls_leave_the_position_alone(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 1000)

    async def main() -> None:
        async with binary(path, "r+b") as file:
            await file.seek(10)
            parts = await asyncio.gather(*(file.read_at(4, offset) for offset in range(500)))
            assert parts == [(bytes(range(256)) * 3)[offset : offset + 4] for offset in range(500)]
            buffer = bytearray(5)
            assert await file.readinto_at(memoryview(buffer)[1:], 255) == 4
            assert buffer == b"\0\xff\0\1\2"
            assert await file.read_at(10, 255_999) == b"\xff"
            assert await file.read_at(10, 256_000) == b""
            assert await file.write(b"held") == 4
            assert await file.read_at(4, 10) == b"held"
            await asyncio.gather(*(file.write_at(b"%04d" % n, 4 * n) for n in range(100)))
            assert await file.tell() == 14
            assert await file.read_at(400, 0) == b"".join(b"%04d" % n for n in range(100))
            with pytest.raises(OSError, match="Invalid argument"):
                await file.read_at(1, -1)
            with pytest.raises(ValueError, match="read length must be non-negative"):
                await file.read_at(-1, 0)
        reader, writer = pipe()
        with pytest.raises(OSError) as raised:
            await reader.read_at(1, 0)
        assert raised.value.errno == errno.ESPIPE
        await reader.close()
        await writer.close()

    run(main())


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, "array", "mmap"])
def test_anything_with_a_buffer_is_written_and_filled(run: Run, tmp_path: Path, kind: Any) -> None:
    import array

    content = b"0123456789abcdef" * 20_000

    def made() -> Any:
        if kind == "array":
            return array.array("i", content)
        if kind == "mmap":
            memory = mmap.mmap(-1, len(content))
            memory[:] = content
            return memory
        return kind(content)

    async def main() -> None:
        for buffering in (-1, 0):
            async with binary(tmp_path / "file", "w+b", buffering) as file:
                data = made()
                assert await file.write(data) == len(content)
                assert await file.write(memoryview(data)[:0]) == 0
                await file.seek(0)
                assert await file.read() == content
                if kind not in (bytes, memoryview):
                    await file.seek(0)
                    assert await file.readinto(data) == len(content)
                    assert bytes(memoryview(data).cast("B")) == content
                del data

    run(main())


def test_calls_of_many_tasks_come_one_after_the_other(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with binary(tmp_path / "file", "w+b", 16) as file:
            pieces = [b"%05d" % n * (n % 7 + 1) for n in range(500)]
            await asyncio.gather(*(file.write(piece) for piece in pieces))
            await file.seek(0)
            assert await file.read() == b"".join(pieces)
            await file.seek(0)
            read = await asyncio.gather(*(file.read(len(piece)) for piece in pieces))
            assert read == pieces

    run(main())


def test_fifty_who_append_lose_nothing(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"

    async def append(which: int) -> None:
        async with binary(path, "ab") as file:
            for number in range(20):
                await file.write(b"%02d:%02d\n" % (which, number))
                await file.flush()

    async def main() -> None:
        await asyncio.gather(*(append(which) for which in range(50)))

    run(main())
    expected = sorted(
        b"%02d:%02d\n" % (which, number) for which in range(50) for number in range(20)
    )
    assert sorted(path.read_bytes().splitlines(keepends=True)) == expected


def test_what_is_held_is_written_by_whoever_needs_it(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"

    async def main() -> None:
        for method, *arguments in [
            ("flush",),
            ("fsync",),
            ("fsync", True),
            ("seek", 0),
            ("close",),
        ]:
            file = binary(path, "wb")
            await file.write(b"held")
            assert path.read_bytes() == b""
            await getattr(file, method)(*arguments)
            assert path.read_bytes() == b"held"
            await file.close()

    run(main())


def test_a_full_disk_is_told_by_the_call_that_meets_it(run: Run) -> None:
    async def main() -> None:
        file = binary("/dev/full", "wb", 100)
        assert await file.write(b"x" * 60) == 60
        for _ in range(2):
            # What was held still is; the new bytes are not, so that the caller can write them again.
            with pytest.raises(OSError) as raised:
                await file.write(b"y" * 60)
            assert raised.value.errno == errno.ENOSPC
            assert await file.tell() == 60
        with pytest.raises(OSError, match="No space left"):
            await file.flush()
        with pytest.raises(OSError, match="No space left"):
            await file.close()
        assert file.closed
        await file.close()
        unbuffered = binary("/dev/full", "wb", 0)
        with pytest.raises(OSError, match="No space left"):
            await unbuffered.write(b"x")
        await unbuffered.close()

    run(main())


def test_a_directory_cannot_be_read(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        file = BinaryFile(os.open(tmp_path, os.O_RDONLY), "rb")
        for method in (file.read, file.readline, file.readall):
            with pytest.raises(IsADirectoryError):
                await method()
        await file.close()

    run(main())


def test_a_file_that_is_cut_while_it_is_read_ends_there(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1_000_000)

    async def main() -> None:
        async with binary(path) as file:
            assert len(await file.read(300_000)) == 300_000
            os.truncate(path, 400_000)
            assert len(await file.read()) <= 100_000
            assert await file.read() == b""
            os.truncate(path, 10)
            assert await file.read(5) == b""
            assert await file.seek(5) == 5
            assert await file.read() == b"xxxxx"

    run(main())


def test_a_file_without_a_length_is_read_to_its_end(run: Run) -> None:
    async def main() -> None:
        async with binary("/proc/self/status") as file:
            content = await file.read()
        assert content.startswith(b"Name:")
        assert content.endswith(b"\n")
        assert len(content) > 500

    run(main())


def test_a_pipe_is_read_as_it_comes(run: Run) -> None:
    async def main() -> None:
        reader, writer = pipe()
        waiting = asyncio.create_task(reader.read(8))
        await until_it_waits(waiting)
        await writer.write(b"12345")
        await writer.flush()
        await until_it_waits(waiting)
        await writer.write(b"67890\nabc\n")
        await writer.flush()
        assert await waiting == b"12345678"
        assert await reader.read1(100) == b"90\nabc\n"
        await writer.write(b"the end")
        await writer.close()
        assert await reader.read() == b"the end"
        assert await reader.read() == b""
        await reader.close()

    run(main())


def test_a_buffer_is_filled_with_what_is_there(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        reader, writer = pipe()
        buffer = bytearray(b"..........")
        async with reader, writer:
            await writer.write(b"hello")
            await writer.flush()
            assert await reader.readinto1(buffer) == 5
            assert buffer == b"hello....."
            await writer.write(b"bye")
            await writer.flush()
            assert await reader.read(1) == b"b"
            # The rest was read ahead, and is all that is told, though nobody has closed the pipe.
            assert await reader.readinto1(buffer) == 2
            assert buffer == b"yello....."
        (tmp_path / "file").write_bytes(b"0123456789")
        async with binary(tmp_path / "file") as file:
            assert await file.readinto1(buffer) == 10
            assert buffer == b"0123456789"
            assert await file.readinto1(buffer) == 0

    run(main())


def test_a_read_of_a_pipe_that_is_cancelled_loses_nothing(run: Run) -> None:
    async def main() -> None:
        reader, writer = pipe()
        for method in (reader.readline, reader.read1, reader.read, reader.readlines):
            waiting = asyncio.create_task(method())
            await until_it_waits(waiting)
            await cancelled(waiting)
        await writer.write(b"one\ntwo\n")
        await writer.flush()
        assert await reader.readline() == b"one\n"
        waiting = asyncio.create_task(reader.read(100))
        await until_it_waits(waiting)
        await cancelled(waiting)
        assert await reader.readline() == b"two\n"
        waiting = asyncio.create_task(reader.readline())
        await until_it_waits(waiting)
        await cancelled(waiting)
        # The read that is still under way does not keep the file from being closed.
        await asyncio.wait_for(reader.close(), 20)
        await writer.close()

    run(main())


def test_who_gives_up_standing_in_line_lets_the_others_pass(run: Run) -> None:
    async def main() -> None:
        reader, writer = pipe()
        first = asyncio.create_task(reader.readline())
        await until_it_waits(first)
        others = [asyncio.create_task(reader.readline()) for _ in range(5)]
        await until_it_waits(others[-1])
        await cancelled(others[1])
        # One whose turn has come, and who is cancelled before it has noticed, passes it on.
        first.cancel()
        await asyncio.sleep(0)
        others[0].cancel()
        await writer.write(b"1\n2\n3\n")
        await writer.close()
        ended = await asyncio.gather(first, *others, return_exceptions=True)
        assert [end for end in ended if isinstance(end, bytes)] == [b"1\n", b"2\n", b"3\n"]
        assert await reader.read() == b""
        await reader.close()

    run(main())


def test_a_write_that_is_cancelled_is_completed(run: Run) -> None:
    async def main() -> None:
        reader, writer = pipe()
        large = os.urandom(500_000)
        writing = asyncio.create_task(writer.write(large))
        await until_it_waits(writing)
        await cancelled(writing)
        after = asyncio.create_task(writer.write(b"after"))
        await until_it_waits(after)
        assert await reader.read(500_000) == large
        assert await after == 5
        await writer.close()
        assert await reader.read() == b"after"
        await reader.close()

    run(main())


def test_a_flush_that_is_cancelled_is_completed_once(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"

    async def main() -> None:
        async with binary(path, "w+b") as file:
            expected = b""
            for number in range(50):
                piece = b"%d," % number
                expected += piece
                await file.write(piece)
                flushing = asyncio.create_task(file.flush())
                await asyncio.sleep(0)
                flushing.cancel()
                await asyncio.gather(flushing, return_exceptions=True)
            assert await file.tell() == len(expected)
            await file.seek(0)
            assert await file.read() == expected
        assert path.read_bytes() == expected

    run(main())


def test_cancelling_at_every_await_leaves_a_whole_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"

    async def work(file: BinaryFile) -> None:
        await file.write(b"a" * 10)
        await file.flush()
        await file.seek(5)
        await file.write(b"b" * 300_000)
        await file.truncate(100)
        await file.fsync()
        await file.seek(0)
        await file.read()
        await file.close()

    async def cancel_at(step: int) -> bool:
        path.write_bytes(b"")
        file = binary(path, "r+b")
        task = asyncio.create_task(work(file))
        for _ in range(step):
            await asyncio.sleep(0)
        is_done = task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await file.close()
        content = path.read_bytes()
        whole = b"a" * 5 + b"b" * 300_000
        assert content in (b"", b"a" * 10, whole, whole[:100]), content[:20]
        return is_done

    async def main() -> None:
        step = 0
        while not await cancel_at(step) and step < 400:
            step += 1

    run(main())


def test_the_kernels_cursor_is_where_others_would_look(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"

    async def main() -> None:
        async with binary(path, "wb") as file:
            await file.write(b"header\n")
            await file.flush()
            script = "import os; os.write(1, b'child\\n')"
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", script, stdout=file.fileno()
            )
            assert await child.wait() == 0
        assert path.read_bytes() == b"header\nchild\n"
        fd = os.open(path, os.O_RDONLY)
        os.lseek(fd, 7, os.SEEK_SET)
        async with BinaryFile(fd, "rb", closefd=False) as file:
            assert await file.readline() == b"child\n"
            assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 13
        os.close(fd)

    run(main())


def test_a_file_that_is_forgotten_warns_and_is_written(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"

    async def main() -> None:
        file: BinaryFile | None = binary(path, "wb")
        assert file is not None
        number = file.fileno()
        await file.write(b"held")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            shown = repr(file)
            file = None
            gc.collect()
        assert [str(warning.message) for warning in caught] == [f"unclosed file {shown}"]
        assert caught[0].category is ResourceWarning
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)

    run(main())
    assert path.read_bytes() == b"held"


def test_reading_from_memory_does_not_keep_others_waiting(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10_000_000)

    async def main() -> None:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        async with binary(path) as file:
            while await file.read(100_000):
                pass
        # Some hundred reads that were answered at once, and others have had turns meanwhile.
        assert turns >= 3
        counting.cancel()

    run(main())
