"""aiohttp's websockets on one loop, client and server."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from .aiohttp_servers import serving

Loop = asyncio.AbstractEventLoop

pytestmark = pytest.mark.usefixtures("task_kind")

LARGE = bytes(range(256)) * 4096


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(max_msg_size=0)
    await socket.prepare(request)
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT:
            await socket.send_str(message.data)
        else:
            await socket.send_bytes(message.data)
    return socket


async def test_messages_come_back() -> None:
    async with serving({"/": echo}) as server, aiohttp.ClientSession() as session:
        async with session.ws_connect(server.url(), max_msg_size=0) as socket:
            for number in range(100):
                await socket.send_str(str(number))
                assert await socket.receive_str() == str(number)
            await socket.send_bytes(LARGE)
            assert await socket.receive_bytes() == LARGE
        assert socket.close_code == aiohttp.WSCloseCode.OK


async def test_many_websockets_at_once() -> None:
    async with serving({"/": echo}) as server, aiohttp.ClientSession() as session:

        async def talks(number: int) -> list[str]:
            async with session.ws_connect(server.url()) as socket:
                for part in range(10):
                    await socket.send_str(f"{number}.{part}")
                return [await socket.receive_str() for _ in range(10)]

        results = await asyncio.gather(*(talks(number) for number in range(50)))
    assert results == [[f"{number}.{part}" for part in range(10)] for number in range(50)]


async def test_heartbeats_keep_a_silent_websocket_open(loop: Loop) -> None:
    async with (
        serving({"/": echo}) as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(server.url(), heartbeat=0.02) as socket,
    ):
        # A ping is answered only while somebody receives.
        answer = loop.create_task(socket.receive_str())
        silence = loop.create_future()
        loop.call_later(0.1, silence.set_result, None)
        await silence
        await socket.send_str("still here")
        assert await answer == "still here"


async def test_a_cancelled_receive_loses_no_message(loop: Loop) -> None:
    async with (
        serving({"/": echo}) as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(server.url()) as socket,
    ):
        for number in range(10):
            receiving = loop.create_task(socket.receive_str())
            await asyncio.sleep(0)
            receiving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await receiving
            await socket.send_str(str(number))
            assert await socket.receive_str() == str(number)


async def test_the_client_hears_that_the_server_closes() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.close(code=aiohttp.WSCloseCode.GOING_AWAY, message=b"bye")
        return socket

    async with (
        serving({"/": handler}) as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(server.url()) as socket,
    ):
        message = await socket.receive()
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert message.data == aiohttp.WSCloseCode.GOING_AWAY
        assert message.extra == "bye"


async def test_the_server_hears_that_the_client_is_gone(loop: Loop) -> None:
    ended = loop.create_future()

    async def handler(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for _ in socket:
            pass
        ended.set_result(socket.close_code)
        return socket

    async with serving({"/": handler}) as server:
        async with aiohttp.ClientSession() as session, session.ws_connect(server.url()):
            pass
        assert await ended == aiohttp.WSCloseCode.OK
