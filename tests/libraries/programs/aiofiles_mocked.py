"""How a test of a program has its files: the built-in `open` that is patched, and what is to be made of a mock."""

import asyncio
from unittest import mock

import aiofiles
import aiofiles.threadpool.binary


async def program() -> None:
    async with aiofiles.open("a name that is nowhere", "w") as file:
        print(await file.write("data"))
        async for chunk in file:
            print(chunk)


pieces = iter([b"first piece", b"second piece", b""])
stream = mock.MagicMock()
stream.write.return_value = 4
stream.readline.side_effect = lambda *_: next(pieces)

aiofiles.threadpool.wrap.register(mock.MagicMock)(
    lambda *arguments, **options: aiofiles.threadpool.AsyncBufferedIOBase(*arguments, **options)
)
with mock.patch("aiofiles.threadpool.sync_open", return_value=stream) as opened:
    asyncio.run(program())
print(opened.call_args.args, opened.call_args.kwargs["mode"])
print(stream.write.call_args, stream.__exit__.call_count)
