"""Several hashes of one file at once, each by a clone that has a place of its own."""

import asyncio
import hashlib
import sys
from pathlib import Path

import aiofile


async def hash_all(name: str, file: "aiofile.BinaryFileWrapper") -> str:
    loop = asyncio.get_running_loop()
    made = hashlib.new(name)
    async for chunk in file.iter_chunked(2**16):
        await loop.run_in_executor(None, made.update, chunk)
    await file.close()
    return f"{name} {made.hexdigest()}"


async def main(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 5000)
    async with aiofile.async_open(path, "rb") as source:
        names = ("md5", "sha1", "sha256", "sha512")
        hashes = [hash_all(name, await aiofile.clone(source)) for name in names]
        print(*await asyncio.gather(*hashes), sep="\n")


asyncio.run(main(Path(sys.argv[1], "large.bin")))
