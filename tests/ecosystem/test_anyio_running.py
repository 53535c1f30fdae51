"""`anyio.run`, what anyio tells about tasks, and its pytest plugin, each given the loop's factory."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

if TYPE_CHECKING:
    from ..conftest import Program

Loop = asyncio.AbstractEventLoop
LoopFactory = Callable[[], Loop]


def test_run_uses_the_factory_and_returns_the_result(loop_factory: LoopFactory) -> None:
    made: list[Loop] = []

    def factory() -> Loop:
        made.append(loop_factory())
        return made[-1]

    async def main(value: int) -> int:
        assert asyncio.get_running_loop() is made[0]
        await anyio.lowlevel.checkpoint()
        return value

    assert anyio.run(main, 5, backend_options={"loop_factory": factory}) == 5
    assert len(made) == 1
    assert made[0].is_closed()


def test_run_passes_on_what_main_raises(loop_factory: LoopFactory) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever)
            await anyio.lowlevel.checkpoint()
            raise LookupError("main")

    with pytest.raises(ExceptionGroup) as caught:
        anyio.run(main, backend_options={"loop_factory": loop_factory})
    assert caught.value.subgroup(LookupError) is not None


def test_run_cancels_what_main_leaves_behind(loop_factory: LoopFactory) -> None:
    ended: list[str] = []
    kept: list[object] = []

    async def waits() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("cancelled")

    async def main() -> None:
        kept.append(asyncio.get_running_loop().create_task(waits()))
        await anyio.wait_all_tasks_blocked()

    anyio.run(main, backend_options={"loop_factory": loop_factory})
    assert ended == ["cancelled"]


def test_run_in_debug_mode(loop_factory: LoopFactory) -> None:
    async def main() -> bool:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0)
        return asyncio.get_running_loop().get_debug()

    options: dict[str, Any] = {"loop_factory": loop_factory, "debug": True}
    assert anyio.run(main, backend_options=options) is True


def test_ctrl_c_ends_a_run_in_order(program: Program) -> None:
    done = program.run("""
        import anyio

        async def waits():
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0)
                    print("cleaned up")

        async def main():
            async with anyio.create_task_group() as group:
                group.start_soon(waits)
                await anyio.wait_all_tasks_blocked()
                os.kill(os.getpid(), signal.SIGINT)
                await anyio.sleep_forever()

        try:
            anyio.run(main, backend_options={"loop_factory": new_event_loop})
        except KeyboardInterrupt:
            print("interrupted")
    """)
    assert done.stdout.splitlines() == ["cleaned up", "interrupted"], done.stderr
    assert done.stderr == ""


async def test_a_task_can_ask_who_it_is(loop: Loop, task_kind: str) -> None:
    here = anyio.get_current_task()
    task = asyncio.current_task()
    assert task is not None
    assert here.id == id(task)
    assert here.name == task.get_name()
    assert here.coro is task.get_coro()


async def test_a_child_knows_its_parent(loop: Loop, task_kind: str) -> None:
    found: list[anyio.TaskInfo] = []

    async def child(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        task_status.started()
        found.append(anyio.get_current_task())

    async with anyio.create_task_group() as group:
        await group.start(child)
    assert found[0].parent_id == anyio.get_current_task().id


async def test_the_running_tasks_are_those_of_the_loop(loop: Loop, task_kind: str) -> None:
    names = {f"child {number}" for number in range(5)}
    async with anyio.create_task_group() as group:
        for name in names:
            group.start_soon(anyio.sleep_forever, name=name)
        await anyio.wait_all_tasks_blocked()
        running = anyio.get_running_tasks()
        assert names < {info.name for info in running}
        assert {info.id for info in running} == {id(task) for task in asyncio.all_tasks()}
        group.cancel_scope.cancel()
    assert not names & {info.name for info in anyio.get_running_tasks()}


async def test_all_tasks_are_blocked_once_none_can_go_on(loop: Loop, task_kind: str) -> None:
    steps: list[int] = []

    async def child() -> None:
        for number in range(10):
            steps.append(number)
            await asyncio.sleep(0)
        await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(child)
        await anyio.wait_all_tasks_blocked()
        assert steps == list(range(10))
        group.cancel_scope.cancel()


async def test_a_pending_cancellation_can_be_seen_from_outside(loop: Loop, task_kind: str) -> None:
    async def waits() -> None:
        await anyio.sleep_forever()

    task = loop.create_task(waits())
    await anyio.wait_all_tasks_blocked()
    [info] = [info for info in anyio.get_running_tasks() if info.id == id(task)]
    assert not info.has_pending_cancellation()
    task.cancel()
    assert info.has_pending_cancellation()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_library_that_asks_what_runs_is_told_asyncio(loop: Loop, task_kind: str) -> None:
    """The rule of those who ask: asyncio runs here if there is a current task."""

    def runs_in_task() -> bool:
        try:
            return asyncio.current_task() is not None
        except RuntimeError:
            return False

    async def child() -> bool:
        at_first = runs_in_task()
        await asyncio.sleep(0)
        return at_first and runs_in_task()

    assert runs_in_task()
    assert await loop.create_task(child())
    called = loop.create_future()
    loop.call_soon(lambda: called.set_result(runs_in_task()))
    assert await called is False
    assert await anyio.to_thread.run_sync(runs_in_task) is False
    assert runs_in_task()


def test_a_run_variable_lives_as_long_as_its_run(loop_factory: LoopFactory) -> None:
    variable: anyio.lowlevel.RunVar[str] = anyio.lowlevel.RunVar("variable")

    async def main() -> str:
        before = variable.get("unset")
        variable.set("set")

        async def child() -> None:
            await asyncio.sleep(0)
            assert variable.get() == "set"

        async with anyio.create_task_group() as group:
            group.start_soon(child)
        return before

    for _ in range(2):
        assert anyio.run(main, backend_options={"loop_factory": loop_factory}) == "unset"


PLUGIN_TESTS = """
import asyncio
import pytest
import anyio
from {module} import new_event_loop

