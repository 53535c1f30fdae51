"""Host names: `getaddrinfo`, `getnameinfo`, and the short cut for addresses that need no look-up.

What the C library answers from the text alone (literal addresses, a missing host) is asked of it right here, since
no thread is worth waiting for, or not even asked; every other question goes to the loop's own blocking pool.
`socket.getaddrinfo` is found by name at each call, because programs and tests replace it.

Names that the C library would misread are refused before it sees them: it stops reading at a NUL, and takes
`0x000…7f000001` of any length for an address. Refusing is `socket.gaierror`, as for any name that does not exist.
"""

from __future__ import annotations

import socket
from asyncio.log import logger
from socket import inet_pton
from typing import TYPE_CHECKING, Any

from aioxide import _core
from aioxide.foundation import Foundation

if TYPE_CHECKING:
    import asyncio
    from typing import TypeAlias

    Host: TypeAlias = bytes | str | None
    Port: TypeAlias = bytes | str | int | None
    # family, type, protocol, canonical name, socket address
    AddressInfo: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]

# As the standard library has it: what a program has put in its place is always asked.
_getaddrinfo = socket.getaddrinfo

# RFC 1035, section 2.3.4, without the root's empty label.
_NAME_BYTES_MAX = 253
_LABEL_BYTES_MAX = 63

_BOTH_NUMERIC = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV


class Names(Foundation):
    """The name service of the event loop."""

    async def getaddrinfo(
        self,
        host: Host,
        port: Port,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - asyncio's name
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """Translate a host and a port as `socket.getaddrinfo` does, without blocking the loop.

        Args:
            host: a name, a literal address, or None.
            port: a number, a service name, or None.
            family: an address family, or 0 for any.
            type: a socket type, or 0 for any.
            proto: a protocol number, or 0 for any.
            flags: `AI_*` flags.

        Raises:
            socket.gaierror: there is no such name, or it cannot be one.

        """
        if flags == 0 and socket.getaddrinfo is _getaddrinfo and not self.get_debug():
            known = _core.literal_address_info(host, port, family, type, proto)
            if known is not None:
                return known
        _refuse_misleading(host, port)
        question = (host, port, family, type, proto, flags)
        look_up = self._logged_getaddrinfo if self.get_debug() else socket.getaddrinfo
        if _answered_from_text(host, port):
            return look_up(*question)
        return await self._by_thread(self._run_blocking(look_up, *question))

    async def getnameinfo(self, sockaddr: tuple[Any, ...], flags: int = 0) -> tuple[str, str]:
        """Translate a socket address as `socket.getnameinfo` does, without blocking the loop.

        Args:
            sockaddr: `(host, port)`, for IPv6 also with flow label and scope.
            flags: `NI_*` flags.

        Raises:
            socket.gaierror: there is no name where one is required.

        """
        if flags & _BOTH_NUMERIC == _BOTH_NUMERIC:
            return socket.getnameinfo(sockaddr, flags)
        return await self._by_thread(self._run_blocking(socket.getnameinfo, sockaddr, flags))

    def _logged_getaddrinfo(self, *question: Any) -> list[Any]:
        """Look up in debug mode: one that is slow is logged, in the words that asyncio uses."""
        host, port, *settings = question
        described = ", ".join(
            [f"{host}:{port!r}"]
            + [
                f"{name}={value!r}"
                for name, value in zip(("family", "type", "proto", "flags"), settings, strict=True)
                if value
            ]
        )
        logger.debug("Get address info %s", described)
        started = self.time()
        infos = socket.getaddrinfo(*question)
        took = self.time() - started
        message = f"Getting address info {described} took {took * 1e3:.3f}ms: {infos!r}"
        if took >= self.slow_callback_duration:
            logger.info(message)
        else:
            logger.debug(message)
        return infos


async def ensure_resolved(
    loop: asyncio.AbstractEventLoop,
    address: tuple[Any, ...],
    *,
    family: int = 0,
    type: int = socket.SOCK_STREAM,  # noqa: A002 - asyncio's name
    proto: int = 0,
    flags: int = 0,
) -> list[Any]:
    """Return what `getaddrinfo` says about an address, and a literal one without asking it.

    Args:
        loop: the loop whose `getaddrinfo` is asked, looked up on the object because programs replace it there.
        address: `(host, port)`, for IPv6 also with flow label and scope.
        family: an address family, or 0 for any.
        type: a socket type.
        proto: a protocol number, or 0 for any.
        flags: `AI_*` flags.

    Raises:
        socket.gaierror: there is no such name, or it cannot be one.

    """
    host, port = address[:2]
    flow_and_scope = address[2:]
    known = literal_info(host, port, family, type, proto, *flow_and_scope)
    if known is not None:
        return [known]
    infos = await loop.getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags)
    if any(flow_and_scope):
        return [_with_flow_and_scope(info, *flow_and_scope) for info in infos]
    return infos


