"""What programs of every family are drawn from, and how many are tried.

AIOXIDE_PROGRAMS is the number of programs for each test, and asks for fresh ones; without it the same forty are tried
each time, which is what `make test` has time for. `make programs` asks for many. The standard library's names on our
loop are among the kinds to prove the machine: a difference there would be the loop's.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, note, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from tests.namespaces import OURS, STDLIB

from . import grammar as g
from .machine import CAUGHT, ERRORS, Machine, Program, run
from .schedule import REFERENCE, Kind, OurLoop, StandingLoop

_asked_for = os.environ.get("AIOXIDE_PROGRAMS")
PROGRAMS = settings(
    max_examples=int(_asked_for or 40),
    derandomize=not _asked_for,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

NO_SETTINGS = g.just(())
indexes = g.integers(0, 5)
ticks = g.integers(0, 6)
messages = g.sampled_from([None, None, "m1", 7])
errors = g.sampled_from(sorted(ERRORS))

cancels = g.tuples(g.just("cancel"), indexes, messages)
common_actions = g.one_of(
    cancels,
    cancels,
    g.tuples(g.just("spawn"), indexes),
)
common_waits = g.one_of(
    g.just(("sleep",)),
    g.tuples(g.just("sleep_for"), ticks),
    g.tuples(g.just("raise"), errors),
)


def _blocks(ops: Any, own: Sequence[str]) -> Any:
    inner = g.lists(ops, min_size=1, max_size=4).map(tuple)
    handler = g.lists(ops, max_size=2).map(tuple)
    catch = g.tuples(g.just("catch"), g.sampled_from(sorted(CAUGHT)), inner, handler)
    return g.one_of(
        catch,
        g.tuples(g.just("finally"), inner, handler),
        g.tuples(g.just("within"), ticks, inner),
        *(g.tuples(g.just(name), indexes, inner) for name in own),
        *(g.tuples(g.just(name), indexes, inner) for name in own),
    )


def programs(
    actions: Any, waits: Any, blocks: Sequence[str] = (), settings: Any = NO_SETTINGS
) -> Any:
    """Return a strategy for the programs of a family.

    Args:
        actions: its operations that do not wait.
        waits: those that do.
        blocks: the names of those that take an index, and operations to run inside.
        settings: what the family's objects are made with.

    """
    acts = g.one_of(actions, actions, common_actions)
    leaf = g.one_of(acts, waits, waits, waits, common_waits)
    ops = g.recursive(leaf, lambda inner: _blocks(inner, blocks), depth=3)
    script = g.lists(ops, min_size=1, max_size=6).map(tuple)
    between_turns = g.one_of(
        g.lists(acts, max_size=3).map(tuple),
        g.tuples(g.tuples(g.just("advance"), g.integers(1, 4))),
    )
    return st.builds(
        Program,
        scripts=st.lists(g.drawn(script), min_size=1, max_size=5).map(tuple),
        driver=st.lists(g.drawn(between_turns), max_size=10).map(tuple),
        settings=g.drawn(settings),
        debug=st.integers(0, 9).map(lambda number: number == 9),
    )


def check(
    machine: type[Machine], programs: Any, needed: Sequence[str], newer: str | None = None
) -> None:
    """Fail unless each program leaves the same trace with every kind; skip, after that, what is not native yet.

    Args:
        machine: what runs the programs.
        programs: the strategy for them.
        needed: the names that have to be native.
        newer: what is otherwise before Python 3.13; natives are as on the newest Python.

    """
    absent = OURS.absent(needed)
    if newer is not None and sys.version_info < (3, 13):
        absent = f"stdlib only from 3.13: {newer}"
    kinds = [Kind(STDLIB, OurLoop)]
    if absent is None:
        kinds += [Kind(OURS, StandingLoop), Kind(OURS, OurLoop)]

    @PROGRAMS
    @given(programs)
    def agrees(program: Program) -> None:
        # Of itself Hypothesis would show the bytes that it was drawn from.
        note(repr(program))
        expected = run(machine, program, REFERENCE)
        for kind in kinds:
            got = run(machine, program, kind)
            assert got.events == expected.events, kind.label
            assert got.chains == expected.chains, kind.label

    agrees()
    if absent is not None:
        pytest.skip(absent)


def notice(machine: type[Machine], programs: Any, mutant: Kind, tries: int = 4_000) -> bool:
    """Tell whether some program of these leaves another trace with a mutant of the standard library's primitives."""

    def differs(program: Program) -> bool:
        return run(machine, program, mutant).events != run(machine, program, REFERENCE).events

    # Each search begins with small programs, so that several short ones find more than a long one.
    searches = settings(
        PROGRAMS, max_examples=min(tries, 200), phases=[Phase.generate], derandomize=True
    )
    for seed in range(-(-tries // 200)):
        try:
            find(programs, differs, settings=searches, random=random.Random(seed))
        except NoSuchExample:
            continue
        return True
    return False


def heir(parent: Any, name: str) -> Any:
    """Return a subclass that goes by the name of asyncio's class in a repr."""
    original = getattr(asyncio, name)
    return type(name, (parent,), {"__qualname__": name, "__module__": original.__module__})
