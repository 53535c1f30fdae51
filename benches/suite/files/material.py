"""The files that the rows read: made once for a run, by the first process that wants them, and left for the others."""

import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import BinaryIO

MIB = 1024 * 1024
#: Bytes of a small file.
SMALL = 4 * 1024
#: MiB of the large file.
LARGE_MIB = 256
#: Bytes of a random read.
BLOCK = 4 * 1024
#: Bytes of an appended record.
RECORD = b"%099d\n" % 0

#: Line lengths vary as those of a log do, and one line in eight is not ASCII.
_LINE = "2026-01-01T00:00:00 worker {number:06d} handled a request in {number} ms"
_WORDS = " \N{EN DASH} caf\N{LATIN SMALL LETTER E WITH ACUTE}"


def small_files(folder: Path, count: int) -> list[Path]:
    """Return the paths of so many small files."""
    home = folder / "small"
    home.mkdir(exist_ok=True)
    paths = [home / f"{number}.bin" for number in range(count)]
    for path in paths:
        if not path.exists():
            _make(path, lambda file: file.write(bytes(SMALL)))
    return paths


def text(folder: Path, lines: int) -> Path:
    """Return the path of a text in UTF-8 with so many lines."""

    def write(file: BinaryIO) -> None:
        for number in range(lines):
            line = _LINE.format(number=number % 977) + (_WORDS if number % 8 == 0 else "")
            file.write(f"{line}\n".encode())

    return _made(folder / f"lines-{lines}.txt", write)


def large(folder: Path) -> Path:
    """Return the path of the large file."""

    def write(file: BinaryIO) -> None:
        block = Random(1).randbytes(MIB)
        for _ in range(LARGE_MIB):
            file.write(block)

    return _made(folder / "large.bin", write)


def offsets(count: int) -> list[int]:
    """Return where so many random reads of the large file begin: the same each time, at multiples of a block."""
    random = Random(2)
    return [random.randrange(LARGE_MIB * MIB // BLOCK) * BLOCK for _ in range(count)]


def _made(path: Path, write: Callable[[BinaryIO], object]) -> Path:
    if not path.exists():
        _make(path, write)
    return path


def _make(path: Path, write: Callable[[BinaryIO], object]) -> None:
    # Under its name only when it is whole: a process that was killed leaves nothing to be taken for it. On the disk
    # too, so that no row pays for writing back what was made for it.
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
