"""Probes of stream servers, of their keywords and of what they can do."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import peers
from catalogue import probe
from peers import Accepting, Recorder, expect, in_thread, refused
from probes_connections import use_accepting

Loop = asyncio.AbstractEventLoop

_HOST = "127.0.0.1"


def _address(server: Any) -> Any:
    return server.sockets[0].getsockname()


async def _serves(loop: Loop, **keywords: Any) -> None:
    """Make a server, use it once, and close it."""
    accepting = Accepting()
    server = await loop.create_server(accepting, **({"host": _HOST, "port": 0} | keywords))
    await use_accepting(accepting, await in_thread(peers.client, _address(server)))
    server.close()
    await server.wait_closed()


async def _ends(server: Any) -> None:
    server.close()
    await server.wait_closed()


@probe("create_server")
@probe("create_server", "port")
async def create_server(loop: Loop) -> None:
    await _serves(loop)


@probe("create_server", "host")
async def create_server_host(loop: Loop) -> None:
    server = await loop.create_server(Recorder, [_HOST, "127.0.0.2"], 0)
    hosts = {sock.getsockname()[0] for sock in server.sockets}
    expect(hosts == {_HOST, "127.0.0.2"}, "not on every host of a list")
    await _ends(server)


@probe("create_server", "family")
async def create_server_family(loop: Loop) -> None:
    server = await loop.create_server(Recorder, None, 0, family=socket.AF_INET)
    families = {sock.family for sock in server.sockets}
    expect(families == {socket.AF_INET}, "other families as well")
    await _ends(server)


@probe("create_server", "flags")
async def create_server_flags(loop: Loop) -> None:
    with refused(socket.gaierror):
        await loop.create_server(Recorder, "localhost", 0, flags=socket.AI_NUMERICHOST)


@probe("create_server", "sock")
async def create_server_sock(loop: Loop) -> None:
    sock = socket.create_server((_HOST, 0))
    await _serves(loop, host=None, port=None, sock=sock)


@probe("create_server", "backlog")
async def create_server_backlog(loop: Loop) -> None:
    server = await loop.create_server(Recorder, _HOST, 0, backlog=1)
    waiting = []
    for _ in range(6):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(_address(server))
        waiting.append(sock)
    # The loop does not accept meanwhile. The kernel lets one more wait than it was told.
    connected = select.select([], waiting, [], 0)[1]
    for sock in waiting:
        sock.close()
    await _ends(server)
    expect(len(connected) == 2, f"the kernel was told another number ({len(connected)} wait)")


@probe("create_server", "reuse_address")
async def create_server_reuse_address(loop: Loop) -> None:
    for wanted in (True, False):
        server = await loop.create_server(Recorder, _HOST, 0, reuse_address=wanted)
        chosen = server.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        await _ends(server)
        expect(bool(chosen) is wanted, f"SO_REUSEADDR is {chosen} with {wanted}")


@probe("create_server", "reuse_port")
async def create_server_reuse_port(loop: Loop) -> None:
    first = await loop.create_server(Recorder, _HOST, 0, reuse_port=True)
    second = await loop.create_server(Recorder, *_address(first), reuse_port=True)
    await _ends(first)
    await _ends(second)


@probe("create_server", "keep_alive")
async def create_server_keep_alive(loop: Loop) -> None:
    keywords: dict[str, Any] = {"keep_alive": True}
    server = await loop.create_server(Recorder, _HOST, 0, **keywords)
    chosen = server.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    await _ends(server)
    expect(chosen, "SO_KEEPALIVE is not set")


@probe("create_server", "start_serving")
async def create_server_start_serving(loop: Loop) -> None:
    server = await loop.create_server(Recorder, _HOST, 0, start_serving=False)
    expect(not server.is_serving(), "serving all the same")
    with refused(ConnectionRefusedError, what="listens all the same"):
        peers.client(_address(server))
    await _ends(server)


@probe("create_server", "ssl")
async def create_server_ssl(loop: Loop) -> None:
    accepting = Accepting()
    server = await loop.create_server(accepting, _HOST, 0, ssl=peers.server_context())
    await use_accepting(accepting, await in_thread(peers.tls_client, _address(server)))
    await _ends(server)


@probe("create_server", "ssl_handshake_timeout")
async def create_server_ssl_handshake_timeout(loop: Loop) -> None:
    server = await loop.create_server(
        Recorder, _HOST, 0, ssl=peers.server_context(), ssl_handshake_timeout=0.05
    )
    await _hangs_up(loop, peers.client(_address(server)))
    await _ends(server)


async def _hangs_up(loop: Loop, silent: socket.socket) -> None:
    """Say nothing, and wait for the server to lose its patience."""
    loop.set_exception_handler(lambda *_: None)
    began = time.monotonic()
    with silent:
        try:
            expect(await in_thread(silent.recv, 1) == b"", "the server speaks first")
        except ConnectionResetError:
            pass
        except TimeoutError:
            raise AssertionError("much later than asked for") from None
    expect(time.monotonic() - began < 2, "much later than asked for")


@probe("create_server", "ssl_shutdown_timeout")
async def create_server_ssl_shutdown_timeout(loop: Loop) -> None:
    accepting = Accepting()
    server = await loop.create_server(
        accepting, _HOST, 0, ssl=peers.server_context(), ssl_shutdown_timeout=0.05
    )
    await _shuts_down(accepting, await in_thread(peers.tls_client, _address(server)))
    await _ends(server)


async def _shuts_down(accepting: Accepting, silent: ssl.SSLSocket) -> None:
    """Close the server's end of a connection whose client never answers."""
    with silent:
        protocol = await accepting.next()
        began = time.monotonic()
        protocol.made.result().close()
        await protocol.lost
        expect(time.monotonic() - began < 2, "much later than asked for")


