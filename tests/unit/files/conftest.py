"""Every test that asks for it runs on our loop and on the standard library's, by ring and by threads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import aioxide
from aioxide import _core

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(params=["ring", "pool"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How files are served."""
    monkeypatch.setenv("AIOXIDE_FILES", request.param)
    try:
        return _core.file_backend()
    except OSError as error:
        pytest.skip(f"no ring here: {error}")


@pytest.fixture(params=["aioxide", "asyncio"])
def run(backend: str, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """What runs a coroutine, on either loop and either backend."""
    return {"aioxide": aioxide.run, "asyncio": asyncio.run}[request.param]
