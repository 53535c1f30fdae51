"""Files and folders that are gone afterwards."""

import asyncio
import os
import sys
import tempfile

import aiofiles
import aiofiles.os


async def main() -> None:
    async with aiofiles.tempfile.TemporaryFile("wb") as file:
        print(await file.write(b"Hello, World!"))

    async with aiofiles.tempfile.NamedTemporaryFile("wb+") as file:
        await file.write(b"Line1\n Line2")
        await file.seek(0)
        async for line in file:
            print(line)
        name = file.name
        print(await aiofiles.os.path.exists(name))
    print(await aiofiles.os.path.exists(name))

    async with aiofiles.tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file.ext")
        async with aiofiles.open(path, "w") as file:
            await file.write("text")
        print(await aiofiles.os.listdir(folder))
    print(await aiofiles.os.path.isdir(folder))


tempfile.tempdir = sys.argv[1]
asyncio.run(main())
