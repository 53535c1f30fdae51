"""Programs of the kinds that the packages' own pages show: with one import changed, they do the same on ours."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "programs"
PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.py"))
EXAMPLES = Path(__file__).parents[2] / "examples"
DEADLINE_S = 60


def ours(source: str) -> str:
    """Return a program that imports our modules where it imported the packages, and is the same otherwise."""
    source = re.sub(r"^from (aiofiles?)\b", r"from aioxide.compat.\1", source, flags=re.MULTILINE)
    source = re.sub(
        r"^import (aiofiles?)\b.*$",
        r"import aioxide.compat.\1 as \1",
        source,
        flags=re.MULTILINE,
    )
    return source.replace('mock.patch("aiofiles.', 'mock.patch("aioxide.compat.aiofiles.')


def run(source: str, name: str, folder: Path, *runner: str) -> str:
    """Run a program in *folder*, under its own name, and return what it printed."""
    folder.mkdir()
    program = folder.with_name(f"{folder.name}-program") / f"{name}.py"
    program.parent.mkdir()
    program.write_text(source)
    command = [sys.executable, "-X", "dev", "-W", "error", *runner, str(program), str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=DEADLINE_S, check=False, cwd=folder
    )
    assert not done.returncode, done.stderr
    assert not done.stderr
    return done.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_does_the_same_with_our_modules(tmp_path: Path, name: str) -> None:
    pytest.importorskip(name.partition("_")[0])
    source = (FOLDER / f"{name}.py").read_text()
    changed = ours(source)
    assert changed != source
    expected = run(source, name, tmp_path / "real")
    assert expected
    assert run(changed, name, tmp_path / "asyncio") == expected
    assert run(changed, name, tmp_path / "aioxide", "-m", "aioxide") == expected


def test_the_example_with_aiofile_does_the_same_with_our_module(tmp_path: Path) -> None:
    name = "aiofile_read_write"
    expected = (EXAMPLES / "expected" / f"{name}.txt").read_text()
    changed = ours((EXAMPLES / f"{name}.py").read_text())
    assert "from aioxide.compat.aiofile import" in changed
    assert run(changed, name, tmp_path / "asyncio") == expected
    assert run(changed, name, tmp_path / "aioxide", "-m", "aioxide") == expected
