"""A file with a place that moves: written, read from its start and by lines, written to again; and one of `open`."""

import asyncio
import sys
from pathlib import Path

from aiofile import async_open


async def main(folder: Path) -> None:
    async with async_open(folder / "hello.txt", "w+") as file:
        await file.write("Hello ")
        await file.write("world")
        file.seek(0)
        print(await file.read())

        await file.write("Hello from\nanother place")
        print(repr(await file.readline()), file.tell())
        file.seek(0)
        print(repr(await file.readline()), repr(await file.readline()), file.tell())

    file = await async_open(folder / "awaited.txt", "w")
    await file.write("Hello")
    await file.close()
    print((folder / "awaited.txt").read_text(), file.closed)

    with (folder / "plain.txt").open("w+") as plain:
        async with async_open(plain) as file:
            await file.write("of open\nand not of open")
            file.seek(0)
            print(repr(await file.readline()))
        print(plain.closed)


asyncio.run(main(Path(sys.argv[1])))
