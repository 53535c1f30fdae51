"""What `cat` and `cp` do: lines to the standard output, chunks to another file."""

import asyncio
import sys
from pathlib import Path

from aiofile import async_open


async def cat(*sources: Path) -> None:
    for source in sources:
        async with async_open(source, "r") as file:
            async for line in file:
                sys.stdout.write(line)


async def copy(source: Path, target: Path, chunk_size: int) -> None:
    async with async_open(source, "rb") as reading, async_open(target, "wb") as writing:
        async for chunk in reading.iter_chunked(chunk_size):
            await writing.write(chunk)


async def main(folder: Path) -> None:
    one, two, three = (folder / name for name in ("one", "two", "three"))
    one.write_text("".join(f"line {n} \N{EN DASH} é\n" for n in range(2000)))
    two.write_text("without an end")
    await cat(one, two)
    print()
    await copy(one, three, 1000)
    print(three.read_bytes() == one.read_bytes())


asyncio.run(main(Path(sys.argv[1])))
