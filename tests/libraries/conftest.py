"""Fixtures that are a package, or ours of its name: each test asks for one, and runs with both on every loop."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
from tests.conftest import LoopFactory, factory_named

# Ours with whatever the loop serves files by, and with threads only.
FLAVOURS = ("real", "ours", "ours-pool")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the package itself where a test is about ours only."""

    def is_about_ours_only(item: pytest.Item) -> bool:
        if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
            return False
        of_the_package = item.callspec.params.get("flavour") == "real"
        return of_the_package and any(name.startswith("our_") for name in item.fixturenames)

    items[:] = [item for item in items if not is_about_ours_only(item)]


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> str:
    """Whose package it is: "real" or "ours", and by what."""
    name: str = request.param
    return name


@pytest.fixture
def loop_factory(loop_name: str, flavour: str, monkeypatch: pytest.MonkeyPatch) -> LoopFactory:
    """A zero-argument callable that makes a loop which serves files as the flavour says."""
    if flavour.endswith("pool"):
        monkeypatch.setenv("AIOXIDE_FILES", "pool")
    return factory_named(loop_name)


def package(flavour: str, name: str) -> ModuleType:
    """Return the package called *name*, or our module of that name; the test is skipped where there is none."""
    if flavour.startswith("ours"):
        return importlib.import_module(f"aioxide.compat.{name}")
    return pytest.importorskip(name, reason=f"{name.partition('.')[0]} is not installed")


@pytest.fixture
def aiofile(flavour: str) -> ModuleType:
    """The package aiofile, or ours of its name."""
    return package(flavour, "aiofile")


@pytest.fixture
def aiofiles(flavour: str) -> ModuleType:
    """The package aiofiles, or ours of its name, with all its submodules."""
    for submodule in ("os", "ospath", "tempfile.temptypes", "threadpool.binary", "threadpool.text"):
        package(flavour, f"aiofiles.{submodule}")
    return package(flavour, "aiofiles")


@pytest.fixture
def our_aiofile() -> ModuleType:
    """Ours of aiofile's name, where it differs from the package for the better."""
    return package("ours", "aiofile")


@pytest.fixture
def our_aiofiles() -> ModuleType:
    """Ours of aiofiles' name, where it differs from the package for the better."""
    return package("ours", "aiofiles")
