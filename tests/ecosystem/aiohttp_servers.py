"""An aiohttp server on loopback, in the loop of the test that asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Serving:
    """A running server: where it is, and how to end it early."""

    def __init__(self, runner: web.AppRunner, port: int) -> None:
        self.runner = runner
        self.port = port

    def url(self, path: str = "/") -> str:
        """The address of a path on this server."""
        return f"http://127.0.0.1:{self.port}{path}"


@asynccontextmanager
async def serving(handlers: dict[str, Handler], **options: Any) -> AsyncIterator[Serving]:
    """Serve each handler under its path, for every method, until the block ends."""
    app = web.Application()
    for path, handler in handlers.items():
        app.router.add_route("*", path, handler)
    runner = web.AppRunner(app, access_log=None, **{"shutdown_timeout": 1.0, **options})
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield Serving(runner, runner.addresses[0][1])
    finally:
        await runner.cleanup()
