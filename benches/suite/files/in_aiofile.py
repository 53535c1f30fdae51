"""The rows about files by aiofile, or by what has its names."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from suite.files.material import BLOCK, MIB


class Programs:
    def __init__(self, library: ModuleType) -> None:
        self._library = library

    async def _read_file(self, path: Path) -> int:
        async with self._library.async_open(path, "rb") as file:
            return len(await file.read())

    async def read_files(self, paths: Iterable[Path]) -> int:
        total = 0
        for path in paths:
            total += await self._read_file(path)
        return total

    async def read_files_together(self, paths: Iterable[Path]) -> int:
        return sum(await asyncio.gather(*map(self._read_file, paths)))

    async def count_lines(self, path: Path) -> int:
        total = 0
        async with self._library.AIOFile(path) as file:
            async for _line in self._library.LineReader(file):
                total += 1
        return total

    async def read_in_order(self, path: Path) -> int:
        total = 0
        async with self._library.AIOFile(path, "rb") as file:
            async for chunk in self._library.Reader(file, chunk_size=MIB):
                total += len(chunk)
        return total

    async def read_at(self, path: Path, offsets: Iterable[int]) -> int:
        total = 0
        async with self._library.AIOFile(path, "rb") as file:
            for offset in offsets:
                total += len(await file.read(BLOCK, offset))
        return total

    async def append(self, path: Path, record: bytes, count: int) -> None:
        async with self._library.AIOFile(path, "ab") as file:
            for _ in range(count):
                await file.write(record)
                await file.fsync()
