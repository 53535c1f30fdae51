"""The rows about files by the built-in `open`, which blocks the loop: the speed that there is to reach."""

import os
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from suite.files.material import BLOCK, MIB


class Programs:
    def __init__(self, library: ModuleType) -> None:
        self._library = library

    async def read_files(self, paths: Iterable[Path]) -> int:
        total = 0
        for path in paths:
            with open(path, "rb") as file:
                total += len(file.read())
        return total

    async def read_paths(self, paths: Iterable[Path]) -> int:
        return sum(len(path.read_bytes()) for path in paths)

    async def count_lines(self, path: Path) -> int:
        total = 0
        with open(path, encoding="utf-8") as file:
            for _line in file:
                total += 1
        return total

    async def read_in_order(self, path: Path) -> int:
        total = 0
        with open(path, "rb", buffering=0) as file:
            while chunk := file.read(MIB):
                total += len(chunk)
        return total

    async def read_at(self, path: Path, offsets: Iterable[int]) -> int:
        total = 0
        with open(path, "rb", buffering=0) as file:
            for offset in offsets:
                total += len(os.pread(file.fileno(), BLOCK, offset))
        return total

    async def append(self, path: Path, record: bytes, count: int) -> None:
        with open(path, "ab", buffering=0) as file:
            for _ in range(count):
                file.write(record)
                os.fsync(file.fileno())
