"""The loop as an object: its kind, its attributes, subclasses, and what libraries do to it."""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref
from typing import Any

import pytest

from .support import Loop


def test_a_loop_is_an_abstract_event_loop(loop: Loop) -> None:
    assert isinstance(loop, asyncio.AbstractEventLoop)


def test_every_method_of_the_abstract_loop_is_there(loop: Loop) -> None:
    for name, member in inspect.getmembers(asyncio.AbstractEventLoop, inspect.isfunction):
        if not name.startswith("_"):
            assert getattr(type(loop), name) is not member, f"{name} is the abstract one"


def test_each_loop_is_its_own(loop_factory) -> None:  # type: ignore[no-untyped-def]
    a, b = loop_factory(), loop_factory()
    assert a is not b
    assert a != b
    assert len({a, b}) == 2
    a.close()
    b.close()


def test_attributes_can_be_set(loop: Loop) -> None:
    loop.mine = 5  # type: ignore[attr-defined]
    assert loop.mine == 5  # type: ignore[attr-defined]
    del loop.mine  # type: ignore[attr-defined]
    assert not hasattr(loop, "mine")


def test_weak_references_and_finalizers_work(loop_factory) -> None:  # type: ignore[no-untyped-def]
    loop = loop_factory()
    reference = weakref.ref(loop)
    finalized: list[int] = []
    weakref.finalize(loop, finalized.append, 1)
    known: weakref.WeakKeyDictionary[Loop, str] = weakref.WeakKeyDictionary({loop: "known"})
    assert known[loop] == "known"
    loop.close()
    del loop
    gc.collect()
    assert reference() is None
    assert finalized == [1]
    assert not known


def test_close_can_be_replaced(loop_factory) -> None:  # type: ignore[no-untyped-def]
    loop = loop_factory()
    closed: list[int] = []
    original = loop.close

    def close() -> None:
        closed.append(1)
        original()

    loop.close = close
    loop.close()
    assert closed == [1]
    assert loop.is_closed()
    del loop.close


def test_time_can_be_replaced(loop: Loop) -> None:
    original = loop.time
    calls: list[int] = []

    def time() -> float:
        calls.append(1)
        return original()

    loop.time = time  # type: ignore[method-assign]
    timer = loop.call_later(0.001, loop.stop)
    assert timer.when() > 0
    loop.run_forever()
    assert loop.time() > 0
    assert calls
    del loop.time


@pytest.mark.parametrize(
    "method",
    ["call_soon", "create_task", "call_later", "call_exception_handler", "run_in_executor"],
)
def test_methods_can_be_replaced_on_the_instance(loop: Loop, method: str) -> None:
    marker = object()
    setattr(loop, method, lambda *args, **kwargs: marker)
    assert getattr(loop, method)() is marker
    delattr(loop, method)
    assert callable(getattr(loop, method))


def test_a_subclass_may_add_and_override(loop_factory) -> None:  # type: ignore[no-untyped-def]
    sample = loop_factory()
    sample.close()

    class Mine(type(sample)):  # type: ignore[misc]
        """A loop of the user's own."""

        def __init__(self) -> None:
            super().__init__()
            self.scheduled = 0

        def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
            self.scheduled += 1
            handle: asyncio.Handle = super().call_soon(callback, *args, context=context)
            return handle

    loop = Mine()

    async def main() -> str:
        loop.call_soon(int)
        await asyncio.sleep(0)
        return "fine"

    assert loop.run_until_complete(main()) == "fine"
    assert loop.scheduled >= 1
    loop.close()


def test_an_overridden_create_task_is_used_by_asyncio(loop_factory) -> None:  # type: ignore[no-untyped-def]
    sample = loop_factory()
    sample.close()
    made: list[Any] = []

    class Mine(type(sample)):  # type: ignore[misc]
        """A loop that counts its tasks."""

        def create_task(self, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
            made.append(coro)
            task: asyncio.Task[Any] = super().create_task(coro, **kwargs)
            return task

    async def main() -> None:
        await asyncio.create_task(asyncio.sleep(0))

    loop = Mine()
    loop.run_until_complete(main())
    loop.close()
    assert len(made) == 2


def test_the_repr_tells_the_state(loop: Loop) -> None:
    text = repr(loop)
    assert "running=False" in text
    assert "closed=False" in text
    assert "debug=False" in text
    loop.close()
    assert "closed=True" in repr(loop)


def test_the_loop_can_be_set_as_the_current_one(loop: Loop) -> None:
    asyncio.set_event_loop(loop)
    try:
        assert asyncio.get_event_loop() is loop
    finally:
        asyncio.set_event_loop(None)


def test_asyncio_run_and_runner_take_the_factory(loop_factory) -> None:  # type: ignore[no-untyped-def]
    async def main() -> Loop:
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        first = runner.run(main())
        assert runner.run(main()) is first
        assert runner.get_loop() is first
    assert first.is_closed()


def test_runner_debug_sets_debug(loop_factory) -> None:  # type: ignore[no-untyped-def]
    async def main() -> bool:
        return asyncio.get_running_loop().get_debug()

    with asyncio.Runner(loop_factory=loop_factory, debug=True) as runner:
        assert runner.run(main()) is True


def test_the_signatures_have_the_parameters_of_the_abstract_loop(loop: Loop) -> None:
    for name in (
        "call_soon",
        "call_later",
        "call_at",
        "create_server",
        "create_connection",
        "run_in_executor",
    ):
        try:
            mine = inspect.signature(getattr(type(loop), name))
        except ValueError:
            pytest.fail(f"{name} has no signature")
        abstract = inspect.signature(getattr(asyncio.AbstractEventLoop, name))
        ours = set(mine.parameters)
        missing = {
            parameter.name
            for parameter in abstract.parameters.values()
            if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        } - ours
        assert not missing, f"{name} lacks {missing}"


def test_positional_parameters_may_be_given_by_name(loop: Loop) -> None:
    ran: list[int] = []
    loop.call_soon(callback=lambda: ran.append(1))
    loop.call_later(delay=0, callback=lambda: ran.append(2))
    loop.call_at(when=loop.time(), callback=lambda: ran.append(3))
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert sorted(ran) == [1, 2, 3]
    loop.set_debug(enabled=False)
    loop.set_exception_handler(handler=loop.get_exception_handler())
    loop.set_task_factory(factory=None)
    assert loop.run_until_complete(future=asyncio.sleep(0, "named")) == "named"
