"""A table in CSV, row by row, with `csv` doing the parsing and `LineReader` bringing the lines."""

import asyncio
import csv
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from aiofile import AIOFile, LineReader


async def rows(file: AIOFile) -> AsyncIterator[dict[str, str]]:
    lines = LineReader(file, chunk_size=64)
    header = next(csv.reader([str(await lines.readline())]))
    async for line in lines:
        for row in csv.DictReader([str(line)], header):
            yield row


async def main(path: Path) -> None:
    text = "".join(f'{n},"name, {n}",{n * n}\r\n' for n in range(50))
    path.write_text(f"number,name,square\r\n{text}", newline="")
    async with AIOFile(path) as file:
        async for row in rows(file):
            print(row)


asyncio.run(main(Path(sys.argv[1], "table.csv")))
