"""Subprocesses: how the program is found, what it is given, and what is said when it cannot be started."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import Any

import pytest

from .programs import output_of
from .support import Loop

TEXT = "echo $0-$1"


def _script(folder: Path, name: str, text: str = TEXT) -> Path:
    folder.mkdir(exist_ok=True)
    script = folder / name
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return script


async def _said(*command: Any, **keywords: Any) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, **keywords)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode().strip()


async def test_a_program_is_looked_for_where_its_environment_says(
    loop: Loop, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second/"
    _script(second, "found")
    first.mkdir()
    search = f"/nowhere:{first}:{second}/"
    assert await _said("found", "x", env={"PATH": search}) == f"{second}/found-x"
    assert await _said(b"found", "x", env={b"PATH": search.encode()}) == f"{second}/found-x"
    with pytest.raises(FileNotFoundError) as missing:
        await asyncio.create_subprocess_exec("found", env={"PATH": str(first)})
    assert missing.value.filename == "found"


async def test_a_program_is_looked_for_where_our_environment_says(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = _script(tmp_path, "found")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert await _said("found", "x") == f"{script}-x"
    monkeypatch.setattr(os, "environ", {"PATH": "/bin:/usr/bin"})
    with pytest.raises(FileNotFoundError):
        await asyncio.create_subprocess_exec("found")


async def test_an_empty_entry_of_the_search_path_is_the_childs_directory(
    loop: Loop, tmp_path: Path
) -> None:
    _script(tmp_path, "found")
    environment = {"PATH": "/nowhere::"}
    assert await _said("found", "x", env=environment, cwd=tmp_path) == "found-x"


async def test_a_file_that_may_not_be_run_is_the_reason_unless_another_is_found(
    loop: Loop, tmp_path: Path
) -> None:
    (tmp_path / "forbidden").mkdir()
    (tmp_path / "forbidden" / "found").touch()
    script = _script(tmp_path / "allowed", "found")
    forbidden = str(tmp_path / "forbidden")
    search = f"{forbidden}:{script.parent}:/nowhere"
    assert await _said("found", "x", env={"PATH": search}) == f"{script}-x"
    with pytest.raises(PermissionError) as refused:
        await asyncio.create_subprocess_exec("found", env={"PATH": f"{forbidden}:/nowhere"})
    assert refused.value.filename == "found"


@pytest.mark.parametrize(
    ("command", "keywords", "error", "text"),
    [
        ((1,), {}, TypeError, "expected str, bytes or os.PathLike object, not int"),
        (("true", None), {}, TypeError, "expected str, bytes or os.PathLike object, not NoneType"),
        (
            ("true",),
            {"env": {"a": 1}},
            TypeError,
            "expected str, bytes or os.PathLike object, not int",
        ),
        (("true",), {"env": {"a": "\0"}}, ValueError, "embedded null byte"),
        (("true",), {"env": {"PATH": "", b"PATH": b""}}, ValueError, "'PATH' and b'PATH'"),
        (("true",), {"cwd": "/no\0where"}, ValueError, "embedded null byte"),
        (("true",), {"process_group": "x"}, TypeError, "int"),
        (("true",), {"umask": "x"}, TypeError, "'<' not supported|an integer|int"),
        (("",), {}, (FileNotFoundError, PermissionError), "''"),
    ],
)
async def test_what_is_no_program_is_refused_in_pythons_words(
    loop: Loop, command: Any, keywords: dict[str, Any], error: Any, text: str
) -> None:
    with pytest.raises(error, match=text):
        await asyncio.create_subprocess_exec(*command, **keywords)


async def test_the_directory_that_is_missing_is_named(loop: Loop) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        await asyncio.create_subprocess_exec("no-such-program", cwd="/no/such/directory")
    assert missing.value.filename == "/no/such/directory"


async def test_a_shell_can_be_another(loop: Loop, tmp_path: Path) -> None:
    shell = _script(tmp_path, "shell", 'echo "$0 $1 $2"')
    process = await asyncio.create_subprocess_shell("a b", stdout=PIPE, executable=str(shell))
    out, _ = await process.communicate()
    assert out.decode() == f"{shell} -c a b\n"


async def test_hooks_hear_of_a_start_once_and_can_refuse_it(loop: Loop) -> None:
    heard: list[tuple[Any, ...]] = []

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen" and heard is not None and "audited" in args[1]:
            heard.append(args)
            if "refused" in args[1]:
                raise RuntimeError("refused")

    sys.addaudithook(hook)
    await _said("true", "audited", cwd="/")
    assert heard == [("true", ["true", "audited"], "/", None)]
    with pytest.raises(RuntimeError, match="refused"):
        await asyncio.create_subprocess_exec("true", "audited", "refused")


async def test_what_python_handles_is_as_ever_in_the_child(loop: Loop) -> None:
    previous = signal.signal(signal.SIGUSR1, lambda *_args: None)
    try:
        out = await output_of("import signal; print(signal.getsignal(signal.SIGUSR1) == 0)")
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert out == b"True\n"


async def test_standard_files_of_all_kinds_go_together(loop: Loop, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        process = await asyncio.create_subprocess_shell(
            "cat; echo said; echo failed >&2", stdin=DEVNULL, stdout=out, stderr=PIPE
        )
        _, err = await process.communicate()
    assert ((tmp_path / "out").read_bytes(), err) == (b"said\n", b"failed\n")


def test_a_program_starts_where_our_own_standard_files_are_closed(program: Any) -> None:
    done = program.run("""
        async def main():
            for fd in (0, 1):
                os.close(fd)
            process = await asyncio.create_subprocess_shell(
                "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            out, _ = await process.communicate(b"through")
            os.write(2, out)

        new_event_loop().run_until_complete(main())
    """)
    assert "through" in done.stderr


async def test_the_process_is_a_popen_object(loop: Loop) -> None:
    process = await asyncio.create_subprocess_exec("sh", "-c", "exit 3", stdin=PIPE)
    popen = process._transport.get_extra_info("subprocess")  # type: ignore[attr-defined]
    assert isinstance(popen, subprocess.Popen)
    assert type(popen).__name__ == "Popen"
    assert popen.pid == process.pid
    assert popen.args == ("sh", "-c", "exit 3")
    await process.wait()
    assert popen.returncode == 3
    assert repr(popen) == "<Popen: returncode: 3 args: ('sh', '-c', 'exit 3')>"
    popen.stdin.close()


async def test_another_class_in_the_place_of_popen_is_used(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    class Mine(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            made.append(self)
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", Mine)
    process = await asyncio.create_subprocess_exec("true")
    assert await process.wait() == 0
    assert len(made) == 1
