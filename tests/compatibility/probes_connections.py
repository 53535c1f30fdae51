"""Probes of outgoing stream connections, of TLS on them, and of sending files over them."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peers
from catalogue import probe
from peers import Accepting, Recorder, expect, in_thread, refused

Loop = asyncio.AbstractEventLoop

_HOST = "127.0.0.1"


async def _exchange(protocol: Recorder, transport: Any, theirs: socket.socket) -> None:
    """Send something in both directions."""
    transport.write(b"ping")
    expect(await in_thread(theirs.recv, 100) == b"ping", "what was written did not arrive")
    await in_thread(theirs.sendall, b"pong")
    expect(await protocol.read(4) == b"pong", "what was sent was not received")


async def _connected(loop: Loop, **keywords: Any) -> tuple[Any, Any, socket.socket]:
    """Connect to a listener, exchange something, and return the transport, the protocol and the other end."""
    with peers.listener() as waiting:
        host, port = waiting.getsockname()
        keywords = {"host": host, "port": port} | keywords
        transport, protocol = await loop.create_connection(Recorder, **keywords)
        theirs, _ = waiting.accept()
        theirs.settimeout(peers.SECONDS_MAX)
    await _exchange(protocol, transport, theirs)
    return transport, protocol, theirs


async def _close(transport: Any, protocol: Recorder, theirs: socket.socket) -> None:
    transport.close()
    theirs.close()
    await protocol.lost


@probe("Transport.close")
async def transport_close(loop: Loop) -> None:
    transport, protocol, theirs = await _connected(loop)
    transport.close()
    with theirs:
        try:
            expect(await in_thread(theirs.recv, 100) == b"", "more data")
        except TimeoutError:
            raise AssertionError("the peer does not see the end") from None
    await protocol.lost


@probe("create_connection")
@probe("create_connection", "host")
@probe("create_connection", "port")
async def create_connection(loop: Loop) -> None:
    await _close(*await _connected(loop))


@probe("create_connection", "sock")
async def create_connection_sock(loop: Loop) -> None:
    with peers.listener() as waiting:
        sock = peers.client(waiting.getsockname())
        sock.setblocking(False)
        theirs, _ = waiting.accept()
    transport, protocol = await loop.create_connection(Recorder, sock=sock)
    await _exchange(protocol, transport, theirs)
    await _close(transport, protocol, theirs)


@probe("create_connection", "family")
async def create_connection_family(loop: Loop) -> None:
    await _close(*await _connected(loop, family=socket.AF_INET))
    with refused(OSError):
        await loop.create_connection(Recorder, _HOST, 1, family=socket.AF_INET6)


@probe("create_connection", "proto")
async def create_connection_proto(loop: Loop) -> None:
    await _close(*await _connected(loop, proto=socket.IPPROTO_TCP))
    with refused(OSError):
        await loop.create_connection(Recorder, "localhost", 1, proto=socket.IPPROTO_UDP)


@probe("create_connection", "flags")
async def create_connection_flags(loop: Loop) -> None:
    await _close(*await _connected(loop, flags=socket.AI_NUMERICHOST))
    with refused(socket.gaierror):
        await loop.create_connection(Recorder, "localhost", 1, flags=socket.AI_NUMERICHOST)


@probe("create_connection", "local_addr")
async def create_connection_local_addr(loop: Loop) -> None:
    transport, protocol, theirs = await _connected(loop, local_addr=("127.0.0.2", 0))
    expect(theirs.getpeername()[0] == "127.0.0.2", "another local address")
    await _close(transport, protocol, theirs)


@probe("create_connection", "happy_eyeballs_delay")
async def create_connection_happy_eyeballs_delay(loop: Loop) -> None:
    await _close(*await _connected(loop, host="localhost", happy_eyeballs_delay=0.25))


@probe("create_connection", "interleave")
async def create_connection_interleave(loop: Loop) -> None:
    await _close(*await _connected(loop, host="localhost", interleave=1))


@probe("create_connection", "all_errors")
async def create_connection_all_errors(loop: Loop) -> None:
    with peers.listener() as waiting:
        _, port = waiting.getsockname()
    try:
        await loop.create_connection(Recorder, _HOST, port, all_errors=True)
    except ExceptionGroup as group:
        expect(isinstance(group.exceptions[0], ConnectionRefusedError), "another error")
    except OSError:
        raise AssertionError("no group of the errors") from None


async def _connected_by_tls(loop: Loop, **keywords: Any) -> tuple[Any, Recorder, ssl.SSLSocket]:
    """Connect to a TLS listener, and return the transport, the protocol and the other end."""
    with peers.listener() as waiting:
        serving = asyncio.ensure_future(in_thread(peers.tls_serve, waiting))
        transport, protocol = await loop.create_connection(
            Recorder,
            *waiting.getsockname(),
            ssl=peers.client_context(),
            **({"server_hostname": "localhost"} | keywords),
        )
        return transport, protocol, await serving


@probe("create_connection", "ssl")
async def create_connection_ssl(loop: Loop) -> None:
    transport, protocol, theirs = await _connected_by_tls(loop)
    await _exchange(protocol, transport, theirs)
    await _close(transport, protocol, theirs)


@probe("create_connection", "server_hostname")
async def create_connection_server_hostname(loop: Loop) -> None:
    with refused(ssl.SSLCertVerificationError):
        await _connected_by_tls(loop, server_hostname="stranger.test")


@probe("Transport.get_extra_info")
async def transport_get_extra_info(loop: Loop) -> None:
    transport, protocol, theirs = await _connected_by_tls(loop)
    for name in (
        "socket",
        "sockname",
        "peername",
        "ssl_object",
        "sslcontext",
        "peercert",
        "cipher",
    ):
        expect(transport.get_extra_info(name), f"knows no {name} of a TLS connection")
    await _close(transport, protocol, theirs)


@probe("create_connection", "ssl_handshake_timeout")
async def create_connection_ssl_handshake_timeout(loop: Loop) -> None:
    with peers.listener() as waiting:
        connecting = loop.create_connection(
            Recorder,
            *waiting.getsockname(),
            ssl=peers.client_context(),
            server_hostname="localhost",
            ssl_handshake_timeout=0.05,
        )
        await _handshake_ends(connecting)


async def _handshake_ends(connecting: Any) -> None:
    began = time.monotonic()
    with refused(ConnectionAbortedError):
        await connecting
    expect(time.monotonic() - began < 2, "much later than asked for")


async def _shutdown_ends(transport: Any, lost: Any) -> None:
    """Close a TLS transport whose peer never answers."""
    began = time.monotonic()
    transport.close()
    await lost
    expect(time.monotonic() - began < 2, "much later than asked for")


@probe("create_connection", "ssl_shutdown_timeout")
async def create_connection_ssl_shutdown_timeout(loop: Loop) -> None:
    transport, protocol, theirs = await _connected_by_tls(loop, ssl_shutdown_timeout=0.05)
    with theirs:
        await _shutdown_ends(transport, protocol.lost)


async def _accepted(loop: Loop, connect: Callable[[Any], Any], **keywords: Any) -> Any:
    """Hand a loop one accepted socket, and return its transport, its protocol, and the blocking other end."""
    with peers.listener() as waiting:
        connecting = asyncio.ensure_future(in_thread(connect, waiting.getsockname()))
        sock = (await in_thread(waiting.accept))[0]
    sock.setblocking(False)
    made: list[Recorder] = []

    def factory() -> Recorder:
        made.append(Recorder())
        return made[0]

    try:
        transport, returned = await loop.connect_accepted_socket(factory, sock, **keywords)
    except BaseException:
        connecting.cancel()
        sock.close()
        raise
    expect(returned is made[0], "returns another protocol than the factory's")
    return transport, made[0], await connecting


@probe("connect_accepted_socket")
async def connect_accepted_socket(loop: Loop) -> None:
    transport, protocol, theirs = await _accepted(loop, peers.client)
    await _exchange(protocol, transport, theirs)
    await _close(transport, protocol, theirs)


@probe("connect_accepted_socket", "ssl")
async def connect_accepted_socket_ssl(loop: Loop) -> None:
    transport, protocol, theirs = await _accepted(
        loop, peers.tls_client, ssl=peers.server_context()
    )
    await _exchange(protocol, transport, theirs)
    transport.close()
    theirs.close()
    await protocol.lost


@probe("connect_accepted_socket", "ssl_handshake_timeout")
async def connect_accepted_socket_ssl_handshake_timeout(loop: Loop) -> None:
    accepting = _accepted(
        loop, peers.client, ssl=peers.server_context(), ssl_handshake_timeout=0.05
    )
    await _handshake_ends(accepting)


@probe("connect_accepted_socket", "ssl_shutdown_timeout")
async def connect_accepted_socket_ssl_shutdown_timeout(loop: Loop) -> None:
    transport, protocol, theirs = await _accepted(
        loop, peers.tls_client, ssl=peers.server_context(), ssl_shutdown_timeout=0.05
    )
    with theirs:
        await _shutdown_ends(transport, protocol.lost)


async def _upgraded(loop: Loop, **keywords: Any) -> tuple[Any, Recorder, socket.socket]:
    """Let a plain connection become TLS on the client's side."""
    with peers.listener() as waiting:
        plain, protocol = await loop.create_connection(Recorder, *waiting.getsockname())
        serving = asyncio.ensure_future(in_thread(peers.tls_serve, waiting))
        transport = await loop.start_tls(
            plain,
            protocol,
            peers.client_context(),
            **({"server_hostname": "localhost"} | keywords),
        )
        return transport, protocol, await serving


