"""The other end of HTTP: an `aiohttp` server in this process, visited by three others at once."""

import asyncio
import json

from aiohttp import web
from services import visit

VISITORS = 3
GREETINGS_PER_VISITOR = 5


async def greet(request: web.Request) -> web.Response:
    """Greet by name after a turn of the loop."""
    await asyncio.sleep(0)
    return web.json_response({"hello": request.match_info["name"]})


async def stream(request: web.Request) -> web.StreamResponse:
    """Send 64 chunks of 16 KiB, as fast as the visitor takes them."""
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(64):
        await response.write(bytes([number]) * 16384)
    await response.write_eof()
    return response


async def main() -> None:
    """Serve on a free port for as long as the visitors ask."""
    app = web.Application()
    app.add_routes([web.get("/greet/{name}", greet), web.get("/stream", stream)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    base = f"http://{host}:{port}"

    tours = []
    for visitor in range(VISITORS):
        greetings = [f"{base}/greet/visitor{visitor}-{n}" for n in range(GREETINGS_PER_VISITOR)]
        tours.append([*greetings, f"{base}/stream", f"{base}/none"])
    for answers in await asyncio.gather(*(asyncio.to_thread(visit, tour) for tour in tours)):
        for answer in answers:
            what = json.loads(answer.text)["hello"] if "{" in answer.text else ""
            print(answer.status, what or f"{answer.size} bytes")
    await runner.cleanup()
    print("closed")


asyncio.run(main())
