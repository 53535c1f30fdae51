"""Rows about pipes: how much goes through one from end to end, and through a subprocess and back."""

import asyncio
import os

from suite.stopwatch import Stopwatch

MIB = 1024 * 1024
#: What one write brings: as much as a pipe holds.
CHUNK = bytes(64 * 1024)
CHUNKS_PER_MIB = MIB // len(CHUNK)


class _Reader(asyncio.Protocol):
    def __init__(self) -> None:
        self.received = 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.received += len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(None)


class _Writer(asyncio.BaseProtocol):
    def __init__(self) -> None:
        self.may_write = asyncio.Event()
        self.may_write.set()

    def pause_writing(self) -> None:
        self.may_write.clear()

    def resume_writing(self) -> None:
        self.may_write.set()


async def there(count: int, clock: Stopwatch) -> None:
    """Write so many MiB into a pipe and read them from its other end, in one loop."""
    loop = asyncio.get_running_loop()
    output, input_ = os.pipe()
    _, reader = await loop.connect_read_pipe(_Reader, os.fdopen(output, "rb", 0))
    transport, writer = await loop.connect_write_pipe(_Writer, os.fdopen(input_, "wb", 0))
    with clock:
        for _ in range(count * CHUNKS_PER_MIB):
            transport.write(CHUNK)
            if not writer.may_write.is_set():
                await writer.may_write.wait()
        transport.close()
        await reader.ended
    _check(reader.received, count)


async def there_and_back(count: int, clock: Stopwatch) -> None:
    """Send so many MiB through a subprocess that writes what it reads."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("cat", stdin=pipe, stdout=pipe)
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None

    async def send() -> None:
        for _ in range(count * CHUNKS_PER_MIB):
            stdin.write(CHUNK)
            await stdin.drain()
        stdin.close()

    received = 0
    with clock:
        sending = asyncio.create_task(send())
        while data := await stdout.read(len(CHUNK)):
            received += len(data)
        await sending
    await process.wait()
    _check(received, count)


def _check(received: int, mib: int) -> None:
    if received != mib * MIB:
        raise RuntimeError(f"{received} bytes came of {mib * MIB}")