def literal_info(
    host: Host,
    port: Port,
    family: int,
    kind: int,
    proto: int,
    flow: int = 0,
    scope: int = 0,
) -> AddressInfo | None:
    """Return the one answer for a literal address and a numeric port, or None if they are something else."""
    if host is None or proto not in {0, socket.IPPROTO_TCP, socket.IPPROTO_UDP}:
        return None
    if kind == socket.SOCK_STREAM:
        proto = socket.IPPROTO_TCP
    elif kind == socket.SOCK_DGRAM:
        proto = socket.IPPROTO_UDP
    else:
        return None
    number = _port_number(port)
    if number is None:
        return None
    text = host.decode("idna") if isinstance(host, bytes) else host
    found = _literal_family(text)
    if found is None or family not in {0, found} or "%" in text:
        return None
    if found == socket.AF_INET6:
        return found, kind, proto, "", (text, number, flow, scope)
    return found, kind, proto, "", (text, number)


def needs_look_up(host: object) -> bool:
    """Tell whether a socket call given this host would ask the name service, and block."""
    if isinstance(host, bytes):
        host = host.decode("latin-1")
    # The two words that the socket module reads by itself: any address, and broadcast.
    return (
        isinstance(host, str) and host not in {"", "<broadcast>"} and _literal_family(host) is None
    )


def _port_number(port: Port) -> int | None:
    if port is None or port in ("", b""):
        return 0
    try:
        return int(port)
    except (TypeError, ValueError):
        return None  # a service name


def _literal_family(host: str) -> int | None:
    """Return the family of a literal address, with or without a scope; None for anything else."""
    if ":" in host:
        family, text = socket.AF_INET6, host.partition("%")[0]
    elif host[:1].isdigit():
        family, text = socket.AF_INET, host
    else:
        return None
    try:
        inet_pton(family, text)
    except (OSError, ValueError):
        return None
    return family


def _answered_from_text(host: object, port: object) -> bool:
    """Tell whether the C library answers without reading a file and without asking the network."""
    if isinstance(port, bytes):
        port = port.decode("latin-1")
    if isinstance(port, str) and port and not (port.isascii() and port.isdigit()):
        return False
    if isinstance(host, bytes):
        host = host.decode("latin-1")
    return host is None or (isinstance(host, str) and _literal_family(host) is not None)


def _refuse_misleading(host: object, port: object) -> None:
    """Raise for a name that the C library would cut short or take for something else."""
    if (isinstance(port, str) and "\0" in port) or (isinstance(port, bytes) and b"\0" in port):
        raise socket.gaierror(socket.EAI_SERVICE, "Servname not supported for ai_socktype")
    if isinstance(host, str):
        # Labels are left to the idna codec, whose errors socket.getaddrinfo passes on.
        refused = "\0" in host or len(host.removesuffix(".")) > _NAME_BYTES_MAX
    elif isinstance(host, bytes):
        name = host.removesuffix(b".")
        refused = (
            b"\0" in name
            or len(name) > _NAME_BYTES_MAX
            or any(len(label) > _LABEL_BYTES_MAX for label in name.split(b"."))
        )
    else:
        refused = False
    if refused:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def _with_flow_and_scope(info: Any, flow: int = 0, scope: int = 0) -> Any:
    """Give a looked-up IPv6 address the flow label and the scope that came with the name."""
    family, kind, proto, canonical, address = info
    if family != socket.AF_INET6 or any(address[2:]):
        return info
    return family, kind, proto, canonical, (*address[:2], flow, scope)
