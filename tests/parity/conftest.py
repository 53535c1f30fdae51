"""Fixtures for tests of futures, tasks and primitives, which run with every kind of them on every loop."""

from __future__ import annotations

import pytest
from tests.namespaces import OURS, STDLIB, Names

from .kinds import KIND_NAMES, Kind, kind_named


@pytest.fixture(params=KIND_NAMES)
def kind(request: pytest.FixtureRequest) -> Kind:
    """One implementation of Future and Task: the stdlib's C or Python one, or ours."""
    return kind_named(request.param)


@pytest.fixture(params=KIND_NAMES)
def other(request: pytest.FixtureRequest) -> Kind:
    """A second one, to be mixed with the first."""
    return kind_named(request.param)


@pytest.fixture(params=[STDLIB, OURS], ids=repr)
def names(request: pytest.FixtureRequest) -> Names:
    """Asyncio's names, the stdlib's or ours: to be used in place of the module."""
    found: Names = request.param
    return found
