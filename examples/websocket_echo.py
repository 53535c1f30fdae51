"""A websocket that says everything back, over TCP and over TLS: server and clients on one loop.

Each client writes all it has to say before it reads, so that messages fill the buffers of both
sides; then it pings, is told to go, or leaves on its own.
"""

import asyncio
import ssl
from collections import Counter
from pathlib import Path

import aiohttp
from aiohttp import WSMsgType, web

CERTS = Path(__file__).parent / "certs"
CLIENTS = 8
SIZES = (0, 1, 125, 126, 65_535, 65_536, 300_000)


class Echo:
    """The server's side, which counts what it sees."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Say back every message of one client, until it leaves or says so."""
        ws = web.WebSocketResponse(max_msg_size=0, protocols=("echo.example",))
        await ws.prepare(request)
        async for message in ws:
            self.seen[message.type.name] += 1
            if message.type is WSMsgType.BINARY:
                await ws.send_bytes(message.data)
            elif message.data == "tell me to go":
                await ws.close(code=4000, message=b"go!")
            else:
                await ws.send_str(message.data)
        self.seen[f"closed with {ws.close_code}"] += 1
        return ws


async def write_all(ws: aiohttp.ClientWebSocketResponse, name: str) -> None:
    """Send every message without waiting for an answer."""
    for size in SIZES:
        await ws.send_str(name * size)
        await ws.send_bytes(name.encode() * size)


async def converse(session: aiohttp.ClientSession, url: str, name: str, *, polite: bool) -> str:
    """Send messages of all sizes, read them back, say goodbye; return what happened."""
    async with session.ws_connect(url, max_msg_size=0, protocols=("echo.example",)) as ws:
        writing = asyncio.create_task(write_all(ws, name))
        same = 0
        for size in SIZES:
            same += await ws.receive_str() == name * size
            same += await ws.receive_bytes() == name.encode() * size
        await writing
        await ws.ping(b"still there?")
        await ws.send_str("yes")
        assert await ws.receive_str() == "yes"
        if polite:
            await ws.close(code=aiohttp.WSCloseCode.GOING_AWAY)
            return f"{name}: {same} of {2 * len(SIZES)} came back over {ws.protocol}; left"
        await ws.send_str("tell me to go")
        last = await ws.receive()
        return (
            f"{name}: {same} of {2 * len(SIZES)} came back over {ws.protocol};"
            f" {last.type.name} {last.data} {last.extra}"
        )


async def knock(session: aiohttp.ClientSession, url: str) -> str:
    """Ask for `url` as if it were a page."""
    async with session.get(url) as response:
        return f"a plain GET: {response.status}"


async def visit(base: str, trust: ssl.SSLContext | bool) -> None:
    """Have all clients converse at once, every second of them leaving on its own."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
        names = [chr(97 + number) for number in range(CLIENTS)]
        talks = (converse(session, base, name, polite=name in "aceg") for name in names)
        for line in await asyncio.gather(*talks):
            print(line)
        print(await knock(session, base))


async def main() -> None:
    """Serve the same application without and with TLS."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(CERTS / "localhost.pem")
    trust = ssl.create_default_context(cafile=str(CERTS / "authority.pem"))

    echo = Echo()
    app = web.Application()
    app.add_routes([web.get("/", echo.handle)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    (_, plain_port), (_, tls_port) = runner.addresses
    await visit(f"http://127.0.0.1:{plain_port}/", True)
    await visit(f"https://127.0.0.1:{tls_port}/", trust)
    # Every handler has ended when this returns.
    await runner.cleanup()
    for what, count in sorted(echo.seen.items()):
        print(f"server: {what}: {count}")


asyncio.run(main())