async def _serves_unix(
    loop: Loop, connect: Callable[..., Any] = peers.client, **keywords: Any
) -> None:
    accepting = Accepting()
    with peers.folder() as place:
        path = str(place / "s")
        server = await loop.create_unix_server(accepting, path, **keywords)
        await use_accepting(accepting, await in_thread(connect, path, socket.AF_UNIX))
        await _ends(server)


@probe("create_unix_server")
async def create_unix_server(loop: Loop) -> None:
    await _serves_unix(loop)


@probe("create_unix_server", "path")
async def create_unix_server_path(loop: Loop) -> None:
    with peers.folder() as place:
        server = await loop.create_unix_server(Recorder, path=place / "s")
        peers.client(str(place / "s"), socket.AF_UNIX).close()
        await _ends(server)


@probe("create_unix_server", "sock")
async def create_unix_server_sock(loop: Loop) -> None:
    with peers.folder() as place:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(place / "s"))
        accepting = Accepting()
        server = await loop.create_unix_server(accepting, sock=sock)
        await use_accepting(accepting, peers.client(str(place / "s"), socket.AF_UNIX))
        await _ends(server)


@probe("create_unix_server", "backlog")
async def create_unix_server_backlog(loop: Loop) -> None:
    with peers.folder() as place:
        path = str(place / "s")
        server = await loop.create_unix_server(Recorder, path, backlog=1)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(6)]
        for sock in waiting:
            sock.setblocking(False)
        connected = [sock.connect_ex(path) for sock in waiting].count(0)
        for sock in waiting:
            sock.close()
        await _ends(server)
    expect(connected == 2, f"the kernel was told another number ({connected} wait)")


@probe("create_unix_server", "ssl")
async def create_unix_server_ssl(loop: Loop) -> None:
    await _serves_unix(loop, peers.tls_client, ssl=peers.server_context())


@probe("create_unix_server", "ssl_handshake_timeout")
async def create_unix_server_ssl_handshake_timeout(loop: Loop) -> None:
    with peers.folder() as place:
        path = str(place / "s")
        server = await loop.create_unix_server(
            Recorder, path, ssl=peers.server_context(), ssl_handshake_timeout=0.05
        )
        await _hangs_up(loop, peers.client(path, socket.AF_UNIX))
        await _ends(server)


@probe("create_unix_server", "ssl_shutdown_timeout")
async def create_unix_server_ssl_shutdown_timeout(loop: Loop) -> None:
    accepting = Accepting()
    with peers.folder() as place:
        path = str(place / "s")
        server = await loop.create_unix_server(
            accepting, path, ssl=peers.server_context(), ssl_shutdown_timeout=0.05
        )
        await _shuts_down(accepting, await in_thread(peers.tls_client, path, socket.AF_UNIX))
        await _ends(server)


