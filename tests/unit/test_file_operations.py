"""The file operations of a loop: on every loop, by ring and by threads, and what becomes of them at the end."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import aioxide
from aioxide import _core
from aioxide.natives.templates import native

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@native
async def stat(
    path: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True
) -> os.stat_result:
    """`os.stat`."""
    raise NotImplementedError


@native
async def mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
    """`os.mkdir`."""
    raise NotImplementedError


@native
async def rename(
    src: Any, dst: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
) -> None:
    """`os.rename`."""
    raise NotImplementedError


@pytest.fixture(params=["ring", "pool"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AIOXIDE_FILES", request.param)
    try:
        return _core.file_backend()
    except OSError as error:
        pytest.skip(f"no ring here: {error}")


@pytest.fixture(params=["aioxide", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return {"aioxide": aioxide.run, "asyncio": asyncio.run}[request.param]


@pytest.mark.usefixtures("backend")
def test_a_stat_is_that_of_os(run: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    (tmp_path / "link").symlink_to(file)
    os.utime(file, ns=(1_234_567_890_123_456_789, 987_654_321_987_654_321))

    async def main() -> None:
        for path in (file, str(file), os.fsencode(file), tmp_path / "link", "/dev/null", "/"):
            assert repr(await stat(path)) == repr(os.stat(path))
            assert await stat(path) == os.stat(path)
            ours, its = await stat(path), os.stat(path)
            for name in (name for name in dir(its) if name.startswith("st_")):
                assert getattr(ours, name) == getattr(its, name), name
        link = await stat(tmp_path / "link", follow_symlinks=False)
        assert link == os.lstat(tmp_path / "link")

    run(main())


@pytest.mark.parametrize(
    "arguments",
    [
        (None,),
        ("a\0b",),
        (b"a\0b",),
        (3.5,),
        (-1,),
        (987_654,),
        ("missing",),
        ("",),
        (object(),),
        ("/etc/passwd/x",),
    ],
    ids=repr,
)
@pytest.mark.usefixtures("backend")
def test_what_os_refuses_is_refused_alike(
    run: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    with pytest.raises(Exception) as its:
        os.stat(*arguments)

    async def main() -> None:
        await stat(*arguments)

    with pytest.raises(type(its.value)) as ours:
        run(main())
    assert str(ours.value) == str(its.value)
    assert getattr(ours.value, "filename", None) == getattr(its.value, "filename", None)


@pytest.mark.usefixtures("backend")
def test_an_error_of_two_names_has_both(run: Callable[..., Any], tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError) as raised:
            await rename(tmp_path / "a", tmp_path / "b")
        assert (raised.value.filename, raised.value.filename2) == (
            str(tmp_path / "a"),
            str(tmp_path / "b"),
        )
        assert raised.value.errno == errno.ENOENT

    run(main())


@pytest.mark.usefixtures("backend")
def test_a_directory_to_start_from(run: Callable[..., Any], tmp_path: Path) -> None:
    async def main() -> None:
        directory = os.open(tmp_path, os.O_RDONLY)
        try:
            await mkdir("made", 0o700, dir_fd=directory)
            await rename("made", "moved", src_dir_fd=directory, dst_dir_fd=directory)
            assert await stat("moved", dir_fd=directory) == os.stat(tmp_path / "moved")
        finally:
            os.close(directory)

    run(main())


@pytest.mark.usefixtures("backend")
def test_many_at_once_are_all_answered(run: Callable[..., Any], tmp_path: Path) -> None:
    async def main() -> None:
        await asyncio.gather(*(mkdir(tmp_path / str(number)) for number in range(3000)))
        assert len(os.listdir(tmp_path)) == 3000

    run(main())


@pytest.mark.usefixtures("backend")
def test_a_cancelled_operation_leaves_the_loop_as_it_was(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    async def main() -> None:
        for turns in range(4):
            task = asyncio.ensure_future(mkdir(tmp_path / f"cancelled{turns}"))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await mkdir(tmp_path / str(turns))
            assert (tmp_path / str(turns)).is_dir()

    run(main())


@pytest.mark.usefixtures("backend")
def test_a_loop_closed_with_operations_in_flight_ends_them(tmp_path: Path) -> None:
    for new_loop in (aioxide.new_event_loop, asyncio.new_event_loop):
        event_loop = new_loop()

        async def begin() -> list[asyncio.Future[Any]]:
            tasks = [asyncio.ensure_future(mkdir(tmp_path / str(n))) for n in range(10)]
            await asyncio.sleep(0)
            return tasks

        tasks = event_loop.run_until_complete(begin())
        event_loop.close()
        for task in tasks:
            # Nobody will step them any more, and nobody is to be told.
            task._log_destroy_pending = False  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.usefixtures("backend")
def test_a_forked_child_has_operations_of_its_own(run: Callable[..., Any], tmp_path: Path) -> None:
    async def main() -> None:
        await mkdir(tmp_path / "parent")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                asyncio.events._set_running_loop(None)
                run(mkdir(tmp_path / "child"))
                status = 0
            finally:
                os._exit(status)
        _pid, status = os.waitpid(child, 0)  # noqa: ASYNC222 - it ends by itself
        assert os.waitstatus_to_exitcode(status) == 0
        await mkdir(tmp_path / "again")
        assert sorted(os.listdir(tmp_path)) == ["again", "child", "parent"]

    run(main())


def test_time_stands_still_for_an_operation(tmp_path: Path) -> None:
    clock = aioxide.VirtualClock()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(10), 5)
        async with asyncio.timeout(1):
            for number in range(20):
                await mkdir(tmp_path / f"{clock.time()} {number}")

    # The kernel makes threads for a new ring, and interrupts the loop's for that.
    for _ in range(10):
        with asyncio.Runner(loop_factory=lambda: aioxide.new_event_loop(clock=clock)) as runner:
            runner.run(main())
    assert clock.time() == 50


@pytest.mark.usefixtures("backend")
def test_threads_without_frames_wake_a_loop_that_would_show_them(tmp_path: Path) -> None:
    async def main(name: str) -> None:
        async with asyncio.timeout(30):
            for number in range(20):
                await mkdir(tmp_path / f"{name} {number}")

    # In debug mode every handle notes who has made it.
    asyncio.run(main("asyncio"), debug=True)
    aioxide.run(main("aioxide"), debug=True)


def test_an_unknown_backend_is_refused(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIOXIDE_FILES", "rings")
    with pytest.raises(ValueError, match="AIOXIDE_FILES must be 'ring' or 'pool', not 'rings'"):
        run(mkdir(tmp_path / "a"))


@pytest.mark.usefixtures("backend")
def test_the_command_says_how_files_are_served(backend: str) -> None:
    command = [sys.executable, "-m", "aioxide", "--info"]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    facts = dict(line.split(maxsplit=1) for line in told.stdout.splitlines() if line)
    assert facts["files"] == backend
