"""Files by `aiofile`: written in pieces, synced, read whole, read by lines, many at once."""

import asyncio
import tempfile
from pathlib import Path

from aiofile import AIOFile, LineReader, Reader, Writer


async def write_pieces(path: Path) -> None:
    """Write a greeting in three pieces and have it on the disk before closing."""
    async with AIOFile(str(path), "w") as afp:
        writer = Writer(afp)
        await writer("Hello")
        await writer(" ")
        await writer("World")
        await afp.fsync()


async def read_whole(path: Path) -> str:
    """Return the whole file."""
    async with AIOFile(str(path), "r") as afp:
        text = await afp.read()
        assert isinstance(text, str)
        return text


async def write_lines(path: Path, count: int) -> None:
    """Write `count` numbered lines."""
    async with AIOFile(str(path), "w") as afp:
        writer = Writer(afp)
        for number in range(1, count + 1):
            await writer(f"line {number} of {path.name}\n")
        await afp.fsync()


async def read_lines(path: Path) -> list[str]:
    """Return the lines of the file, read one by one."""
    async with AIOFile(str(path), "r") as afp:
        return [str(line) async for line in LineReader(afp)]


async def scattered(path: Path) -> bytes:
    """Write ten blocks at once, each at its place, and read the file back in chunks."""
    order = (7, 2, 9, 0, 4, 1, 8, 5, 3, 6)
    async with AIOFile(str(path), "wb+") as afp:
        writes = [afp.write(bytes([65 + n]) * 1000, offset=1000 * n) for n in order]
        sizes = await asyncio.gather(*writes)
        await afp.fsync()
        print(f"wrote {sum(sizes)} bytes in {len(sizes)} blocks")
        chunks = [chunk async for chunk in Reader(afp, chunk_size=4096)]
        return b"".join(chunk for chunk in chunks if isinstance(chunk, bytes))


async def main(folder: Path) -> None:
    """Run through all of it in `folder`."""
    greeting = folder / "greeting.txt"
    await write_pieces(greeting)
    print(await read_whole(greeting))
    print(f"on disk: {greeting.read_text()!r}")

    papers = [folder / f"paper{n}.txt" for n in range(1, 6)]
    await asyncio.gather(*(write_lines(paper, 20 * n) for n, paper in enumerate(papers, 1)))
    for paper, lines in zip(papers, await asyncio.gather(*map(read_lines, papers)), strict=True):
        print(f"{paper.name}: {len(lines)} lines, the last is {lines[-1]!r}")

    content = await scattered(folder / "blocks.bin")
    print("".join(chr(content[1000 * n + 500]) for n in range(10)), len(content))

    try:
        await read_whole(folder / "missing.txt")
    except FileNotFoundError as error:
        print(f"{type(error).__name__}: {Path(error.filename).name}")


with tempfile.TemporaryDirectory() as name:
    asyncio.run(main(Path(name)))
