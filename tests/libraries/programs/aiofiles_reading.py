"""Files opened, written, read whole and by lines; what `open` raises; and the standard streams."""

import asyncio
import sys
from pathlib import Path

import aiofiles


async def main(path: Path) -> None:
    async with aiofiles.open(path, mode="w") as file:
        print(await file.write("My file contents\n"))
        await file.writelines(f"and line {n}\n" for n in range(3))
    async with aiofiles.open(path) as file:
        contents = await file.read()
    print(repr(contents))
    async with aiofiles.open(path) as file:
        async for line in file:
            print(repr(line))
    file = await aiofiles.open(path, "rb", buffering=0)
    try:
        print(await file.read(2), await file.seek(5), await file.readall())
    finally:
        await file.close()
    try:
        await aiofiles.open(path.with_name("missing"))
    except FileNotFoundError as error:
        print(error.strerror, Path(error.filename).name)
    await aiofiles.stdout.write("to the standard output\n")
    await aiofiles.stdout.flush()
    await aiofiles.stdout_bytes.write(b"and as bytes\n")
    await aiofiles.stdout_bytes.flush()


asyncio.run(main(Path(sys.argv[1], "contents.txt")))
