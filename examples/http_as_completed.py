"""Pages fetched at once with `aiohttp` over one session, each printed as soon as it has come.

The pages live in another process (services/library.py), which takes a different time for each.
"""

import asyncio

import aiohttp
from services import running


async def async_get(session: aiohttp.ClientSession, url: str) -> str:
    """Return the text behind `url`."""
    async with session.get(url) as response:
        response.raise_for_status()
        return await response.text()


async def async_main(base: str) -> None:
    """Ask for three pages slowest first, then for a hundred, then for one that is missing."""
    urls = [f"{base}/wiki/Event_loop", f"{base}/wiki/Coroutine", f"{base}/wiki/Async_await"]
    async with aiohttp.ClientSession() as session:
        for coming in asyncio.as_completed([async_get(session, url) for url in urls]):
            text = await coming
            print(text[:144])

        pages = [async_get(session, f"{base}/page/{n}") for n in range(100)]
        texts = await asyncio.gather(*pages)
        in_order = texts == sorted(texts)
        print(f"{len(texts)} pages, {sum(map(len, texts))} characters, in order: {in_order}")

        async with session.post(f"{base}/count", data=b"word " * 50_000) as response:
            print(f"posted: {await response.json()}")

        try:
            await async_get(session, f"{base}/nowhere")
        except aiohttp.ClientResponseError as error:
            print(f"{error.status} {error.message}")


with running("library.py") as base_url:
    asyncio.run(async_main(base_url))