@probe("start_tls", "server_hostname")
async def start_tls_server_hostname(loop: Loop) -> None:
    with refused(ssl.SSLCertVerificationError):
        await _upgraded(loop, server_hostname="stranger.test")


@probe("start_tls")
async def start_tls(loop: Loop) -> None:
    transport, protocol, theirs = await _upgraded(loop)
    await _exchange(protocol, transport, theirs)
    transport.close()
    theirs.close()
    await protocol.lost


@probe("start_tls", "server_side")
async def start_tls_server_side(loop: Loop) -> None:
    accepting = Accepting()
    server = await loop.create_server(accepting, _HOST, 0)
    theirs = peers.client(server.sockets[0].getsockname())
    protocol = await accepting.next()
    server.close()
    # The client begins no earlier than the server can hear it as TLS.
    connecting = asyncio.ensure_future(in_thread(peers.tls_over, theirs))
    transport = await loop.start_tls(
        protocol.made.result(), protocol, peers.server_context(), server_side=True
    )
    theirs = await connecting
    await _exchange(protocol, transport, theirs)
    transport.close()  # type: ignore[union-attr]
    theirs.close()


@probe("start_tls", "ssl_handshake_timeout")
async def start_tls_ssl_handshake_timeout(loop: Loop) -> None:
    with peers.listener() as waiting:
        plain, protocol = await loop.create_connection(Recorder, *waiting.getsockname())
        upgrading = loop.start_tls(
            plain,
            protocol,
            peers.client_context(),
            server_hostname="localhost",
            ssl_handshake_timeout=0.05,
        )
        await _handshake_ends(upgrading)