@probe("create_unix_server", "start_serving")
async def create_unix_server_start_serving(loop: Loop) -> None:
    with peers.folder() as place:
        path = str(place / "s")
        server = await loop.create_unix_server(Recorder, path, start_serving=False)
        with refused(ConnectionRefusedError, what="listens all the same"):
            peers.client(path, socket.AF_UNIX)
        await _ends(server)


@probe("create_unix_server", "cleanup_socket")
async def create_unix_server_cleanup_socket(loop: Loop) -> None:
    for wanted in (True, False):
        with peers.folder() as place:
            keywords: dict[str, Any] = {"cleanup_socket": wanted}
            server = await loop.create_unix_server(Recorder, str(place / "s"), **keywords)
            await _ends(server)
            expect((place / "s").exists() is not wanted, f"the file's fate differs with {wanted}")


async def _some_turns() -> None:
    """Let pass what a loop does not do at once."""
    for _ in range(5):
        await asyncio.sleep(0)


async def _with_connection(loop: Loop) -> tuple[Any, Recorder, socket.socket]:
    accepting = Accepting()
    server = await loop.create_server(accepting, _HOST, 0)
    theirs = peers.client(_address(server))
    return server, await accepting.next(), theirs


@probe("Server.start_serving")
@probe("Server.is_serving")
async def server_start_serving(loop: Loop) -> None:
    server = await loop.create_server(Recorder, _HOST, 0, start_serving=False)
    await server.start_serving()
    expect(server.is_serving(), "not serving")
    peers.client(_address(server)).close()
    await _ends(server)
    expect(not server.is_serving(), "serving after its end")


@probe("Server.serve_forever")
async def server_serve_forever(loop: Loop) -> None:
    server = await loop.create_server(Recorder, _HOST, 0, start_serving=False)
    serving = asyncio.ensure_future(server.serve_forever())
    await _some_turns()
    expect(server.is_serving(), "not serving")
    serving.cancel()
    with refused(asyncio.CancelledError):
        await serving
    expect(not server.is_serving(), "serving after it was cancelled")


@probe("Server.close")
async def server_close(loop: Loop) -> None:
    server, protocol, theirs = await _with_connection(loop)
    address = _address(server)
    server.close()
    # Some loops stop listening in their next turn.
    await _some_turns()
    with refused(ConnectionRefusedError, what="still listens"):
        peers.client(address)
    expect(not protocol.lost.done(), "connections are closed as well")
    theirs.close()
    await protocol.lost


@probe("Server.wait_closed")
async def server_wait_closed(loop: Loop) -> None:
    server, protocol, theirs = await _with_connection(loop)
    server.close()
    waiting = asyncio.ensure_future(server.wait_closed())
    await _some_turns()
    early = waiting.done()
    theirs.close()
    await protocol.lost
    await waiting
    expect(not early, "does not wait for connections")


@probe("Server.close_clients")
async def server_close_clients(loop: Loop) -> None:
    server, protocol, theirs = await _with_connection(loop)
    server.close_clients()
    with theirs:
        expect(await in_thread(theirs.recv, 1) == b"", "the connection is not closed")
    await protocol.lost
    await _ends(server)


@probe("Server.abort_clients")
async def server_abort_clients(loop: Loop) -> None:
    server, protocol, theirs = await _with_connection(loop)
    server.abort_clients()
    with theirs:
        await protocol.lost
    await _ends(server)


@probe("Server.get_loop")
async def server_get_loop(loop: Loop) -> None:
    server = await loop.create_server(Recorder, _HOST, 0)
    expect(server.get_loop() is loop, "another loop")
    await _ends(server)


@probe("Server.sockets")
async def server_sockets(loop: Loop) -> None:
    server = await loop.create_server(Recorder, _HOST, 0)
    expect(isinstance(server.sockets, tuple) and len(server.sockets) == 1, "no tuple of sockets")
    await _ends(server)
    expect(server.sockets == (), "sockets after its end")


@probe("Server.__aenter__")
async def server_context(loop: Loop) -> None:
    async with await loop.create_server(Recorder, _HOST, 0) as server:
        address = _address(server)
    with refused(ConnectionRefusedError, what="still listens"):
        peers.client(address)
