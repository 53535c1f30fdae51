"""aiohttp's client and server on one loop: it makes tasks of asyncio's own, eager ones where it can."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from .aiohttp_servers import serving

Loop = asyncio.AbstractEventLoop

pytestmark = pytest.mark.usefixtures("task_kind")

LARGE = bytes(range(256)) * 4096
MANY = 200

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=f"hello {request.query.get('name', '')}")


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def echo_stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    async for chunk in request.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response


async def test_requests_in_sequence_share_one_connection() -> None:
    peers: set[object] = set()

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return await hello(request)

    async with serving({"/": handler}) as server, aiohttp.ClientSession() as session:
        for number in range(50):
            async with session.get(server.url(), params={"name": str(number)}) as response:
                assert response.status == 200
                assert await response.text() == f"hello {number}"
    assert len(peers) == 1


async def test_a_connection_that_is_not_kept_alive_is_closed() -> None:
    peers: set[object] = set()

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return await hello(request)

    connector = aiohttp.TCPConnector(force_close=True)
    async with (
        serving({"/": handler}) as server,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        for _ in range(5):
            async with session.get(server.url()) as response:
                await response.read()
    assert len(peers) == 5


async def test_many_requests_at_once(loop: Loop) -> None:
    gate = asyncio.Event()
    inside = 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal inside
        inside += 1
        if inside == MANY:
            gate.set()
        await gate.wait()
        return await hello(request)

    async def asks(session: aiohttp.ClientSession, url: str, number: int) -> str:
        async with session.get(url, params={"name": str(number)}) as response:
            return await response.text()

    connector = aiohttp.TCPConnector(limit=0)
    async with (
        serving({"/": handler}, backlog=MANY) as server,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        texts = await asyncio.gather(
            *(asks(session, server.url(), number) for number in range(MANY))
        )
    assert texts == [f"hello {number}" for number in range(MANY)]


async def test_a_limited_pool_serves_more_requests_than_it_has_connections() -> None:
    peers: set[object] = set()

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        await asyncio.sleep(0)
        return await hello(request)

    connector = aiohttp.TCPConnector(limit=5)
    async with (
        serving({"/": handler}) as server,
        aiohttp.ClientSession(connector=connector) as session,
    ):

        async def asks() -> int:
            async with session.get(server.url()) as response:
                return response.status

        statuses = await asyncio.gather(*(asks() for _ in range(100)))
    assert statuses == [200] * 100
    assert len(peers) <= 5


async def test_a_large_body_goes_there_and_back() -> None:
    async with (
        serving({"/": echo}, client_max_size=0) as server,
        aiohttp.ClientSession() as session,
        session.post(server.url(), data=LARGE) as response,
    ):
        assert await response.read() == LARGE


async def test_bodies_stream_in_both_directions_at_once() -> None:
    """Each chunk is sent only when the one before it has come back."""
    returned = asyncio.Event()
    returned.set()

    async def body() -> AsyncIterator[bytes]:
        for number in range(50):
            await returned.wait()
            returned.clear()
            yield b"%04d" % number

    got = bytearray()
    async with (
        serving({"/": echo_stream}) as server,
        aiohttp.ClientSession() as session,
        session.post(server.url(), data=body()) as response,
    ):
        async for chunk in response.content.iter_any():
            got += chunk
            if len(got) % 4 == 0:
                returned.set()
    assert bytes(got) == b"".join(b"%04d" % number for number in range(50))


async def test_a_chunked_upload_comes_from_an_async_generator() -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(64):
            await asyncio.sleep(0)
            yield LARGE[:65536]

    received: list[tuple[str | None, int]] = []

    async def handler(request: web.Request) -> web.Response:
        count = 0
        async for chunk in request.content.iter_chunked(8192):
            count += len(chunk)
        received.append((request.headers.get("Transfer-Encoding"), count))
        return web.Response()

    async with (
        serving({"/": handler}) as server,
        aiohttp.ClientSession() as session,
        session.put(server.url(), data=body()) as response,
    ):
        assert response.status == 200
    assert received == [("chunked", 64 * 65536)]


async def test_an_upload_that_fails_midway_ends_the_request(loop: Loop) -> None:
    ended = loop.create_future()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.sleep(0)
        raise LookupError("body")

    async def handler(request: web.Request) -> web.Response:
        try:
            await request.read()
        except BaseException as exc:
            ended.set_result(type(exc))
            raise
        return web.Response()

    async with serving({"/": handler}) as server, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.post(server.url(), data=body())
        assert issubclass(await ended, (OSError, asyncio.CancelledError))


async def test_a_file_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(LARGE)

    async def handler(request: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    async with serving({"/": handler}) as server, aiohttp.ClientSession() as session:
        async with session.get(server.url()) as response:
            assert await response.read() == LARGE
        async with session.get(server.url(), headers={"Range": "bytes=10-19"}) as response:
            assert response.status == 206
            assert await response.read() == LARGE[10:20]


async def test_a_request_times_out(loop: Loop) -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    timeout = aiohttp.ClientTimeout(total=0.02)
    async with (
        serving({"/": handler, "/hello": hello}) as server,
        aiohttp.ClientSession() as session,
    ):
        with pytest.raises(TimeoutError):
            await session.get(server.url(), timeout=timeout)
        async with session.get(server.url("/hello")) as response:
            assert response.status == 200
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_read_times_out_between_two_chunks(loop: Loop) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await asyncio.Event().wait()
        raise AssertionError

    timeout = aiohttp.ClientTimeout(sock_read=0.05)
    async with (
        serving({"/": handler}) as server,
        aiohttp.ClientSession() as session,
        session.get(server.url(), timeout=timeout) as response,
    ):
        assert await response.content.readany() == b"first"
        with pytest.raises(TimeoutError):
            await response.content.readany()


async def test_a_request_cancelled_midway_ends_at_the_server_and_leaves_the_session_usable(
    loop: Loop,
) -> None:
    started = asyncio.Event()
    ended = loop.create_future()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.Event().wait()

    async def handler(request: web.Request) -> web.Response:
        assert await request.content.readany() == b"first"
        started.set()
        try:
            await request.content.readany()
        except (OSError, aiohttp.ClientError) as exc:
            ended.set_result(exc)
            raise
        return web.Response()

    async with (
        serving({"/": handler, "/hello": hello}) as server,
        aiohttp.ClientSession() as session,
    ):
        task = loop.create_task(_post(session, server.url(), body()))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert isinstance(await ended, Exception)
        assert await _status(session, server.url("/hello")) == 200


async def _post(session: aiohttp.ClientSession, url: str, body: AsyncIterator[bytes]) -> int:
    async with session.post(url, data=body) as response:
        return response.status


async def _status(session: aiohttp.ClientSession, url: str) -> int:
    async with session.get(url) as response:
        return response.status


async def test_a_handler_may_be_cancelled_when_its_client_leaves(loop: Loop) -> None:
    started = asyncio.Event()
    ended = loop.create_future()

    async def handler(request: web.Request) -> web.Response:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.set_result("cancelled")
            raise
        raise AssertionError

    async with (
        serving({"/": handler}, handler_cancellation=True) as server,
        aiohttp.ClientSession() as session,
    ):
        task = loop.create_task(_status(session, server.url()))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await ended == "cancelled"


async def test_a_failing_handler_answers_500_and_the_server_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails(request: web.Request) -> web.Response:
        raise LookupError("handler")

    async with serving({"/": fails, "/hello": hello}) as server, aiohttp.ClientSession() as session:
        assert await _status(session, server.url()) == 500
        assert await _status(session, server.url("/hello")) == 200
    assert "LookupError: handler" in caplog.text


async def test_a_server_that_ends_breaks_open_requests(loop: Loop) -> None:
    started = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with aiohttp.ClientSession() as session:
        async with serving({"/": handler}, shutdown_timeout=0.02) as server:
            task = loop.create_task(_status(session, server.url()))
            await started.wait()
            await server.runner.cleanup()
            with pytest.raises(aiohttp.ClientError):
                await task
        with pytest.raises(aiohttp.ClientError):
            await session.get(server.url())


async def test_a_server_that_ends_waits_for_requests_that_will_end(loop: Loop) -> None:
    started = asyncio.Event()
    release = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        started.set()
        await release.wait()
        return web.Response(text="in time")

    async with (
        aiohttp.ClientSession() as session,
        serving({"/": handler}, shutdown_timeout=20.0) as server,
    ):
        task = loop.create_task(_text(session, server.url()))
        await started.wait()
        cleanup = loop.create_task(server.runner.cleanup())
        loop.call_later(0.01, release.set)
        assert await task == "in time"
        await cleanup


async def _text(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url) as response:
        return await response.text()


async def test_a_session_closed_early_breaks_its_requests(loop: Loop) -> None:
    started = asyncio.Event()
    release = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        started.set()
        await release.wait()
        return web.Response()

    async with serving({"/": handler}) as server:
        session = aiohttp.ClientSession()
        task = loop.create_task(_status(session, server.url()))
        await started.wait()
        await session.close()
        with pytest.raises(aiohttp.ClientError):
            await task
        release.set()


async def test_handlers_keep_their_context_apart() -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(variable.get())
        variable.set(request.query["name"])
        await asyncio.sleep(0)
        return web.Response(text=variable.get())

    async with serving({"/": handler}) as server, aiohttp.ClientSession() as session:
        for name in ("a", "b", "c"):
            async with session.get(server.url(), params={"name": name}) as response:
                assert await response.text() == name
    assert seen == ["unset"] * 3


async def test_handlers_are_tasks_of_this_loop() -> None:
    async def handler(request: web.Request) -> web.Response:
        task = asyncio.current_task()
        assert task in asyncio.all_tasks()
        assert isinstance(task, asyncio.Task)
        assert task.get_loop() is asyncio.get_running_loop()
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            child = group.create_task(asyncio.sleep(0, "child"))
        return web.Response(text=child.result())

    async with serving({"/": handler}) as server, aiohttp.ClientSession() as session:
        assert await _text(session, server.url()) == "child"
