"""Writes at places of their own, and readers and writers that each have one."""

import asyncio
import sys
from pathlib import Path

from aiofile import AIOFile, LineReader, Reader, Writer


async def at_places(path: Path) -> None:
    async with AIOFile(path, "w+") as file:
        payload = "Hello world\n"
        writes = [file.write(payload, offset=n * len(payload)) for n in range(10)]
        print(await asyncio.gather(*writes))
        await file.fsync()
        print(await file.read(len(payload) * 10) == payload * 10)


async def with_a_hole(path: Path) -> None:
    async with AIOFile(path, "w+") as file:
        await file.write("Hello ")
        await file.write("world", offset=7)
        await file.fsync()
        print(repr(await file.read()))


async def by_chunks(path: Path) -> None:
    async with AIOFile(path, "w+") as file:
        writer, reader = Writer(file), Reader(file, chunk_size=8)
        for piece in ("Hello", " ", "World"):
            await writer(piece)
        await file.fsync()
        print([chunk async for chunk in reader])


async def by_lines(path: Path) -> None:
    async with AIOFile(path, "w+") as file:
        writer = Writer(file)
        for piece in ("Hello", " ", "World", "\n", "\n", "From elsewhere"):
            await writer(piece)
        await file.fsync()
        async for line in LineReader(file):
            print(repr(line))


async def main(folder: Path) -> None:
    for program in (at_places, with_a_hole, by_chunks, by_lines):
        await program(folder / program.__name__)


asyncio.run(main(Path(sys.argv[1])))
