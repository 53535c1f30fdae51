"""Threads, processes, pipes and files."""

import asyncio
import os
import tempfile
import threading
from asyncio.subprocess import PIPE

from aioxide import files


async def threads() -> None:
    """Calls to threads, and from them."""
    loop = asyncio.get_running_loop()
    for number in range(30):
        await loop.run_in_executor(None, abs, number)
        await asyncio.to_thread(pow, number, 2)
    await asyncio.gather(*(asyncio.to_thread(abs, number) for number in range(60)))
    finished = loop.create_future()

    def call() -> None:
        for _ in range(100):
            loop.call_soon_threadsafe(int)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
        loop.call_soon_threadsafe(finished.set_result, None)

    thread = threading.Thread(target=call)
    thread.start()
    await finished
    thread.join()


async def processes() -> None:
    """Processes, with and without something to say."""
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
    process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    said, _ = await process.communicate(bytes(200_000))
    assert len(said) == 200_000
    process = await asyncio.create_subprocess_shell("exit 3", stdout=PIPE, stderr=PIPE)
    await process.communicate()


async def pipes() -> None:
    """A pipe of the program's own."""
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0)
    )
    writer, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(writing, "wb", 0))
    for _ in range(50):
        writer.write(bytes(3000))
        await reader.readexactly(3000)
    writer.close()
    await reader.read()
    transport.close()


async def small_files() -> None:
    """Many files, written and read whole."""
    async with files.tempfile.TemporaryDirectory() as folder:

        async def use(number: int) -> None:
            path = files.Path(folder, str(number))
            await path.write_bytes(b"content" * number)
            assert await path.exists()
            async with files.open(path, "rb") as file:
                await file.read()
            await path.read_text()
            await path.unlink()

        for number in range(30):
            await use(number)
        await asyncio.gather(*(use(number) for number in range(30)))


async def lines() -> None:
    """Text, line by line."""
    with tempfile.NamedTemporaryFile() as named:
        async with files.open(named.name, "w", encoding="utf-8") as file:
            for number in range(2000):
                await file.write(f"line {number} of a text, ½ of it ASCII\n")
        async with files.open(named.name, encoding="utf-8") as file:
            async for _ in file:
                pass
        async with files.open(named.name, "rb") as file:
            while await file.readline():
                pass


async def large_files() -> None:
    """One file, in order and at random, appended to and synchronised."""
    with tempfile.NamedTemporaryFile() as named:
        async with files.open(named.name, "w+b") as file:
            for _ in range(8):
                await file.write(bytes(1 << 20))
            await file.flush()
            await file.seek(0)
            while await file.read(1 << 20):
                pass
            for block in range(200):
                await file.read_at(4096, block * 7919 % 2000 * 4096)
            await asyncio.gather(*(file.read_at(4096, block * 4096) for block in range(50)))
        async with files.open(named.name, "ab") as file:
            for _ in range(5):
                await file.write(b"one more\n")
                await file.fsync()


PROGRAMS = (threads, processes, pipes, small_files, lines, large_files)
