"""Contexts of caio, given by hand: one for a file of the kernel's, and the usual one for where its lines go."""

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from aiofile import async_open
from caio import thread_aio_asyncio


async def main(target: Path) -> None:
    async with AsyncExitStack() as stack:
        context = await stack.enter_async_context(thread_aio_asyncio.AsyncioContext())
        source = await stack.enter_async_context(
            async_open("/proc/self/status", "r", context=context)
        )
        copy = await stack.enter_async_context(async_open(target, "w"))
        async for line in source:
            await copy.write(line)
    print(f"Pid:\t{os.getpid()}\n" in target.read_text())


asyncio.run(main(Path(sys.argv[1], "status")))
