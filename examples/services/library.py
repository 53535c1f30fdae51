"""A service of pages: three that take their time, many that do not, and a counter of words."""

import asyncio

from aiohttp import web
from serving import serve

# Seconds each page takes: far enough apart for the order of completion to be certain.
PAGES = {
    "Async_await": (0.1, "Async and await let a function wait without holding up its thread."),
    "Coroutine": (0.4, "A coroutine can be suspended and resumed where it left off."),
    "Event_loop": (0.7, "An event loop hands each event to the code that asked for it."),
}


async def wiki(request: web.Request) -> web.Response:
    """Answer with a page of PAGES after its delay."""
    delay_s, text = PAGES[request.match_info["title"]]
    await asyncio.sleep(delay_s)
    return web.Response(text=text)


async def page(request: web.Request) -> web.Response:
    """Answer with 2,000 characters at once."""
    return web.Response(text=f"{int(request.match_info['number']):04}" * 500)


async def count(request: web.Request) -> web.Response:
    """Count the words of a posted text."""
    return web.json_response({"words": len((await request.text()).split())})


app = web.Application()
app.router.add_get("/wiki/{title}", wiki)
app.router.add_get("/page/{number}", page)
app.router.add_post("/count", count)
asyncio.run(serve(app))
