"""The transport contract, fifth part: transports as objects, from their making to the collector."""

from __future__ import annotations

import asyncio
import gc
import os
import weakref
from typing import Any

import pytest

from .carriers import Carrier, Party, carriers
from .support import Loop, turns


@carriers()
async def test_repr_works_in_every_state(loop: Loop, carrier: Carrier) -> None:
    class Telling(Party):
        def _tell(self) -> None:
            assert "ransport" in repr(self.transport)

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._tell()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._tell()

        def connection_lost(self, exc: BaseException | None) -> None:
            super().connection_lost(exc)
            self._tell()

    async with carrier.connected(Telling, Telling) as link:
        both = (link.client_transport, link.server_transport)
        told = [[repr(end) for end in both]]
        link.server_transport.pause_reading()
        link.client_transport.write(b"x" * 20_000_000)
        told.append([repr(end) for end in both])
        link.client_transport.close()
        told.append([repr(end) for end in both])
        link.server_transport.resume_reading()
        await link.client.lost
        await link.server.lost
        await turns(3)
        told.append([repr(end) for end in both])
        assert all("ransport" in text for texts in told for text in texts)


@carriers()
async def test_is_closing_tells_from_the_call_on_and_for_ever(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Party) as link:
        near = link.client_transport
        assert near.is_closing() is False
        near.close()
        assert near.is_closing() is True
        await link.client.lost
        await link.server.lost
        await turns(3)
        assert near.is_closing() is True
        assert link.server_transport.is_closing() is True


@carriers(asyncio_bug=dict.fromkeys(["tls", "tls in tls"], "it forgets the transport below"))
async def test_what_was_known_of_the_connection_stays_known(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Party) as link:
        keys = ("sockname", "peername", "cipher", "peercert", "sslcontext", "nothing")
        before = {key: link.client_transport.get_extra_info(key, "?") for key in keys}
        link.client_transport.close()
        await link.client.lost
        await link.server.lost
        await turns(3)
        assert {key: link.client_transport.get_extra_info(key, "?") for key in keys} == before
        assert before["nothing"] == "?"


@carriers()
async def test_transports_are_asyncios_and_can_be_keys(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Party) as link:
        near, far = link.client_transport, link.server_transport
        assert isinstance(near, asyncio.WriteTransport)
        assert isinstance(far, asyncio.ReadTransport)
        # The writing end of a pipe, too.
        assert isinstance(near, asyncio.Transport)
        assert isinstance(far, asyncio.Transport) is carrier.both_ways
        assert {near: 1, far: 2}[near] == 1
        assert weakref.ref(near)() is near


@carriers(asyncio_bug={"stdio": "the watcher of children keeps them"}, on=[(3, 11)])
@pytest.mark.parametrize("method", ["close", "abort"])
async def test_a_closed_connection_is_collected(loop: Loop, carrier: Carrier, method: str) -> None:
    gone: list[weakref.ref[Any]] = []

    async def connect() -> None:
        async with carrier.connected(Party, Party) as link:
            link.client_transport.write(b"x")
            await link.server.received(1)
            for thing in (link.client, link.server, link.client_transport, link.server_transport):
                gone.append(weakref.ref(thing))
            getattr(link.client_transport, method)()
            await link.client.lost
            await link.server.lost

    await connect()
    await turns(5)
    gc.collect()
    assert [ref() for ref in gone if ref() is not None] == []


@carriers()
@pytest.mark.parametrize("ending", ["close", "abort", "cut"])
async def test_connections_that_come_and_go_leave_no_descriptors(
    loop: Loop, carrier: Carrier, ending: str
) -> None:
    async def connect() -> None:
        async with carrier.connected(Party, Party) as link:
            link.client_transport.write(b"x" * 100_000)
            if ending == "cut":
                link.cut()
            else:
                getattr(link.client_transport, ending)()
            await link.client.lost
            await link.server.lost

    await connect()  # what a loop opens once, it may keep
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        await connect()
    assert len(os.listdir("/proc/self/fd")) == before
