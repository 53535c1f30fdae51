"""A handshake that fails says so with the exception of the ssl module, to the letter."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from .support import Loop, Recorder, Reports, client_tls, port_of, server_tls, turns
from .tls_peer import peer_of


def in_memory(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> ssl.SSLError:
    """Return what the ssl module raises for the client, without any loop."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(back, there, server_hostname=name),
        server.wrap_bio(there, back, server_side=True),
    ]
    for _ in range(10):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as exc:
                if end is ends[0]:
                    return exc
    raise AssertionError("the handshake did not fail")


def told(exc: ssl.SSLError) -> dict[str, Any]:
    names = ("args", "errno", "reason", "library", "verify_code", "verify_message")
    return {name: getattr(exc, name, None) for name in names} | {"type": type(exc)}


@pytest.mark.parametrize(
    ("client", "server", "name"),
    [
        (client_tls, lambda: server_tls("stranger"), "localhost"),
        (client_tls, server_tls, "elsewhere.example"),
    ],
    ids=["untrusted", "wrong name"],
)
async def test_the_exception_is_that_of_the_ssl_module(
    loop: Loop, reports: Reports, client: Any, server: Any, name: str
) -> None:
    listening = await loop.create_server(Recorder, "127.0.0.1", 0, ssl=server())
    with pytest.raises(ssl.SSLError) as failure:
        await loop.create_connection(
            Recorder, "127.0.0.1", port_of(listening), ssl=client(), server_hostname=name
        )
    assert told(failure.value) == told(in_memory(client(), server(), name))
    await turns(5)
    reports.clear()
    listening.close()
    await listening.wait_closed()


async def test_what_a_callback_of_the_context_raises_is_raised(
    loop: Loop, reports: Reports
) -> None:
    class RefusedError(Exception):
        pass

    def refuse(*_arguments: Any) -> None:
        raise RefusedError("seen")

    context = client_tls()
    context._msg_callback = refuse  # type: ignore[attr-defined]
    listening = await loop.create_server(Recorder, "127.0.0.1", 0, ssl=server_tls())
    with pytest.raises(RefusedError, match="^seen$"):
        await loop.create_connection(
            Recorder,
            "127.0.0.1",
            port_of(listening),
            ssl=context,
            server_hostname="localhost",
        )
    await turns(5)
    reports.clear()
    listening.close()
    await listening.wait_closed()


async def test_what_nobody_asked_for_is_known_after_the_end(loop: Loop) -> None:
    recorder = Recorder()
    async with peer_of(recorder) as (transport, peer):
        transport.close()
        await peer.receive_goodbye()
        await peer.send_raw(peer.goodbye())
        await recorder.lost
    assert len(transport.get_extra_info("cipher")) == 3
    assert transport.get_extra_info("cipher") is transport.get_extra_info("cipher")
    assert transport.get_extra_info("compression", "none") is None
