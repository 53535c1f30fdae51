"""What `import aioxide as asyncio` promises: each name of asyncio's, ours or the stdlib's own, also in submodules."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import warnings
from types import ModuleType
from typing import Any

import pytest

import aioxide
from aioxide.natives import natives_by_submodule

# Names of asyncio's that mean something of ours which is no native, on the Pythons that have the name.
OURS = {
    "EventLoop",
    "Future",
    "Runner",
    "SelectorEventLoop",
    "Task",
    "get_event_loop",
    "new_event_loop",
    "run",
}
NATIVE = {name for natives in natives_by_submodule().values() for name in natives}
SUBMODULES = [
    name
    for name, value in vars(asyncio).items()
    if isinstance(value, ModuleType) and value.__name__ == f"asyncio.{name}"
]


def in_fresh_process(source: str, *options: str) -> str:
    """Run source in a Python of its own, and return what it prints."""
    command = [sys.executable, *options, "-c", textwrap.dedent(source)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", asyncio.__all__)
def test_every_name_of_asyncio_is_ours_or_its_own(name: str) -> None:
    value = getattr(aioxide, name)
    if name in NATIVE:
        assert any(value is natives.get(name) for natives in natives_by_submodule().values())
    elif name not in OURS:
        assert value is getattr(asyncio, name)
    elif name != "get_event_loop" or sys.version_info < (3, 14):
        assert value is not getattr(asyncio, name)
        assert value.__module__.partition(".")[0] == "aioxide"


def test_the_task_group_is_there_on_every_python() -> None:
    assert aioxide.TaskGroup.__name__ == "TaskGroup"
    assert "TaskGroup" in aioxide.__all__


def test_a_star_imports_everything_and_warns_of_nothing() -> None:
    out = in_fresh_process(
        """
        import asyncio
        from aioxide import *
        import aioxide
        print(set(asyncio.__all__) | set(aioxide.__all__) <= set(globals()), sleep is aioxide.sleep)
        """,
        "-W",
        "error",
    )
    assert out == "True True\n"


def test_no_name_is_listed_twice_and_dir_has_them_all() -> None:
    assert len(aioxide.__all__) == len(set(aioxide.__all__))
    assert set(aioxide.__all__) | set(SUBMODULES) <= set(dir(aioxide))
    out = in_fresh_process("import aioxide; print({'sleep', 'tasks', 'run'} <= set(dir(aioxide)))")
    assert out == "True\n"


def test_natives_are_imported_when_the_first_is_asked_for() -> None:
    out = in_fresh_process(
        """
        import sys, aioxide
        aioxide.run, aioxide.tasks, aioxide.install, dir(aioxide)
        print([name for name in sys.modules if name.startswith("aioxide.natives.")])
        aioxide.sleep
        print("aioxide.natives.tasks" in sys.modules)
        """
    )
    assert out == "[]\nTrue\n"


def test_a_name_that_asyncio_has_not_is_refused_in_our_name() -> None:
    with pytest.raises(AttributeError) as caught:
        aioxide.surely_not_there  # type: ignore[attr-defined]  # noqa: B018
    assert str(caught.value) == "module 'aioxide' has no attribute 'surely_not_there'"
    assert not hasattr(aioxide, "__path_of_nothing__")
    with pytest.raises(ImportError):
        from aioxide import surely_not_there  # type: ignore[attr-defined]  # noqa: F401


@pytest.mark.skipif(sys.version_info < (3, 14), reason="policies are deprecated from 3.14 on")
@pytest.mark.parametrize("package", [asyncio, aioxide])
def test_a_deprecated_name_warns_at_each_access_and_blames_who_asks(package: Any) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for _ in range(2):
            eval("asyncio.DefaultEventLoopPolicy", {"asyncio": package})
    assert [(warning.category, warning.filename) for warning in heard] == [
        (DeprecationWarning, "<string>")
    ] * 2
    assert "asyncio.DefaultEventLoopPolicy" in str(heard[0].message)


@pytest.mark.parametrize("submodule", SUBMODULES)
def test_a_submodule_has_what_asyncios_has_with_the_meaning_that_it_has_here(
    submodule: str,
) -> None:
    mirror, original = getattr(aioxide, submodule), getattr(asyncio, submodule)
    assert mirror.__name__ == f"aioxide.{submodule}"
    assert sys.modules[mirror.__name__] is mirror
    assert dir(mirror) == dir(original)
    natives = natives_by_submodule().get(submodule, {})
    for name, value in list(vars(original).items()):
        if name.startswith("__"):
            continue
        if name in natives:
            assert getattr(mirror, name) is natives[name]
        elif name in asyncio.__all__ and value is getattr(asyncio, name):
            assert getattr(mirror, name) is getattr(aioxide, name)
        else:
            assert getattr(mirror, name) is value
    with pytest.raises(AttributeError):
        mirror.surely_not_there  # noqa: B018


def test_submodules_can_be_imported_as_asyncios_can() -> None:
    out = in_fresh_process(
        """
        import aioxide.queues
        from aioxide.subprocess import PIPE
        from aioxide.tasks import *
        from aioxide import events
        import asyncio, aioxide as alias
        assert alias.queues.QueueEmpty is asyncio.QueueEmpty
        assert PIPE == asyncio.subprocess.PIPE
        assert sleep is alias.sleep is alias.tasks.sleep is alias.streams.sleep
        assert Task is alias.Task
        assert events.new_event_loop is alias.new_event_loop
        print("imported")
        """,
        "-W",
        "error",
    )
    assert out == "imported\n"


def test_what_changes_in_asyncios_submodule_shows_in_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert aioxide.constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES == 5
    monkeypatch.setattr(asyncio.constants, "LOG_THRESHOLD_FOR_CONNLOST_WRITES", 7)
    assert aioxide.constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES == 7


def test_a_name_that_is_first_asked_for_while_installed_means_the_same() -> None:
    out = in_fresh_process(
        """
        import asyncio, aioxide
        defined = set(vars(aioxide))
        aioxide.install()
        inside = {name: getattr(aioxide, name) for name in asyncio.__all__}
        aioxide.uninstall()
        for name in inside.keys() - defined:
            del vars(aioxide)[name]
        print([name for name in inside if getattr(aioxide, name) is not inside[name]])
        """
    )
    assert out == "[]\n"


MAKES_A_LOOP = """
    import asyncio, threading, warnings
    import {package}
    def other():
        try:
            {package}.get_event_loop()
        except RuntimeError as error:
            print(error)
    thread = threading.Thread(target=other, name="other")
    thread.start()
    thread.join()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            loop = {package}.get_event_loop()
        except RuntimeError as error:
            print(error)
        else:
            print({package}.get_event_loop() is asyncio.get_event_loop() is loop)
            loop.close()
    print([(str(warning.message), warning.category, warning.filename, warning.lineno) for warning in heard])
