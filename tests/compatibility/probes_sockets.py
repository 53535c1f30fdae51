"""Probes of the methods that take a socket, of datagrams and of pipes."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from typing import Any

import peers
from catalogue import probe
from peers import Datagrams, Recorder, expect, in_thread, refused

Loop = asyncio.AbstractEventLoop

_HOST = "127.0.0.1"


@probe("sock_recv")
async def sock_recv(loop: Loop) -> None:
    with peers.tcp_pair() as (ours, theirs):
        loop.call_soon(theirs.sendall, b"hello")
        expect(await loop.sock_recv(ours, 3) == b"hel", "other data")


@probe("sock_recv_into")
async def sock_recv_into(loop: Loop) -> None:
    with peers.tcp_pair() as (ours, theirs):
        loop.call_soon(theirs.sendall, b"hello")
        buffer = bytearray(10)
        expect(await loop.sock_recv_into(ours, buffer) == 5, "another number")
        expect(buffer[:5] == b"hello", "other data")


@probe("sock_sendall")
async def sock_sendall(loop: Loop) -> None:
    with peers.tcp_pair() as (ours, theirs):
        await loop.sock_sendall(ours, b"hello")
        expect(theirs.recv(10) == b"hello", "other data")


@probe("sock_accept")
async def sock_accept(loop: Loop) -> None:
    with peers.listener() as waiting:
        waiting.setblocking(False)
        accepting = asyncio.ensure_future(loop.sock_accept(waiting))
        await asyncio.sleep(0)
        with peers.client(waiting.getsockname()) as theirs:
            accepted, address = await accepting
            with accepted:
                expect(address == theirs.getsockname(), "another address")
                expect(accepted.gettimeout() == 0, "the socket blocks")


@probe("sock_connect")
async def sock_connect(loop: Loop) -> None:
    with peers.listener() as waiting, socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, waiting.getsockname())
        expect(sock.getpeername() == waiting.getsockname(), "connected elsewhere")


def _bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((_HOST, 0))
    sock.settimeout(peers.SECONDS_MAX)
    return sock


@probe("sock_recvfrom")
async def sock_recvfrom(loop: Loop) -> None:
    with _bound() as ours, _bound() as theirs:
        ours.setblocking(False)
        loop.call_soon(theirs.sendto, b"hello", ours.getsockname())
        answer = await loop.sock_recvfrom(ours, 10)
        expect(answer == (b"hello", theirs.getsockname()), "another datagram")


@probe("sock_recvfrom_into")
@probe("sock_recvfrom_into", "nbytes")
async def sock_recvfrom_into(loop: Loop) -> None:
    with _bound() as ours, _bound() as theirs:
        ours.setblocking(False)
        for nbytes, received in ((0, b"hello"), (3, b"hel")):
            buffer = bytearray(10)
            loop.call_soon(theirs.sendto, b"hello", ours.getsockname())
            size, address = await loop.sock_recvfrom_into(ours, buffer, nbytes=nbytes)
            expect((size, address) == (len(received), theirs.getsockname()), "another datagram")
            expect(bytes(buffer).rstrip(b"\0") == received, "other data")


@probe("sock_sendto")
async def sock_sendto(loop: Loop) -> None:
    with _bound() as ours, _bound() as theirs:
        ours.setblocking(False)
        await loop.sock_sendto(ours, b"hello", theirs.getsockname())
        expect(theirs.recvfrom(10) == (b"hello", ours.getsockname()), "another datagram")


async def _sent_over_socket(loop: Loop, **keywords: Any) -> bytes:
    with peers.tcp_pair() as (ours, theirs), tempfile.TemporaryFile() as file:
        file.write(b"0123456789")
        file.flush()
        file.seek(0)
        sent = await loop.sock_sendfile(ours, file, **keywords)
        received = await in_thread(theirs.recv, 100)
        expect(sent == len(received), "another number than was sent")
        return received


@probe("sock_sendfile")
async def sock_sendfile(loop: Loop) -> None:
    expect(await _sent_over_socket(loop) == b"0123456789", "other data")


@probe("sock_sendfile", "offset")
async def sock_sendfile_offset(loop: Loop) -> None:
    expect(await _sent_over_socket(loop, offset=3) == b"3456789", "other data")


@probe("sock_sendfile", "count")
async def sock_sendfile_count(loop: Loop) -> None:
    expect(await _sent_over_socket(loop, count=4) == b"0123", "other data")


@probe("sock_sendfile", "fallback")
async def sock_sendfile_fallback(loop: Loop) -> None:
    expect(await _sent_over_socket(loop, fallback=False) == b"0123456789", "other data")


async def _endpoint(loop: Loop, *arguments: Any, **keywords: Any) -> tuple[Any, Datagrams]:
    """Make an endpoint, and have it receive a datagram and answer."""
    transport, protocol = await loop.create_datagram_endpoint(Datagrams, *arguments, **keywords)
    with _bound() as theirs:
        theirs.sendto(b"ping", transport.get_extra_info("sockname"))
        data, address = await protocol.queue.get()
        expect((data, address) == (b"ping", theirs.getsockname()), "another datagram")
        transport.sendto(b"pong", address)
        expect(await in_thread(theirs.recv, 10) == b"pong", "another answer")
    return transport, protocol


async def _close(transport: Any, protocol: Datagrams) -> None:
    transport.close()
    await protocol.lost


@probe("create_datagram_endpoint")
@probe("create_datagram_endpoint", "local_addr")
async def create_datagram_endpoint(loop: Loop) -> None:
    await _close(*await _endpoint(loop, local_addr=(_HOST, 0)))


@probe("create_datagram_endpoint", "remote_addr")
async def create_datagram_endpoint_remote_addr(loop: Loop) -> None:
    with _bound() as theirs:
        transport, protocol = await loop.create_datagram_endpoint(
            Datagrams, remote_addr=theirs.getsockname()
        )
        transport.sendto(b"ping")
        data, address = await in_thread(theirs.recvfrom, 10)
        expect(data == b"ping", "other data")
        theirs.sendto(b"pong", address)
        expect((await protocol.queue.get())[0] == b"pong", "another answer")
        await _close(transport, protocol)


@probe("create_datagram_endpoint", "family")
async def create_datagram_endpoint_family(loop: Loop) -> None:
    transport, protocol = await loop.create_datagram_endpoint(Datagrams, family=socket.AF_INET)
    expect(transport.get_extra_info("socket").family == socket.AF_INET, "another family")
    await _close(transport, protocol)
    with refused(OSError, ValueError):
        await loop.create_datagram_endpoint(Datagrams, (_HOST, 0), family=socket.AF_INET6)


@probe("create_datagram_endpoint", "proto")
async def create_datagram_endpoint_proto(loop: Loop) -> None:
    await _close(*await _endpoint(loop, (_HOST, 0), proto=socket.IPPROTO_UDP))
    with refused(OSError):
        await loop.create_datagram_endpoint(Datagrams, ("localhost", 0), proto=socket.IPPROTO_TCP)


@probe("create_datagram_endpoint", "flags")
async def create_datagram_endpoint_flags(loop: Loop) -> None:
    with refused(socket.gaierror):
        await loop.create_datagram_endpoint(
            Datagrams, ("localhost", 0), flags=socket.AI_NUMERICHOST
        )


@probe("create_datagram_endpoint", "reuse_port")
async def create_datagram_endpoint_reuse_port(loop: Loop) -> None:
    first = await _endpoint(loop, (_HOST, 0), reuse_port=True)
    address = first[0].get_extra_info("sockname")
    second = await loop.create_datagram_endpoint(Datagrams, address, reuse_port=True)
    await _close(*first)
    await _close(*second)


@probe("create_datagram_endpoint", "allow_broadcast")
async def create_datagram_endpoint_allow_broadcast(loop: Loop) -> None:
    endpoint = await _endpoint(loop, (_HOST, 0), allow_broadcast=True)
    sock = endpoint[0].get_extra_info("socket")
    expect(sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST), "SO_BROADCAST is not set")
    await _close(*endpoint)


@probe("create_datagram_endpoint", "sock")
async def create_datagram_endpoint_sock(loop: Loop) -> None:
    sock = _bound()
    sock.setblocking(False)
    await _close(*await _endpoint(loop, sock=sock))


@probe("connect_read_pipe")
async def connect_read_pipe(loop: Loop) -> None:
    reading, writing = os.pipe()
    transport, protocol = await loop.connect_read_pipe(Recorder, os.fdopen(reading, "rb", 0))
    os.write(writing, b"hello")
    expect(await protocol.read(5) == b"hello", "other data")
    os.close(writing)
    expect(await protocol.lost is None, "lost with an error")
    transport.close()


@probe("connect_write_pipe")
async def connect_write_pipe(loop: Loop) -> None:
    reading, writing = os.pipe()
    transport, protocol = await loop.connect_write_pipe(Recorder, os.fdopen(writing, "wb", 0))
    transport.write(b"hello")
    expect(await in_thread(os.read, reading, 10) == b"hello", "other data")
    transport.close()
    await protocol.lost
    os.close(reading)
