"""Handles and the collector, which does not know them: the loop answers for those in its queues."""

from __future__ import annotations

import gc
import sysconfig
from typing import Any

import pytest

import aioxide
from aioxide import _core

#: So many objects that the collector knows would make it run several times.
HANDLES = 10_000


def _noop(*args: object) -> None:
    """Be called."""


def test_the_collector_does_not_know_handles() -> None:
    loop = aioxide.new_event_loop()
    handles = [loop.call_soon(_noop), loop.call_soon_threadsafe(_noop), loop.call_later(1, _noop)]
    assert [gc.is_tracked(handle) for handle in handles] == [False] * 3
    loop.close()


@pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="without the GIL each callback has a context of its own, which the collector knows",
)
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_scheduling_many_callbacks_makes_nothing_for_the_collector(count: int) -> None:
    loop = aioxide.new_event_loop()
    arguments = [1] * count
    collections: list[str] = []

    def note(phase: str, _info: Any) -> None:
        collections.append(phase)

    gc.collect()
    gc.callbacks.append(note)
    try:
        for _ in range(HANDLES):
            loop.call_soon(_noop, *arguments)
            loop.call_soon_threadsafe(_noop, *arguments)
            loop.call_later(1, _noop, *arguments)
    finally:
        gc.callbacks.remove(note)
        loop.close()
    assert collections == []


def test_handles_cannot_be_made_from_python() -> None:
    with pytest.raises(TypeError, match="cannot create"):
        _core.Handle()
    with pytest.raises(TypeError, match="cannot create"):
        type("Derived", (_core.Handle,), {})()