pytestmark = pytest.mark.anyio

@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio", {{"loop_factory": new_event_loop}}

@pytest.fixture(scope="module")
async def stream(anyio_backend):
    send, receive = anyio.create_memory_object_stream(1)
    async with send, receive:
        yield send, receive, asyncio.get_running_loop()

@pytest.fixture
async def group():
    async with anyio.create_task_group() as group:
        yield group
        group.cancel_scope.cancel()

async def test_fixtures_share_the_loop(stream, group):
    send, receive, loop = stream
    assert asyncio.get_running_loop() is loop
    group.start_soon(send.send, "x")
    assert await receive.receive() == "x"

@pytest.mark.parametrize("number", range(3))
async def test_parameters(number, stream):
    await anyio.sleep(0)
    assert asyncio.get_running_loop() is stream[2]

@pytest.mark.xfail(raises=LookupError, strict=True)
async def test_failing():
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever)
        group.cancel_scope.cancel()
    raise LookupError
"""


def test_the_pytest_plugin_runs_tests_and_fixtures(
    program: Program, loop_name: str, tmp_path: Path
) -> None:
    module = "asyncio" if loop_name == "asyncio" else "aioxide"
    (tmp_path / "test_plugin.py").write_text(PLUGIN_TESTS.format(module=module))
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    done = program.run(
        f"""
        import pytest
        folder = {str(tmp_path)!r}
        options = ["-p", "no:randomly", "-p", "no:cacheprovider", "-c", folder + "/pytest.ini"]
        sys.exit(pytest.main([folder, "-q", "--rootdir", folder, *options]))
        """,
        env={"PYTEST_ADDOPTS": ""},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed, 1 xfailed" in done.stdout


async def test_signals_arrive_as_a_stream(loop: Loop) -> None:
    with anyio.open_signal_receiver(signal.SIGUSR1, signal.SIGUSR2) as received:
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR2)
        with anyio.fail_after(10):
            assert await anext(received) == signal.SIGUSR1
            assert await anext(received) == signal.SIGUSR2
