"""Subprocesses: what the keywords of `subprocess.Popen` do, and what they and a failed start leave behind."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from asyncio import subprocess
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

import pytest

from .programs import output_of, python
from .support import Loop, turns

pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)


def _children() -> set[str]:
    """The processes that this thread has started and nobody has reaped, whether they run or not."""
    thread = threading.get_native_id()
    return set(Path(f"/proc/self/task/{thread}/children").read_text().split())


async def test_user_group_and_umask_are_the_childs(loop: Loop) -> None:
    out = await output_of(
        "import os; mask = os.umask(0); print(os.getuid(), os.getgid(), oct(mask))",
        user=os.getuid(),
        group=os.getgid(),
        umask=0o27,
    )
    assert out == b"%d %d 0o27\n" % (os.getuid(), os.getgid())


@pytest.mark.skipif(os.getuid() != 0, reason="only root may change its groups")
async def test_extra_groups_are_the_childs(loop: Loop) -> None:
    out = await output_of("import os; print(sorted(os.getgroups()))", extra_groups=[7, 12])
    assert out == b"[7, 12]\n"


async def test_a_process_group_is_the_childs(loop: Loop) -> None:
    out = await output_of("import os; print(os.getpgrp() == os.getpid())", process_group=0)
    assert out == b"True\n"


async def test_pipes_have_the_size_that_was_asked_for(loop: Loop) -> None:
    out = await output_of("import fcntl; print(fcntl.fcntl(1, 1032))", pipesize=4096)
    assert out == b"4096\n"


async def test_descriptors_are_closed_in_the_child_unless_they_are_to_stay(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    os.set_inheritable(write_fd, True)
    source = f"import os; os.write({write_fd}, b'here')"
    process = await python(source, stderr=subprocess.DEVNULL)
    assert await process.wait() == 1
    process = await python(source, close_fds=False)
    assert await process.wait() == 0
    assert os.read(read_fd, 20) == b"here"
    os.close(read_fd)
    os.close(write_fd)


async def test_another_executable_can_stand_under_the_first_argument(loop: Loop) -> None:
    process = await asyncio.create_subprocess_exec(
        "a name", "-c", "echo $0 $1", "x", "y", executable="/bin/sh", stdout=subprocess.PIPE
    )
    assert await process.communicate() == (b"x y\n", None)


async def test_a_function_can_run_before_the_program(loop: Loop) -> None:
    read_fd, write_fd = os.pipe()
    process = await asyncio.create_subprocess_exec(
        "true", preexec_fn=lambda: os.write(write_fd, b"before"), pass_fds=[write_fd]
    )
    assert await process.wait() == 0
    assert os.read(read_fd, 20) == b"before"
    os.close(read_fd)
    os.close(write_fd)


async def test_a_function_before_the_program_that_raises_is_a_subprocess_error(loop: Loop) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(SubprocessError, match=r"^Exception occurred in preexec_fn\.$"):
        await asyncio.create_subprocess_exec("true", preexec_fn=fail)


@pytest.mark.parametrize("restores", [True, False])
async def test_the_signals_that_python_ignores_can_be_restored(loop: Loop, restores: bool) -> None:
    process = await asyncio.create_subprocess_exec(
        "grep", "SigIgn", "/proc/self/status", stdout=subprocess.PIPE, restore_signals=restores
    )
    out, _ = await process.communicate()
    is_ignored = bool(int(out.split()[1], 16) & 1 << signal.SIGPIPE - 1)
    assert is_ignored is not restores


@pytest.mark.parametrize(
    ("keywords", "error", "text"),
    [
        ({"creationflags": 1}, ValueError, "creationflags is only supported on Windows platforms"),
        (
            {"startupinfo": object()},
            ValueError,
            "startupinfo is only supported on Windows platforms",
        ),
        ({"user": -1}, ValueError, "User ID cannot be negative, got -1"),
        ({"group": 1.5}, TypeError, "Group must be a string or an integer, not <class 'float'>"),
        ({"extra_groups": "ab"}, ValueError, "Groups must be a list, not a string"),
        ({"pipesize": "big"}, TypeError, "pipesize must be an integer"),
        ({"env": {"a=b": "c"}}, ValueError, "illegal environment variable name"),
        ({"nonsense": 1}, TypeError, "got an unexpected keyword argument 'nonsense'"),
    ],
)
async def test_keywords_are_refused_as_popen_refuses_them(
    loop: Loop, keywords: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        await asyncio.create_subprocess_exec("true", **keywords)


async def test_what_cannot_be_run_is_named_in_the_error(loop: Loop, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.touch()
    with pytest.raises(FileNotFoundError) as missing:
        await asyncio.create_subprocess_exec("/no/such/program", "argument")
    assert missing.value.filename == "/no/such/program"
    with pytest.raises(PermissionError) as forbidden:
        await asyncio.create_subprocess_exec(script)
    assert os.fspath(forbidden.value.filename) == os.fspath(script)
    with pytest.raises(NotADirectoryError) as elsewhere:
        await asyncio.create_subprocess_exec("true", cwd=script)
    assert os.fspath(elsewhere.value.filename) == os.fspath(script)
    with pytest.raises(ValueError, match="embedded null byte"):
        await asyncio.create_subprocess_exec("true", "a\0b")


async def test_what_fails_to_start_leaves_nothing(loop: Loop) -> None:
    gc.collect()
    before, children_before = sorted(os.listdir("/proc/self/fd")), _children()
    for _ in range(200):
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec(
                "no-such-program",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert _children() <= children_before


async def test_a_cancelled_start_leaves_nothing(loop: Loop) -> None:
    gc.collect()
    before, children_before = sorted(os.listdir("/proc/self/fd")), _children()
    for turns_first in range(8):
        starting = asyncio.create_task(
            asyncio.create_subprocess_exec(
                "sleep", "100", stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        )
        await turns(turns_first)
        starting.cancel()
        try:
            process = await starting
        except asyncio.CancelledError:
            continue
        process.kill()
        await process.communicate()
        del process
    await turns(5)
    gc.collect()
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert _children() <= children_before
