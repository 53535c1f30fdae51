"""Files of bytes leave others what is theirs: the loop its turns, and whoever lent a descriptor the closing of it."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.unit.files.opened import binary

from aioxide import files
from aioxide.files.binary import BinaryFile

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

READS_MAX = 100_000
MANY = 200


async def counted_turns(work: Awaitable[Any]) -> int:
    """Return how many turns others have had while *work* was done."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.ensure_future(count())
    await work
    counting.cancel()
    return turns


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


def test_many_who_read_at_once_let_the_loop_have_its_turns_together(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(bytes(10_000))

    async def main() -> None:
        async with binary(tmp_path / "file") as file:

            async def read() -> None:
                for number in range(MANY):
                    await file.read_at(4096, number)

            # All of them at once take no longer for a turn than a few of them do.
            assert await counted_turns(asyncio.gather(*(read() for _ in range(MANY)))) > 20

    run(main())


def test_names_that_are_asked_about_again_and_again_let_the_loop_have_its_turns(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def main() -> None:
        async def ask() -> None:
            for _ in range(2_000):
                await files.stat(tmp_path)

        assert await counted_turns(ask()) > 3

    run(main())


def test_a_large_read_lets_the_loop_have_its_turns_and_is_whole(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    content = os.urandom(1_900_000)
    (tmp_path / "file").write_bytes(content)

    async def main() -> None:
        async with binary(tmp_path / "file") as file, binary(tmp_path / "file") as other:
            room = bytearray(1_800_000)

            async def work() -> None:
                for _ in range(3):
                    await file.seek(0)
                    assert await file.read(7) == content[:7]
                    assert await file.read(1_500_000) == content[7:1_500_007]
                    assert await file.read() == content[1_500_007:]
                    assert await other.read_at(1_700_000, 100) == content[100:1_700_100]
                    assert await other.readinto_at(room, 50) == len(room)
                    assert room == content[50:1_800_050]
                    await other.seek(0)
                    assert await other.read(3) == content[:3]
                    assert await other.readinto(room) == len(room)
                    assert room == content[3:1_800_003]

            assert await counted_turns(work()) > 3

    run(main())


def test_a_file_without_a_length_is_read_on_from_where_its_reader_is(
    run: Callable[..., Any],
) -> None:
    environment = {"FILLER": "".join(map(str, range(20_000)))}
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        # From here on it is not this process any more.
        assert child.stdout.readline() == b"\n"
        path = f"/proc/{child.pid}/environ"
        with open(path, "rb") as plain:
            content = plain.read()

        async def main() -> None:
            async with binary(path) as file:
                assert await file.read(10) == content[:10]
                assert await file.read() == content[10:]

        run(main())
        child.communicate(b"\n")
    assert len(content) > 50_000


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
