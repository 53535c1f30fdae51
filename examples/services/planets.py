"""A service that knows three planets."""

import asyncio

from aiohttp import web
from serving import serve

PLANETS = {
    1: {"name": "Tatooine", "climate": "arid", "terrain": "desert"},
    2: {"name": "Alderaan", "climate": "temperate", "terrain": "grasslands, mountains"},
    3: {"name": "Hoth", "climate": "frozen", "terrain": "tundra, ice caves"},
}


async def planet(request: web.Request) -> web.Response:
    """Answer with a planet, or 404."""
    known = PLANETS.get(int(request.match_info["n"]))
    if known is None:
        raise web.HTTPNotFound
    return web.json_response(known)


app = web.Application()
app.add_routes([web.get("/planets/{n}", planet)])
asyncio.run(serve(app))
