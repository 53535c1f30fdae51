"""Datagram endpoints: sending, receiving, errors, options and closing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from asyncio.trsock import TransportSocket
from pathlib import Path
from typing import Any

import pytest

from .datagrams import Datagrams, close, endpoint, name_of
from .support import Loop, Reports, nonblocking_pair, refused_port, turns

# Lets a socket have an address that this machine has not. Python's socket module has no name for it.
_IPV6_FREEBIND = 78


async def test_a_datagram_arrives_with_its_sender(loop: Loop) -> None:
    a, b = await endpoint(loop), await endpoint(loop)
    a.transport.sendto(b"hello", name_of(b))
    assert await b.queue.get() == (b"hello", name_of(a))
    b.transport.sendto(b"answer", name_of(a))
    assert await a.queue.get() == (b"answer", name_of(b))
    await close(a, b)


async def test_datagrams_keep_their_borders_and_their_order(loop: Loop) -> None:
    a, b = await endpoint(loop), await endpoint(loop)
    for i in range(100):
        a.transport.sendto(b"%d" % i * (i % 5 + 1), name_of(b))
    for i in range(100):
        assert (await b.queue.get())[0] == b"%d" % i * (i % 5 + 1)
    await close(a, b)


@pytest.mark.parametrize("size", [1, 1472, 9000, 65507])
async def test_datagrams_of_every_size_arrive(loop: Loop, size: int) -> None:
    a, b = await endpoint(loop), await endpoint(loop)
    a.transport.sendto(b"x" * size, name_of(b))
    assert (await b.queue.get())[0] == b"x" * size
    await close(a, b)


@pytest.mark.asyncio_since(3, 13, "earlier ones drop empty datagrams")
async def test_an_empty_datagram_is_a_datagram(loop: Loop) -> None:
    a, b = await endpoint(loop), await endpoint(loop)
    a.transport.sendto(b"", name_of(b))
    assert await b.queue.get() == (b"", name_of(a))
    await close(a, b)


@pytest.mark.parametrize(
    "data", [b"abc", bytearray(b"abc"), memoryview(b"abc")], ids=lambda d: type(d).__name__
)
async def test_sendto_takes_bytes_bytearray_and_memoryview(loop: Loop, data: Any) -> None:
    a, b = await endpoint(loop), await endpoint(loop)
    a.transport.sendto(data, name_of(b))
    assert (await b.queue.get())[0] == b"abc"
    await close(a, b)


async def test_sendto_of_something_else_is_a_type_error(loop: Loop) -> None:
    a = await endpoint(loop)
    with pytest.raises(TypeError, match="^data argument must be a bytes-like object, not 'str'$"):
        a.transport.sendto("text", name_of(a))
    await close(a)


async def test_a_connected_endpoint_needs_no_address(loop: Loop) -> None:
    b = await endpoint(loop)
    a = await endpoint(loop, remote_addr=name_of(b))
    assert a.transport.get_extra_info("peername") == name_of(b)
    a.transport.sendto(b"one")
    a.transport.sendto(b"two", name_of(b))
    a.transport.sendto(b"three", None)
    assert [(await b.queue.get())[0] for _ in range(3)] == [b"one", b"two", b"three"]
    await close(a, b)


async def test_a_connected_endpoint_refuses_other_addresses(loop: Loop) -> None:
    b = await endpoint(loop)
    a = await endpoint(loop, remote_addr=name_of(b))
    with pytest.raises(ValueError, match="^Invalid address: must be None or "):
        a.transport.sendto(b"x", ("127.0.0.1", 1))
    await close(a, b)


async def test_local_and_remote_address_go_together(loop: Loop) -> None:
    b = await endpoint(loop)
    a = await endpoint(loop, local_addr=("127.0.0.1", 0), remote_addr=name_of(b))
    a.transport.sendto(b"x")
    assert await b.queue.get() == (b"x", name_of(a))
    await close(a, b)


async def test_a_connected_endpoint_goes_on_after_a_refusal(loop: Loop) -> None:
    port = refused_port()
    a = await endpoint(loop, remote_addr=("127.0.0.1", port))
    for _ in range(3):
        a.transport.sendto(b"x")
        assert isinstance(await a.errors.get(), ConnectionRefusedError)
    b = await endpoint(loop, local_addr=("127.0.0.1", port))
    while b.queue.empty():  # a refusal that is on its way takes the place of a datagram
        a.transport.sendto(b"y")
        await turns(1)
    b.transport.sendto(b"answer", name_of(a))
    assert (await a.queue.get())[0] == b"answer"
    await close(a, b)


async def test_a_refusal_comes_as_error_received_and_the_endpoint_lives_on(loop: Loop) -> None:
    a = await endpoint(loop, remote_addr=("127.0.0.1", refused_port()))
    a.transport.sendto(b"x")
    assert isinstance(await a.errors.get(), ConnectionRefusedError)
    assert not a.transport.is_closing()
    await close(a)


async def test_too_large_a_datagram_is_an_error_received(loop: Loop) -> None:
    a = await endpoint(loop)
    a.transport.sendto(b"x" * 70_000, name_of(a))
    error = await a.errors.get()
    assert isinstance(error, OSError)
    assert error.errno == 90
    assert not a.transport.is_closing()
    await close(a)


async def test_close_is_not_synchronous_and_calls_connection_lost_once(loop: Loop) -> None:
    a = await endpoint(loop)
    a.transport.close()
    a.transport.close()
    assert a.transport.is_closing()
    assert not a.lost.done()
    assert await a.lost is None
    await turns(2)
    assert a.events == ["made", "lost"]


async def test_abort_ends_at_once(loop: Loop) -> None:
    a = await endpoint(loop)
    a.transport.abort()
    assert await a.lost is None


@pytest.mark.asyncio_since(3, 12, "before, it only looks like one")
async def test_a_transport_is_a_real_datagram_transport(loop: Loop) -> None:
    a = await endpoint(loop)
    assert isinstance(a.transport, asyncio.DatagramTransport)
    assert a.transport.get_extra_info("socket").type == socket.SOCK_DGRAM
    assert a.transport.get_write_buffer_size() == 0
    await close(a)


async def test_an_exception_in_datagram_received_is_reported_and_the_endpoint_lives_on(
    loop: Loop, reports: Reports
) -> None:
    class Raises(Datagrams):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            if data == b"bad":
                raise LookupError("datagram")

    _, a = await loop.create_datagram_endpoint(Raises, local_addr=("127.0.0.1", 0))
    for data in (b"bad", b"good"):
        a.transport.sendto(data, name_of(a))
        assert (await a.queue.get())[0] == data
    assert [type(report["exception"]) for report in reports] == [LookupError]
    reports.clear()
    await close(a)


async def test_reuse_port_lets_two_endpoints_share_a_port(loop: Loop) -> None:
    a = await endpoint(loop, local_addr=("127.0.0.1", 0), reuse_port=True)
    b = await endpoint(loop, local_addr=name_of(a), reuse_port=True)
    assert name_of(a) == name_of(b)
    await close(a, b)


async def test_allow_broadcast_sets_the_option(loop: Loop) -> None:
    a = await endpoint(loop, local_addr=("127.0.0.1", 0), allow_broadcast=True)
    assert (
        a.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST) == 1
    )
    await close(a)


async def test_a_family_alone_is_enough(loop: Loop) -> None:
    a, b = await endpoint(loop, family=socket.AF_INET), await endpoint(loop)
    a.transport.sendto(b"x", name_of(b))
    assert (await b.queue.get())[0] == b"x"
    await close(a, b)


async def test_a_socket_can_be_given(loop: Loop) -> None:
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    a, b = await endpoint(loop, sock=sock), await endpoint(loop)
    b.transport.sendto(b"x", sock.getsockname())
    assert (await a.queue.get())[0] == b"x"
    await close(a, b)
    assert sock.fileno() == -1


@pytest.mark.asyncio_bug("a peer without a name counts as no peer")
async def test_a_pair_of_unix_datagram_sockets_works(loop: Loop) -> None:
    near, far = nonblocking_pair(socket.SOCK_DGRAM)
    a, b = await endpoint(loop, sock=near), await endpoint(loop, sock=far)
    a.transport.sendto(b"unix")
    assert (await b.queue.get())[0] == b"unix"
    await close(a, b)


async def test_unix_paths_work_as_addresses(loop: Loop, tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = str(tmp_path / "socket")
    b = await endpoint(loop, local_addr=path, family=socket.AF_UNIX)
    a = await endpoint(loop, remote_addr=path, family=socket.AF_UNIX)
    a.transport.sendto(b"x")
    assert (await b.queue.get())[0] == b"x"
    await close(a, b)


@pytest.mark.parametrize(
    ("kwargs", "error", "text"),
    [
        ({"family": 0}, ValueError, "unexpected address family"),
        ({"local_addr": "127.0.0.1"}, TypeError, "2-tuple is expected"),
        ({"local_addr": ("127.0.0.1",)}, TypeError, "2-tuple is expected"),
        ({"sock": "stream"}, ValueError, "A (datagram|UDP) [sS]ocket was expected, got "),
        (
            {"sock": "datagram", "local_addr": ("127.0.0.1", 0)},
            ValueError,
            "socket modifier keyword arguments can not be used",
        ),
    ],
    ids=["nothing", "no tuple", "short tuple", "stream", "both"],
)
async def test_arguments_that_make_no_sense_are_refused(  # type: ignore[no-untyped-def]
    loop: Loop, kwargs: dict[str, Any], error, text: str
) -> None:
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        if "sock" in kwargs:
            kwargs = {**kwargs, "sock": {"stream": stream, "datagram": datagram}[kwargs["sock"]]}
        with pytest.raises(error, match=text):
            await loop.create_datagram_endpoint(Datagrams, **kwargs)


async def test_an_address_that_is_taken_is_an_os_error(loop: Loop) -> None:
    a = await endpoint(loop)
    with pytest.raises(OSError, match="Address already in use"):
        await endpoint(loop, local_addr=name_of(a))
    await close(a)


async def test_sending_after_close_does_no_harm(loop: Loop) -> None:
    a = await endpoint(loop)
    a.transport.abort()
    await a.lost
    with contextlib.suppress(AttributeError, OSError):  # the stdlib's socket is gone by then
        a.transport.sendto(b"x", ("127.0.0.1", 1))


async def test_multicast_options_can_be_set_through_the_socket(loop: Loop) -> None:
    a = await endpoint(loop)
    sock = a.transport.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 3)
    assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 3
    await close(a)


async def test_each_of_many_senders_is_named(loop: Loop) -> None:
    a = await endpoint(loop)
    others = [await endpoint(loop) for _ in range(100)]
    for round_ in (b"one", b"two"):
        for other in others:
            other.transport.sendto(round_ + b"%d" % name_of(other)[1], name_of(a))
            data, addr = await a.queue.get()
            assert addr == name_of(other)
            assert data == round_ + b"%d" % addr[1]
            a.transport.sendto(data, addr)
            assert await other.queue.get() == (data, name_of(a))
    await close(a, *others)


async def test_an_address_of_ipv6_has_four_fields_and_two_are_enough(loop: Loop) -> None:
    a = await endpoint(loop, local_addr=("::1", 0))
    host, port, flow, scope = name_of(a)
    assert (host, flow, scope) == ("::1", 0, 0)
    for addr in ((host, port), (host, port, 0), (host, port, 0, 0), ("0:0::0:1", port, 7)):
        a.transport.sendto(b"x", addr)
        assert await a.queue.get() == (b"x", name_of(a))
    await close(a)


async def test_ipv4_seen_through_ipv6_keeps_its_dots(loop: Loop) -> None:
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", 0))
    a, b = await endpoint(loop, sock=sock), await endpoint(loop)
    b.transport.sendto(b"x", ("127.0.0.1", sock.getsockname()[1]))
    _, addr = await a.queue.get()
    assert addr == ("::ffff:127.0.0.1", name_of(b)[1], 0, 0)
    a.transport.sendto(b"answer", addr)
    assert (await b.queue.get())[0] == b"answer"
    await close(a, b)


async def test_ipv4_within_ipv6_keeps_its_dots_in_the_old_form_too(loop: Loop) -> None:
    a = await endpoint(loop, local_addr=("::1", 0))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        sock.bind(("::1.2.3.4", 0))
        sock.sendto(b"x", name_of(a))
        assert await a.queue.get() == (b"x", sock.getsockname())
        assert sock.getsockname()[0] == "::1.2.3.4"
    await close(a)


async def test_a_host_may_be_a_name(loop: Loop) -> None:
    a = await endpoint(loop)
    a.transport.sendto(b"x", ("localhost", name_of(a)[1]))
    assert await a.queue.get() == (b"x", name_of(a))
    await close(a)


async def test_a_name_that_nobody_knows_is_an_error_received(loop: Loop) -> None:
    a = await endpoint(loop)
    a.transport.sendto(b"x", ("no host has a name with blanks", 1))
    assert isinstance(await a.errors.get(), socket.gaierror)
    assert not a.transport.is_closing()
    await close(a)


@pytest.mark.parametrize(
    ("addr", "error"),
    [
        (None, TypeError),
        ("127.0.0.1", TypeError),
        (["127.0.0.1", 1], TypeError),
        (("127.0.0.1",), TypeError),
        (("127.0.0.1", "1"), TypeError),
        (("127.0.0.1", 65536), OverflowError),
        (("127.0.0.1", -1), OverflowError),
        (("127.0.0.1", 2**70), OverflowError),
    ],
    ids=repr,
)
async def test_what_is_no_address_ends_the_endpoint(
    loop: Loop, reports: Reports, addr: Any, error: type[Exception]
) -> None:
    a = await endpoint(loop)
    a.transport.sendto(b"x", addr)
    assert isinstance(await a.lost, error)
    assert [report["message"] for report in reports] == ["Fatal write error on datagram transport"]
    assert reports[0]["transport"] is a.transport
    assert reports[0]["protocol"] is a
    reports.clear()


async def test_a_connected_socket_that_is_given_sends_to_its_peer_whatever_the_address(
    loop: Loop,
) -> None:
    b = await endpoint(loop)
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.connect(name_of(b))
    a = await endpoint(loop, sock=sock)
    for addr in (None, name_of(b), ("127.0.0.1", 1)):
        a.transport.sendto(b"x", addr)
        assert (await b.queue.get())[0] == b"x"
    await close(a, b)


async def test_a_broadcasting_endpoint_has_an_address_but_hears_everybody(loop: Loop) -> None:
    b, c = await endpoint(loop), await endpoint(loop)
    a = await endpoint(
        loop, local_addr=("127.0.0.1", 0), remote_addr=name_of(b), allow_broadcast=True
    )
    assert a.transport.get_extra_info("peername") is None
    a.transport.sendto(b"x")
    a.transport.sendto(b"y", name_of(b))
    assert [(await b.queue.get())[0] for _ in range(2)] == [b"x", b"y"]
    with pytest.raises(ValueError, match="^Invalid address: must be None or "):
        a.transport.sendto(b"z", name_of(c))
    c.transport.sendto(b"from c", name_of(a))
    assert await a.queue.get() == (b"from c", name_of(c))
    await close(a, b, c)


@pytest.mark.parametrize("name", ["path", "abstract", "none"])
async def test_a_unix_sender_is_named_as_its_socket_is(
    loop: Loop, tmp_path: Path, name: str
) -> None:
    b = await endpoint(loop, local_addr=str(tmp_path / "b"), family=socket.AF_UNIX)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        own: Any = None
        if name != "none":
            own = str(tmp_path / "\udcff") if name == "path" else b"\0" + os.urandom(8)
            sock.bind(own)
        sock.sendto(b"x", name_of(b))
        assert await b.queue.get() == (b"x", own)
        if own is not None:
            b.transport.sendto(b"answer", own)
            sock.settimeout(10)
            assert sock.recvfrom(100) == (b"answer", name_of(b))
    await close(b)


async def test_a_unix_path_that_is_not_there_is_an_error_received(
    loop: Loop, tmp_path: Path
) -> None:
    a = await endpoint(loop, family=socket.AF_UNIX)
    assert name_of(a) == ""
    a.transport.sendto(b"x", str(tmp_path / "nobody"))
    assert isinstance(await a.errors.get(), FileNotFoundError)
    await close(a)


async def test_a_stale_unix_socket_is_replaced(loop: Loop, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    for _ in range(2):
        a = await endpoint(loop, local_addr=path, family=socket.AF_UNIX)
        await close(a)
        assert stat.S_ISSOCK(os.stat(path).st_mode)


async def test_unix_datagrams_may_be_longer_than_those_of_the_internet(
    loop: Loop, tmp_path: Path
) -> None:
    path = str(tmp_path / "socket")
    b = await endpoint(loop, local_addr=path, family=socket.AF_UNIX)
    a = await endpoint(loop, remote_addr=path, family=socket.AF_UNIX)
    a.transport.sendto(b"x" * 150_000)
    assert (await b.queue.get())[0] == b"x" * 150_000
    await close(a, b)


async def test_an_empty_datagram_from_elsewhere_is_received(loop: Loop) -> None:
    a = await endpoint(loop)
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.sendto(b"", name_of(a))
        assert (await a.queue.get())[0] == b""
    await close(a)


async def test_the_descriptor_belongs_to_the_transport(loop: Loop) -> None:
    a = await endpoint(loop)
    fd = a.transport.get_extra_info("socket").fileno()
    with pytest.raises(RuntimeError, match="is used by transport"):
        loop.add_reader(fd, print)
    with pytest.raises(RuntimeError, match="is used by transport"):
        loop.remove_writer(fd)
    await close(a)


async def test_the_extra_information_names_socket_and_addresses(loop: Loop) -> None:
    a = await endpoint(loop)
    b = await endpoint(loop, remote_addr=name_of(a))
    for each in (a, b):
        sock = each.transport.get_extra_info("socket")
        assert isinstance(sock, TransportSocket)
        assert each.transport.get_extra_info("sockname") == sock.getsockname()
    assert a.transport.get_extra_info("peername", "none") is None
    assert b.transport.get_extra_info("peername") == name_of(a)
    assert b.transport.get_extra_info("nothing", "default") == "default"
    await close(a, b)
