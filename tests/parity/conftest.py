"""Fixtures for tests of futures and tasks, which run with every kind of them on every loop."""

from __future__ import annotations

import pytest

from .kinds import KIND_NAMES, Kind, kind_named


@pytest.fixture(params=KIND_NAMES)
def kind(request: pytest.FixtureRequest) -> Kind:
    """One implementation of Future and Task: the stdlib's C or Python one, or ours."""
    return kind_named(request.param)


@pytest.fixture(params=KIND_NAMES)
def other(request: pytest.FixtureRequest) -> Kind:
    """A second one, to be mixed with the first."""
    return kind_named(request.param)
