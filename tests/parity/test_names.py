"""`getaddrinfo` and `getnameinfo`: the answers of the socket module, asked without blocking the loop."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from typing import Any

import pytest

from .support import Loop

QUESTIONS: list[tuple[Any, Any, dict[str, Any]]] = [
    ("127.0.0.1", 80, {}),
    ("127.0.0.1", 80, {"type": socket.SOCK_STREAM}),
    ("127.0.0.1", 80, {"type": socket.SOCK_DGRAM}),
    ("127.0.0.1", 80, {"type": socket.SOCK_RAW}),
    ("127.0.0.1", 80, {"proto": socket.IPPROTO_TCP}),
    ("127.0.0.1", 80, {"proto": socket.IPPROTO_UDP, "type": socket.SOCK_DGRAM}),
    ("127.0.0.1", 80, {"family": socket.AF_INET, "type": socket.SOCK_STREAM}),
    ("127.0.0.1", 0, {"type": socket.SOCK_STREAM}),
    ("127.0.0.1", 65535, {"type": socket.SOCK_STREAM}),
    ("127.0.0.1", None, {"type": socket.SOCK_STREAM}),
    ("127.0.0.1", "80", {"type": socket.SOCK_STREAM}),
    ("127.0.0.1", b"80", {"type": socket.SOCK_STREAM}),
    ("127.0.0.1", "http", {"type": socket.SOCK_STREAM}),
    ("127.0.0.1", "", {"type": socket.SOCK_STREAM}),
    ("127.0.0.1", b"", {"type": socket.SOCK_STREAM}),
    (b"127.0.0.1", 80, {"type": socket.SOCK_STREAM}),
    ("127.1", 80, {"type": socket.SOCK_STREAM}),
    ("0x7f.1", 80, {"type": socket.SOCK_STREAM}),
    ("2130706433", 80, {"type": socket.SOCK_STREAM}),
    ("0.0.0.0", 80, {"type": socket.SOCK_STREAM}),
    ("::1", 80, {"type": socket.SOCK_STREAM}),
    ("::1", 80, {}),
    ("::", 80, {"type": socket.SOCK_STREAM}),
    ("::ffff:127.0.0.1", 80, {"type": socket.SOCK_STREAM}),
    ("fe80::1%lo", 80, {"type": socket.SOCK_STREAM}),
    ("fe80::1%1", 80, {"type": socket.SOCK_STREAM}),
    ("2001:DB8::0001", 80, {"type": socket.SOCK_STREAM}),
    *(
        (host, 80, {"type": kind})
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, int(socket.SOCK_STREAM))
        for host in (
            "::1.2.3.4",
            "::102:304",
            "::1:0",
            "::2:0:0",
            "::ffff:102:304",
            "::ffff:0:1.2.3.4",
            "0:0:0:0:0:0:0:1",
            "1:0:0:2::",
            "1::2:0:3",
            "1:2:3:4:5:6:7:8",
            "2001:db8:0:1:1:1:1:1",
            "2001:db8::1:0:0:1",
            "64:ff9b::192.0.2.33",
            "010.0.0.1",
        )
    ),
    ("127.0.0.1", True, {"type": socket.SOCK_STREAM}),
    ("::1", 80, {"type": socket.SOCK_STREAM, "proto": socket.IPPROTO_TCP}),
    (None, 80, {"type": socket.SOCK_STREAM}),
    (None, 80, {"type": socket.SOCK_STREAM, "flags": socket.AI_PASSIVE}),
    (None, 80, {"type": socket.SOCK_STREAM, "family": socket.AF_INET, "flags": socket.AI_PASSIVE}),
    ("127.0.0.1", 80, {"type": socket.SOCK_STREAM, "flags": socket.AI_NUMERICHOST}),
    ("127.0.0.1", 80, {"type": socket.SOCK_STREAM, "flags": socket.AI_CANONNAME}),
    ("127.0.0.1", 80, {"type": socket.SOCK_STREAM, "flags": socket.AI_PASSIVE}),
    ("127.0.0.1", "80", {"type": socket.SOCK_STREAM, "flags": socket.AI_NUMERICSERV}),
    (
        "127.0.0.1",
        80,
        {"family": socket.AF_INET6, "type": socket.SOCK_STREAM, "flags": socket.AI_V4MAPPED},
    ),
    ("localhost", 80, {"type": socket.SOCK_STREAM, "family": socket.AF_INET}),
    ("LOCALHOST", 80, {"type": socket.SOCK_STREAM, "family": socket.AF_INET}),
    (b"localhost", "80", {"type": socket.SOCK_STREAM, "family": socket.AF_INET}),
    ("127.0.0.1", -1, {"type": socket.SOCK_STREAM}),
    ("127.0.0.1", 65536, {"type": socket.SOCK_STREAM}),
    ("127.0.0.1", 2**40, {"type": socket.SOCK_STREAM}),
    ("127.0.0.1", 2**70, {"type": socket.SOCK_STREAM}),
    ("127.0.0.1", "nonsense-service", {"type": socket.SOCK_STREAM}),
    ("127.0.0.1", "http", {"type": socket.SOCK_STREAM, "flags": socket.AI_NUMERICSERV}),
    ("127.0.0.1", " 80", {"type": socket.SOCK_STREAM}),
    ("127.0.0.1", "+80", {"type": socket.SOCK_STREAM}),
    ("localhost", 80, {"type": socket.SOCK_STREAM, "flags": socket.AI_NUMERICHOST}),
    ("127.0.0.1", 80, {"family": socket.AF_INET6, "type": socket.SOCK_STREAM}),
    ("::1", 80, {"family": socket.AF_INET, "type": socket.SOCK_STREAM}),
    ("127.0.0.1", 80, {"family": 12345}),
    ("127.0.0.1", 80, {"type": 12345}),
    ("127.0.0.1", 80, {"type": socket.SOCK_STREAM, "proto": socket.IPPROTO_UDP}),
    ("127.0.0.1", 80, {"flags": 1 << 30}),
    ("", 80, {"type": socket.SOCK_STREAM}),
    (b"", 80, {"type": socket.SOCK_STREAM}),
    (None, None, {}),
    ("127.0.0.1%lo", 80, {"type": socket.SOCK_STREAM}),
    ("fe80::1%nonsense", 80, {"type": socket.SOCK_STREAM}),
    (" 127.0.0.1", 80, {"type": socket.SOCK_STREAM}),
    ("1.2.3.4.5", 80, {"type": socket.SOCK_STREAM, "flags": socket.AI_NUMERICHOST}),
    ("256.0.0.1", 80, {"type": socket.SOCK_STREAM, "flags": socket.AI_NUMERICHOST}),
    ("a" * 64 + ".test", 80, {"type": socket.SOCK_STREAM}),
    (127, 80, {}),
    (["127.0.0.1"], 80, {}),
    ("127.0.0.1", 1.5, {}),
    ("127.0.0.1", [], {}),
]


def _shown(question: tuple[Any, Any, dict[str, Any]]) -> str:
    host, port, hints = question
    text = f"{host!r:.20}-{port!r:.20}"
    return text + "".join(
        f"-{name}={getattr(value, 'name', value)}" for name, value in hints.items()
    )


@pytest.mark.parametrize("question", QUESTIONS, ids=_shown)
async def test_getaddrinfo_answers_as_the_socket_module_does(
    loop: Loop, question: tuple[Any, Any, dict[str, Any]]
) -> None:
    host, port, hints = question
    try:
        expected: Any = socket.getaddrinfo(host, port, **hints)
    except Exception as exc:  # noqa: BLE001  whatever it is, ours must be the same
        with pytest.raises(type(exc)) as caught:
            await loop.getaddrinfo(host, port, **hints)
        assert type(caught.value) is type(exc)
        assert str(caught.value) == str(exc)
        return
    answer = await loop.getaddrinfo(host, port, **hints)
    assert answer == expected
    for family, kind, *_ in answer:
        assert isinstance(family, socket.AddressFamily)
        assert isinstance(kind, (socket.SocketKind, int))


async def test_hooks_hear_of_questions_that_nobody_has_to_be_asked(loop: Loop) -> None:
    heard: list[tuple[Any, ...]] = []

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo" and args[1] == 47113:
            heard.append(args)

    sys.addaudithook(hook)
    await loop.getaddrinfo("127.0.0.1", 47113, type=socket.SOCK_STREAM)
    assert heard == [("127.0.0.1", 47113, 0, socket.SOCK_STREAM, 0)]


async def test_what_stands_in_the_place_of_getaddrinfo_is_asked(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *question, **_more: [question[:2]])
    answer = await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
    assert answer == [("127.0.0.1", 80)]  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    "host",
    [
        "0x" + "0" * 246 + "7f000001.example.com",
        "0x" + "0" * 300 + "7f000001.example.com",
        "a" * 256,
        "x." * 200,
    ],
)
async def test_an_over_long_name_is_refused_and_never_cut(loop: Loop, host: str) -> None:
    with pytest.raises((socket.gaierror, UnicodeError)):
        await loop.getaddrinfo(host, 80, type=socket.SOCK_STREAM)


@pytest.mark.asyncio_bug("the socket module cuts the name at the NUL")
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1\0", "127.0.0.1\0.example.com", "localhost\0", b"127.0.0.1\0", "\0"],
    ids=repr,
)
async def test_a_name_with_a_nul_is_refused_and_never_cut(loop: Loop, host: str) -> None:
    with pytest.raises((socket.gaierror, UnicodeError, ValueError)):
        await loop.getaddrinfo(host, 80, type=socket.SOCK_STREAM)


async def test_localhost_means_this_machine(loop: Loop) -> None:
    answer = await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
    assert {entry[4][0] for entry in answer} <= {"127.0.0.1", "::1"}
    assert answer


@pytest.mark.parametrize(
    ("address", "flags"),
    [
        (("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV),
        (("127.0.0.1", 80), socket.NI_NUMERICHOST),
        (("::1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV),
        (("::1", 80, 0, 0), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV),
        (("127.0.0.1", 53), socket.NI_NUMERICHOST | socket.NI_DGRAM),
        (("127.0.0.1", 0), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV),
        (("localhost", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV),
        (("127.0.0.1", 80), 0),
    ],
)
async def test_getnameinfo_answers_as_the_socket_module_does(
    loop: Loop, address: Any, flags: int
) -> None:
    try:
        expected = socket.getnameinfo(address, flags)
    except OSError as exc:
        with pytest.raises(type(exc)) as caught:
            await loop.getnameinfo(address, flags)
        assert str(caught.value) == str(exc)
        return
    assert await loop.getnameinfo(address, flags) == expected


@pytest.mark.parametrize(
    "address",
    [(), ("127.0.0.1",), "127.0.0.1", None, ("127.0.0.1", "80"), (None, 80), ("a\0b", 80)],
    ids=repr,
)
async def test_getnameinfo_refuses_what_the_socket_module_refuses(loop: Loop, address: Any) -> None:
    try:
        socket.getnameinfo(address, 0)
    except Exception as exc:  # noqa: BLE001  whatever it is, ours must be the same
        with pytest.raises(type(exc)):
            await loop.getnameinfo(address, 0)
    else:
        pytest.fail("the socket module took it")


async def test_many_questions_at_once_are_all_answered(loop: Loop) -> None:
    answers = await asyncio.gather(
        *(
            loop.getaddrinfo("localhost", port, type=socket.SOCK_STREAM, family=socket.AF_INET)
            for port in range(1, 200)
        )
    )
    assert [answer[0][4][1] for answer in answers] == list(range(1, 200))


async def test_a_question_can_be_cancelled(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args: answered.wait(10))
    task = loop.create_task(loop.getaddrinfo("localhost", 80))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    answered.set()