@probe("start_tls", "ssl_shutdown_timeout")
async def start_tls_ssl_shutdown_timeout(loop: Loop) -> None:
    transport, protocol, theirs = await _upgraded(loop, ssl_shutdown_timeout=0.05)
    with theirs:
        await _shutdown_ends(transport, protocol.lost)


async def _sent_over_transport(loop: Loop, **keywords: Any) -> bytes:
    transport, protocol, theirs = await _connected(loop)
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789")
        file.flush()
        file.seek(0)
        sent = await loop.sendfile(transport, file, **keywords)
    received = await in_thread(theirs.recv, 100)
    expect(sent == len(received), "another number than was sent")
    await _close(transport, protocol, theirs)
    return received


@probe("sendfile")
async def sendfile(loop: Loop) -> None:
    expect(await _sent_over_transport(loop) == b"0123456789", "other data")


@probe("sendfile", "offset")
async def sendfile_offset(loop: Loop) -> None:
    expect(await _sent_over_transport(loop, offset=3) == b"3456789", "other data")


@probe("sendfile", "count")
async def sendfile_count(loop: Loop) -> None:
    expect(await _sent_over_transport(loop, count=4) == b"0123", "other data")


@probe("sendfile", "fallback")
async def sendfile_fallback(loop: Loop) -> None:
    expect(await _sent_over_transport(loop, fallback=False) == b"0123456789", "other data")


@probe("create_unix_connection")
async def create_unix_connection(loop: Loop) -> None:
    await _connect_unix(loop, str)


@probe("create_unix_connection", "path")
async def create_unix_connection_path(loop: Loop) -> None:
    for form in (os.fsencode, Path):
        await _connect_unix(loop, form)


async def _connect_unix(loop: Loop, form: Callable[[Path], Any]) -> None:
    with peers.folder() as place, peers.listener(socket.AF_UNIX, str(place / "s")) as waiting:
        transport, protocol = await loop.create_unix_connection(Recorder, path=form(place / "s"))
        theirs, _ = waiting.accept()
        await _exchange(protocol, transport, theirs)
        await _close(transport, protocol, theirs)


@probe("create_unix_connection", "sock")
async def create_unix_connection_sock(loop: Loop) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    ours.setblocking(False)
    transport, protocol = await loop.create_unix_connection(Recorder, sock=ours)
    await _exchange(protocol, transport, theirs)
    await _close(transport, protocol, theirs)


@probe("create_unix_connection", "ssl")
@probe("create_unix_connection", "server_hostname")
@probe("create_unix_connection", "ssl_shutdown_timeout")
async def create_unix_connection_ssl(loop: Loop) -> None:
    with peers.folder() as place, peers.listener(socket.AF_UNIX, str(place / "s")) as waiting:
        serving = asyncio.ensure_future(in_thread(peers.tls_serve, waiting))
        transport, protocol = await loop.create_unix_connection(
            Recorder,
            str(place / "s"),
            ssl=peers.client_context(),
            server_hostname="localhost",
            ssl_shutdown_timeout=0.05,
        )
        with await serving as theirs:
            await _exchange(protocol, transport, theirs)
            await _shutdown_ends(transport, protocol.lost)


@probe("create_unix_connection", "ssl_handshake_timeout")
async def create_unix_connection_ssl_handshake_timeout(loop: Loop) -> None:
    with peers.folder() as place, peers.listener(socket.AF_UNIX, str(place / "s")):
        connecting = loop.create_unix_connection(
            Recorder,
            str(place / "s"),
            ssl=peers.client_context(),
            server_hostname="localhost",
            ssl_handshake_timeout=0.05,
        )
        await _handshake_ends(connecting)


async def use_accepting(accepting: Accepting, theirs: socket.socket) -> None:
    """Exchange something over a connection that a server accepts, and end it."""
    protocol = await accepting.next()
    transport = protocol.made.result()
    await _exchange(protocol, transport, theirs)
    transport.close()
    theirs.close()
    await protocol.lost
