"""Random programs of streams leave the same trace with ours as with the standard library's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .schedule import REFERENCE
from .strategies import check, heir, notice
from .stream_programs import READING, WRITING, StreamMachine

NAMES = ("StreamReader", "StreamReaderProtocol", "StreamWriter")
STRATEGIES = {"reading": READING, "writing": WRITING}


@pytest.mark.parametrize("way", STRATEGIES)
def test_a_random_program_leaves_the_same_trace(way: str) -> None:
    check(StreamMachine, STRATEGIES[way], NAMES)


class ForgetsToResume(asyncio.StreamReader):
    """Leaves the transport paused when there is room again."""

    def _maybe_resume_transport(self) -> None:
        pass


class KeepsWhatIsTooLong(asyncio.StreamReader):
    """Leaves a line in the buffer that is longer than the limit."""

    async def readline(self) -> bytes:
        try:
            return await self.readuntil(b"\n")
        except asyncio.IncompleteReadError as short:
            return short.partial
        except asyncio.LimitOverrunError as long:
            raise ValueError(long.args[0]) from None


class DropsWhatIsShort(asyncio.StreamReader):
    """Loses what came before the end if it is less than was asked for."""

    async def readexactly(self, n: int) -> bytes:
        try:
            return await super().readexactly(n)
        except asyncio.IncompleteReadError as short:
            raise asyncio.IncompleteReadError(b"", short.expected) from None


class NeverWaits(asyncio.StreamWriter):
    """Does not wait for room."""

    async def drain(self) -> None:
        await asyncio.sleep(0)


class WakesOnlyOne(asyncio.StreamReaderProtocol):
    """Lets only one of those that drain go on when there is room again."""

    def resume_writing(self) -> None:
        inner: Any = self
        waiters = list(inner._drain_waiters)
        for waiter in waiters[1:]:
            inner._drain_waiters.remove(waiter)
        super().resume_writing()


MUTANTS = [
    ("reading", ForgetsToResume),
    ("reading", KeepsWhatIsTooLong),
    ("reading", DropsWhatIsShort),
    ("writing", NeverWaits),
    ("writing", WakesOnlyOne),
]


@pytest.mark.parametrize(
    ("way", "mutant"), MUTANTS, ids=lambda value: getattr(value, "__name__", None)
)
def test_the_programs_notice_a_stream_that_is_a_little_wrong(way: str, mutant: Any) -> None:
    name = mutant.__mro__[1].__name__
    programs = STRATEGIES[way]
    assert notice(StreamMachine, programs, REFERENCE.with_(**{name: heir(mutant, name)}))
    right = heir(getattr(asyncio, name), name)
    assert not notice(StreamMachine, programs, REFERENCE.with_(**{name: right}), tries=20)
