"""UDP and Unix datagram sockets: `create_datagram_endpoint`."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import sys
from asyncio.log import logger
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from aioxide.datagram_transport import DatagramTransport
from aioxide.names import ensure_resolved
from aioxide.watchers import Watchers

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioxide.event_loop import EventLoop

P = TypeVar("P", bound=asyncio.BaseProtocol)

# Bug-fix releases of 3.11 and 3.12 changed the words, as more than UDP sockets will do.
_KNOWS_ONLY_UDP = sys.version_info < (3, 11, 8) or (3, 12) <= sys.version_info < (3, 12, 2)
_WHAT_WAS_EXPECTED = f"A {'UDP Socket' if _KNOWS_ONLY_UDP else 'datagram socket'} was expected"


class _Candidate(NamedTuple):
    """One way to make the socket that the user wants."""

    family: int
    proto: int
    local: Any
    remote: Any


class Datagrams(Watchers):
    """Makes datagram endpoints."""

    # Like asyncio's own loop it has no `reuse_address` any more.
    async def create_datagram_endpoint(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], P],
        local_addr: Any = None,
        remote_addr: Any = None,
        *,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        reuse_port: bool | None = None,
        allow_broadcast: bool | None = None,
        sock: socket.socket | None = None,
    ) -> tuple[asyncio.DatagramTransport, P]:
        """Make a datagram socket and give it to a protocol.

        Args:
            protocol_factory: makes the protocol.
            local_addr: where to bind: a pair of host and port, or a path for `AF_UNIX`.
            remote_addr: where to connect, in the same form.
            family: address family; 0 for whatever the addresses need.
            proto: protocol number.
            flags: for `getaddrinfo`.
            reuse_port: let others bind to the same address (`SO_REUSEPORT`).
            allow_broadcast: allow sending to broadcast addresses; such a socket is not connected.
            sock: a datagram socket that is there already; the transport owns it from here.

        Raises:
            OSError: no socket could be made, bound and connected.
            TypeError: an address has the wrong form.
            ValueError: the arguments contradict each other, or fit no address.

        """
        remote: Any = None
        is_ours = sock is None
        if sock is not None:
            options = {
                "local_addr": local_addr,
                "remote_addr": remote_addr,
                "family": family,
                "proto": proto,
                "flags": flags,
                "reuse_port": reuse_port,
                "allow_broadcast": allow_broadcast,
            }
            _check_datagram_socket(sock, options)
            sock.setblocking(False)
        else:
            candidates = await self._datagram_candidates(
                local_addr, remote_addr, family, proto, flags
            )
            sock, remote = await self._first_datagram_socket(
                candidates, reuse_port=bool(reuse_port), allow_broadcast=bool(allow_broadcast)
            )
        try:
            self._ensure_fd_no_transport(sock)
            protocol = protocol_factory()
        except BaseException:
            if is_ours:
                sock.close()
            raise
        waiter: asyncio.Future[None] = self.create_future()
        loop = cast("EventLoop", self)
        transport = DatagramTransport(loop, sock, protocol, remote, waiter)
        if self.get_debug():
            _log_created(local_addr, remote_addr, transport, protocol)
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        return transport, protocol

    async def _datagram_candidates(
        self, local: Any, remote: Any, family: int, proto: int, flags: int
    ) -> list[_Candidate]:
        """Return every way to make the socket, in the order in which they are to be tried."""
        if not (local or remote):
            if family == 0:
                raise ValueError("unexpected address family")
            return [_Candidate(family, proto, None, None)]
        if family == socket.AF_UNIX:
            for address in (local, remote):
                if address is not None and not isinstance(address, str):
                    raise TypeError("string is expected")
            if local:
                _remove_stale_socket(local)
            return [_Candidate(family, proto, local, remote)]
        found: dict[tuple[int, int], list[Any]] = {}
        for index, address in enumerate((local, remote)):
            if address is not None:
                for info in await self._datagram_addresses(address, family, proto, flags):
                    kind = info[0], info[2]
                    found.setdefault(kind, [None, None])[index] = info[4]
        candidates = [
            _Candidate(*kind, *addresses)
            for kind, addresses in found.items()
            if not (local and addresses[0] is None) and not (remote and addresses[1] is None)
        ]
        if not candidates:
            raise ValueError("can not get address information")
        return candidates

    async def _datagram_addresses(
        self, address: Any, family: int, proto: int, flags: int
    ) -> list[Any]:
        if not (isinstance(address, tuple) and len(address) == 2):
            raise TypeError("2-tuple is expected")
        infos = await ensure_resolved(
            self, address, family=family, type=socket.SOCK_DGRAM, proto=proto, flags=flags
        )
        if not infos:
            raise OSError("getaddrinfo() returned empty list")
        return infos

    async def _first_datagram_socket(
        self, candidates: list[_Candidate], *, reuse_port: bool, allow_broadcast: bool
    ) -> tuple[socket.socket, Any]:
        """Return the first socket that can be made, and the address that it sends to by default."""
        failures: list[OSError] = []
        for candidate in candidates:
            sock = None
            try:
                sock = socket.socket(
                    family=candidate.family, type=socket.SOCK_DGRAM, proto=candidate.proto
                )
                if reuse_port:
                    _set_reuse_port(sock)
                if allow_broadcast:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                sock.setblocking(False)
                if candidate.local:
                    sock.bind(candidate.local)
                # A broadcast socket is left unconnected, or it could not hear the answers.
                if candidate.remote and not allow_broadcast:
                    await self.sock_connect(sock, candidate.remote)
            except OSError as exc:
                if sock is not None:
                    sock.close()
                failures.append(exc)
            except BaseException:
                if sock is not None:
                    sock.close()
                raise
            else:
                return sock, candidate.remote
        raise failures[0]


def _check_datagram_socket(sock: socket.socket, options: dict[str, Any]) -> None:
    if sock.type == socket.SOCK_STREAM:
        raise ValueError(f"{_WHAT_WAS_EXPECTED}, got {sock!r}")
    given = ", ".join(f"{name}={value}" for name, value in options.items() if value)
    if given:
        raise ValueError(
            f"socket modifier keyword arguments can not be used when sock is specified. ({given})"
        )


def _set_reuse_port(sock: socket.socket) -> None:
    if not hasattr(socket, "SO_REUSEPORT"):
        raise ValueError("reuse_port not supported by socket module")
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError as exc:
        raise ValueError(
            "reuse_port not supported by socket module, SO_REUSEPORT defined but not implemented."
        ) from exc


def _remove_stale_socket(path: str) -> None:
    """Remove the socket file that an earlier process left, unless the address is an abstract one."""
    if path.startswith("\0"):
        return
    try:
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as exc:
        # Some folders allow one to make a socket, and nothing else; binding will tell.
        logger.error("Unable to check or remove stale UNIX socket %r: %r", path, exc)


def _log_created(local: Any, remote: Any, transport: object, protocol: object) -> None:
    if local:
        logger.info(
            "Datagram endpoint local_addr=%r remote_addr=%r created: (%r, %r)",
            local,
            remote,
            transport,
            protocol,
        )
    else:
        logger.debug(
            "Datagram endpoint remote_addr=%r created: (%r, %r)", remote, transport, protocol
        )