"""


def test_get_event_loop_does_what_asyncios_does_and_warns_whom_asyncio_would() -> None:
    theirs = in_fresh_process(MAKES_A_LOOP.format(package="asyncio"))
    assert in_fresh_process(MAKES_A_LOOP.format(package="aioxide")) == theirs


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="from 3.14 on it makes no loop")
def test_the_loop_that_get_event_loop_makes_is_ours_and_others_are_not() -> None:
    out = in_fresh_process(
        """
        import asyncio, aioxide
        loop = aioxide.get_event_loop()
        print(isinstance(loop, aioxide.EventLoop))
        asyncio.set_event_loop(None)
        loop.close()
        loop = asyncio.new_event_loop()
        print(isinstance(loop, aioxide.EventLoop))
        loop.close()
        class Policy(asyncio.DefaultEventLoopPolicy):
            pass
        asyncio.set_event_loop_policy(Policy())
        loop = aioxide.get_event_loop()
        print(isinstance(loop, aioxide.EventLoop))
        loop.close()
        """,
        "-W",
        "ignore",
    )
    assert out == "True\nFalse\nFalse\n"


def test_get_event_loop_returns_the_loop_that_runs() -> None:
    async def main() -> bool:
        return aioxide.get_event_loop() is asyncio.get_running_loop()

    assert aioxide.run(main())
    assert asyncio.run(main())


def test_a_program_on_these_names_alone_runs_on_our_loop() -> None:
    async def main() -> Any:
        loop = aioxide.get_running_loop()
        assert isinstance(loop, aioxide.SelectorEventLoop)
        queue: aioxide.Queue[int] = aioxide.Queue()
        async with aioxide.TaskGroup() as group, aioxide.timeout(60):
            group.create_task(queue.put(1))
            task = aioxide.create_task(aioxide.sleep(0, 2))
            assert isinstance(task, aioxide.Task)
            return await queue.get() + await aioxide.wait_for(task, 60)

    assert aioxide.run(main()) == 3
