"""The class of loops and the native methods that it has for its own, so that Python calls them directly."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import aioxide
from aioxide import _core

ADOPTED = [
    "call_at",
    "call_later",
    "call_soon",
    "call_soon_threadsafe",
    "create_future",
    "create_task",
    "get_debug",
    "is_closed",
    "is_running",
    "run_in_executor",
]


@pytest.mark.parametrize("name", ADOPTED)
def test_methods_that_run_per_callback_belong_to_the_very_class(name: str) -> None:
    own, native = getattr(aioxide.EventLoop, name), getattr(_core.EventLoop, name)
    assert own.__objclass__ is aioxide.EventLoop
    assert own.__doc__ == native.__doc__
    assert own.__name__ == name
    assert inspect.signature(own) == inspect.signature(native)


def test_what_a_class_overrides_is_not_adopted() -> None:
    class Derived(aioxide.EventLoop):
        def is_running(self) -> bool:
            return super().is_running()

    own = Derived.__dict__["is_running"]
    _core.adopt_methods(Derived)
    assert Derived.__dict__["is_running"] is own
    assert "is_closed" not in Derived.__dict__, "it has that from a class which has adopted it"


async def _pass_twice() -> None:
    loop = aioxide.get_running_loop()
    future: aioxide.Future[None] = loop.create_future()
    loop.call_soon(future.set_result, None)
    await future


def test_a_derived_class_that_overrides_a_method_sees_what_tasks_schedule() -> None:
    seen: list[object] = []

    class Derived(aioxide.EventLoop):
        def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
            seen.append(callback)
            return super().call_soon(callback, *args, context=context)

    loop = Derived()
    loop.run_until_complete(_pass_twice())
    loop.close()
    assert len(seen) > 2


def test_a_method_that_is_replaced_on_the_class_sees_what_tasks_schedule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[object] = []
    native: Any = aioxide.EventLoop.call_soon

    def call_soon(self: Any, callback: Any, *args: Any, context: Any = None) -> Any:
        seen.append(callback)
        return native(self, callback, *args, context=context)

    monkeypatch.setattr(aioxide.EventLoop, "call_soon", call_soon)
    loop = aioxide.new_event_loop()
    loop.run_until_complete(_pass_twice())
    loop.close()
    assert len(seen) > 2
