"""HTTPS where both sides show a certificate: an `aiohttp` server and its clients on one loop.

The server knows its clients by their certificates and keeps a notebook for each. Who has none, or
one that the authority did not sign, gets no answer; and a client does not talk to just any server.
"""

import asyncio
import hashlib
import ssl
from pathlib import Path

import aiohttp
from aiohttp import web

CERTS = Path(__file__).parent / "certs"
Notebooks = dict[str, list[bytes]]
notebooks = web.AppKey("notebooks", Notebooks)


def server_tls() -> ssl.SSLContext:
    """Be localhost, and want a certificate of every client."""
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cafile=str(CERTS / "authority.pem")
    )
    context.load_cert_chain(CERTS / "localhost.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_tls(name: str = "", *, authority: str = "authority") -> ssl.SSLContext:
    """Trust the servers of `authority`, and be `name`, or nobody in particular."""
    context = ssl.create_default_context(cafile=str(CERTS / f"{authority}.pem"))
    if name:
        context.load_cert_chain(CERTS / f"{name}.pem")
    return context


def client_of(request: web.Request) -> str:
    """Return the common name in the certificate of whoever sent `request`."""
    assert request.transport is not None
    certificate = request.transport.get_extra_info("peercert")
    return dict(pair for part in certificate["subject"] for pair in part)["commonName"]


async def add_note(request: web.Request) -> web.Response:
    """Keep what was posted in the notebook of the client."""
    notes = request.app[notebooks].setdefault(client_of(request), [])
    notes.append(await request.read())
    return web.json_response({"owner": client_of(request), "notes": len(notes)})


async def read_notes(request: web.Request) -> web.StreamResponse:
    """Send the notebook of the client, note by note."""
    response = web.StreamResponse()
    await response.prepare(request)
    for note in request.app[notebooks].get(client_of(request), []):
        await response.write(note)
    await response.write_eof()
    return response


async def keep_notes(name: str, url: str) -> list[str]:
    """Post twenty notes at once, the largest of a million bytes, and read them back; tell what happened."""
    connector = aiohttp.TCPConnector(ssl=client_tls(name), limit=4)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def post(number: int) -> int:
            note = name[:1].encode() * (number * 50_000)
            async with session.post(url, data=note) as response:
                answer = await response.json()
                assert answer["owner"] == name
                return int(answer["notes"])

        counts = await asyncio.gather(*map(post, range(1, 21)))
        async with session.get(url) as response:
            text = await response.read()
    digest = hashlib.sha256(text).hexdigest()[:16]
    return [
        f"{name} posted {len(counts)} notes, counted up to {max(counts)}",
        f"{name} read {len(text)} bytes, all {text[:1]!r}: {set(text) == {text[0]}}, {digest}",
    ]


async def attempt(who: str, context: ssl.SSLContext, url: str, server: str = "localhost") -> None:
    """Ask for `url` of a server that calls itself `server`; print how far it got, or who said no."""
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session:
        try:
            async with session.get(url, server_hostname=server) as response:
                print(f"{who}: {response.status}, {len(await response.read())} bytes")
        except aiohttp.ClientConnectorCertificateError:
            print(f"{who}: does not trust the server")
        except aiohttp.ClientError:
            # What exactly the client sees depends on whether the refusal or its request is faster.
            print(f"{who}: refused by the server")


async def main() -> None:
    """Serve on a free port, and let everybody try."""
    app = web.Application(client_max_size=2**21)
    app[notebooks] = {}
    app.add_routes([web.post("/notes", add_note), web.get("/notes", read_notes)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_tls()).start()
    host, port = runner.addresses[0][:2]
    url = f"https://{host}:{port}/notes"

    for lines in await asyncio.gather(keep_notes("alice", url), keep_notes("bob", url)):
        print("\n".join(lines))
    await attempt("nobody", client_tls(), url)
    await attempt("mallory", client_tls("mallory"), url)
    await attempt("alice, looking for another", client_tls("alice"), url, "another.example.org")
    await attempt("bob, with mallory's friends", client_tls("bob", authority="mallory"), url)
    await attempt("alice", client_tls("alice"), url)
    print(f"notebooks of {sorted(app[notebooks])}")
    await runner.cleanup()
    print("closed")


asyncio.run(main())
