"""Files of bytes leave others what is theirs: the loop its turns, and whoever lent a descriptor the closing of it."""

from __future__ import annotations

import asyncio
import gc
import os
from typing import TYPE_CHECKING, Any

from tests.unit.files.opened import binary

from aioxide.files.binary import BinaryFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READS_MAX = 100_000


def test_reads_at_places_of_their_own_let_the_loop_have_its_turns(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(bytes(10_000))

    async def main() -> None:
        turns: list[int] = []
        async with binary(tmp_path / "file") as file:
            asyncio.get_running_loop().call_soon(turns.append, 1)
            for number in range(READS_MAX):
                await file.read_at(100, number % 9_000)
                if turns:
                    return
        raise AssertionError("the loop had no turn")

    run(main())


def test_a_descriptor_that_is_only_lent_may_be_forgotten(
    run: Callable[..., Any], tmp_path: Path, recwarn: Any
) -> None:
    async def main(descriptor: int) -> None:
        file = BinaryFile(descriptor, "wb", closefd=False)
        await file.write(b"held back")

    with (tmp_path / "file").open("wb", buffering=0) as plain:
        run(main(plain.fileno()))
        gc.collect()
        assert os.fstat(plain.fileno()).st_size == len(b"held back")
    assert not [str(warning.message) for warning in recwarn]
