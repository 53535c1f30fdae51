"""The page on files: its programs run, and it names everything that there is."""

from __future__ import annotations

import asyncio
import pathlib
import re
from typing import Any

import pytest

import aioxide
from aioxide import files

PAGE = (pathlib.Path(__file__).parents[3] / "docs" / "files.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
async def test_a_program_of_the_page_runs(
    loop: asyncio.AbstractEventLoop,
    program: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(program, names)
    await names["main"]()


def test_the_page_names_everything() -> None:
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`\n]+`", PAGE))))
    assert [name for name in files.__all__ if name not in named] == []


def test_the_package_knows_of_files() -> None:
    assert aioxide.files is files
