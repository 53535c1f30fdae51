"""What `install` promises of natives: they stand wherever asyncio's own stood, and are taken back without a trace."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import aioxide
from aioxide.natives import natives_by_submodule

Place = tuple[str, str]

STDLIB_LOOP = asyncio.SelectorEventLoop

# What `install` replaces to have asyncio make our loops.
LOOPS = {"EventLoop", "SelectorEventLoop", "_event_loop_policy"}


def places() -> dict[Place, Any]:
    """Return whatever asyncio and its submodules hold, by module and name."""
    return {
        (module_name, name): value
        for module_name, module in list(sys.modules.items())
        if module_name == "asyncio" or module_name.startswith("asyncio.")
        for name, value in vars(module).items()
    }


def natives_by_original(before: dict[Place, Any]) -> list[tuple[Any, Any]]:
    """Pair what asyncio holds with the native of it."""
    return [
        (before[f"asyncio.{submodule}", name], native)
        for submodule, natives in natives_by_submodule().items()
        for name, native in natives.items()
        if (f"asyncio.{submodule}", name) in before
    ]


@pytest.fixture(autouse=True)
def _uninstalled_afterwards() -> Iterator[None]:
    yield
    aioxide.uninstall()


def test_there_are_natives() -> None:
    assert "sleep" in natives_by_submodule()["tasks"]


def test_wherever_asyncio_held_something_that_has_a_native_the_native_stands() -> None:
    before = places()
    pairs = natives_by_original(before)
    aioxide.install()
    expected = {
        place: next((native for original, native in pairs if original is value), value)
        for place, value in before.items()
    }
    after = places()
    wrong = [
        place
        for place, value in expected.items()
        if after[place] is not value and place[1] not in LOOPS
    ]
    assert wrong == []
    # Names travel: `asyncio.tasks.sleep` is `asyncio.sleep`, and `asyncio.streams` has it, too.
    for module in (asyncio, asyncio.tasks, asyncio.streams):
        assert module.sleep is natives_by_submodule()["tasks"]["sleep"]  # type: ignore[attr-defined]


def test_uninstall_puts_back_the_very_objects() -> None:
    before = places()
    aioxide.install()
    aioxide.uninstall()
    after = places()
    assert before.keys() == after.keys()
    assert [place for place, value in before.items() if after[place] is not value] == []


def test_without_natives_only_loops_are_replaced() -> None:
    before = places()
    aioxide.install(natives=False)
    after = places()
    assert {name for (_, name), value in before.items() if after[_, name] is not value} <= LOOPS
    assert asyncio.SelectorEventLoop is not STDLIB_LOOP


def test_futures_and_tasks_stay_asyncios() -> None:
    before = (asyncio.Future, asyncio.Task, asyncio.tasks.Task, asyncio.futures.Future)
    aioxide.install()
    assert (asyncio.Future, asyncio.Task, asyncio.tasks.Task, asyncio.futures.Future) == before


def test_what_others_put_in_place_of_a_native_stays_theirs() -> None:
    async def theirs(delay: float) -> None:
        """Stand for a patched sleep."""

    original = asyncio.sleep
    aioxide.install()
    try:
        asyncio.sleep = theirs
        aioxide.uninstall()
        assert asyncio.sleep is theirs
        assert asyncio.tasks.sleep is original
    finally:
        asyncio.sleep = original


def test_a_native_that_stood_there_before_stays_when_natives_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asyncio, "sleep", aioxide.sleep)
    aioxide.install()
    aioxide.uninstall()
    assert asyncio.sleep is aioxide.sleep
    assert asyncio.tasks.sleep is not aioxide.sleep


def test_modules_of_asyncio_that_are_imported_later_have_natives_until_these_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = asyncio.sleep
    aioxide.install()
    late = ModuleType("asyncio.late")
    exec("from asyncio.tasks import sleep, sleep as rest, gather", vars(late))
    monkeypatch.setitem(sys.modules, "asyncio.late", late)
    assert vars(late)["sleep"] is aioxide.sleep
    aioxide.uninstall()
    assert vars(late)["sleep"] is original
    assert vars(late)["rest"] is original
    assert vars(late)["gather"] is asyncio.gather


@pytest.mark.parametrize("factory", [STDLIB_LOOP, aioxide.new_event_loop])
def test_natives_in_asyncios_place_work_on_every_loop(factory: Any) -> None:
    async def main() -> tuple[bool, list[str]]:
        loop = asyncio.get_running_loop()
        both = await asyncio.gather(asyncio.sleep(0, "one"), asyncio.sleep(0.001, "two"))
        return isinstance(loop, STDLIB_LOOP), both

    aioxide.install()
    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(main()) == (factory is STDLIB_LOOP, ["one", "two"])


def test_names_that_a_module_imported_earlier_keep_their_meaning() -> None:
    from asyncio import sleep

    aioxide.install()
    assert asyncio.sleep is not sleep
    assert asyncio.run(sleep(0, "slept")) == "slept"
