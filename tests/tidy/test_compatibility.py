"""The compatibility page holds: what it says of aioxide is so here, and its tables are the measurements."""

from __future__ import annotations

import asyncio
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import aioxide

from .repository import ROOT

_FOLDER = ROOT / "tests" / "compatibility"

# All probes together take three seconds; one that hangs is ended by the script itself.
_SECONDS_MAX = 60


def _script(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=_SECONDS_MAX, cwd=ROOT
    ).stdout


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    """What was measured on this version of Python."""
    version = "{}.{}".format(*sys.version_info)
    file: Path = _FOLDER / "results" / f"{version}.json"
    if not file.exists():
        pytest.skip(f"nothing was measured on {version}")
    return dict(json.loads(file.read_text(encoding="utf-8"))["loops"]["aioxide"]["outcomes"])


def test_what_the_compatibility_page_says_of_aioxide_is_so(recorded: dict[str, Any]) -> None:
    """Every probe is tried: together they take about as long as starting a few interpreters."""
    measured = json.loads(_script(str(_FOLDER / "measure.py"), "-", "--loops", "aioxide"))
    outcomes = measured["loops"]["aioxide"]["outcomes"]
    assert {name: found for name, found in outcomes.items() if found != recorded.get(name)} == {}
    assert recorded.keys() == outcomes.keys()


def test_every_parameter_of_asyncios_methods_is_one_of_ours_in_the_same_order() -> None:
    missing = []
    for name in dir(asyncio.SelectorEventLoop):
        if name.startswith("_"):
            continue
        theirs = inspect.signature(getattr(asyncio.SelectorEventLoop, name)).parameters
        ours = inspect.signature(getattr(aioxide.EventLoop, name)).parameters
        if [parameter for parameter in ours if parameter in theirs] != list(theirs):
            missing.append(f"{name}: {', '.join(theirs)}")
    assert missing == []


def test_the_tables_of_the_compatibility_page_are_those_of_the_measurements() -> None:
    page = ROOT / "docs" / "compatibility.md"
    assert _script(str(_FOLDER / "page.py"), "--print") == page.read_text(encoding="utf-8"), (
        "run tests/compatibility/page.py"
    )
