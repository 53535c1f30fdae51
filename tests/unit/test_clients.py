"""The connections that a server has, which it knows weakly."""

from __future__ import annotations

import gc

from aioxide import _core


class Counting(_core.Clients):
    """Stands for a server."""

    def __init__(self) -> None:
        self.ends = 0

    def _note_last_gone(self) -> None:
        self.ends += 1


class Transport:
    """Stands for a connection."""


def test_the_last_connection_to_go_is_noticed() -> None:
    server = Counting()
    first, second = Transport(), Transport()
    assert not server._has_clients
    for transport in (first, second):
        server._attach(transport)  # type: ignore[arg-type]
    server._detach(first)  # type: ignore[arg-type]
    assert server._living_clients() == [second]
    assert server._has_clients
    assert server.ends == 0
    server._detach(second)  # type: ignore[arg-type]
    assert not server._has_clients
    assert server.ends == 1


def test_a_connection_without_a_name_counts_too() -> None:
    server = Counting()
    server._attach()
    server._attach()
    assert server._has_clients
    assert server._living_clients() == []
    server._detach()
    assert server.ends == 0
    server._detach()
    assert server.ends == 1
    assert not server._has_clients


def test_a_connection_that_was_counted_twice_goes_once() -> None:
    server = Counting()
    transport = Transport()
    for _ in range(2):
        server._attach(transport)  # type: ignore[arg-type]
    server._detach(transport)  # type: ignore[arg-type]
    assert server.ends == 1
    server._detach(transport)  # type: ignore[arg-type]
    assert server.ends == 2


def test_a_server_keeps_no_connection_alive() -> None:
    server = Counting()
    transport = Transport()
    server._attach(transport)  # type: ignore[arg-type]
    del transport
    gc.collect()
    assert server._living_clients() == []
    # It has not counted itself out.
    assert server._has_clients
