"""What every service does alike: serve an aiohttp app on a free port until stdin ends."""

import asyncio
import sys

from aiohttp import web


async def serve(app: web.Application) -> None:
    """Serve `app` on loopback, print the base URL, return once standard input has ended."""
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()
