"""The rows about files by `aioxide.files`."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from suite.files.material import BLOCK, MIB


class Programs:
    def __init__(self, library: ModuleType) -> None:
        self._library = library

    async def _read_file(self, path: Path) -> int:
        async with self._library.files.open(path, "rb") as file:
            return len(await file.read())

    async def read_files(self, paths: Iterable[Path]) -> int:
        total = 0
        for path in paths:
            total += await self._read_file(path)
        return total

    async def read_files_together(self, paths: Iterable[Path]) -> int:
        return sum(await asyncio.gather(*map(self._read_file, paths)))

    async def read_paths(self, paths: Iterable[Path]) -> int:
        total = 0
        for path in paths:
            total += len(await self._library.files.Path(path).read_bytes())
        return total

    async def count_lines(self, path: Path) -> int:
        total = 0
        async with self._library.files.open(path, encoding="utf-8") as file:
            async for _line in file:
                total += 1
        return total

    async def read_in_order(self, path: Path) -> int:
        total = 0
        async with self._library.files.open(path, "rb", buffering=0) as file:
            while chunk := await file.read(MIB):
                total += len(chunk)
        return total

    async def read_at(self, path: Path, offsets: Iterable[int]) -> int:
        total = 0
        async with self._library.files.open(path, "rb", buffering=0) as file:
            for offset in offsets:
                total += len(await file.read_at(BLOCK, offset))
        return total

    async def append(self, path: Path, record: bytes, count: int) -> None:
        # Buffered, since `fsync` writes what is held; the others would need one call more.
        async with self._library.files.open(path, "ab") as file:
            for _ in range(count):
                await file.write(record)
                await file.fsync()
