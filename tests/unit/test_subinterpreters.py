"""Subinterpreters are refused with an ImportError, and the main interpreter does not notice that one has tried."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

# The private module under the public ones: those came with Python 3.14.
MODULE = next(
    (name for name in ("_interpreters", "_xxsubinterpreters") if find_spec(name) is not None), None
)

pytestmark = pytest.mark.skipif(
    MODULE is None, reason="this Python has no module that makes subinterpreters"
)

DEADLINE_S = 60

PROGRAM = f"""
import asyncio, sys
import {MODULE} as interpreters

ATTEMPT = '''
import sys
sys.path[:0] = {{path!r}}
try:
    import aioxide{{submodule}}
except ImportError as error:
    print("refused:", error, flush=True)
else:
    print("let in", flush=True)
'''

def attempt(kind, submodule=""):
    if interpreters.__name__ == "_interpreters":
        interpreter = interpreters.create(kind)
    else:
        interpreter = interpreters.create(isolated=kind == "isolated")
    source = ATTEMPT.format(path=sys.path, submodule=submodule)
    failure = interpreters.run_string(interpreter, source)
    assert failure is None, failure
    interpreters.destroy(interpreter)

def work():
    import aioxide

    async def main():
        await asyncio.sleep(0)
        assert isinstance(asyncio.current_task(), aioxide.Task)
        assert asyncio.all_tasks() == {{asyncio.current_task()}}
        print("works", flush=True)

    aioxide.run(main())
"""

REFUSED = "refused: module aioxide._core does not support loading in subinterpreters"


def run(source: str) -> list[str]:
    """Run a program that may use `attempt` and `work`; return the lines that it printed."""
    command = [sys.executable, "-c", PROGRAM + source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


# "legacy" shares the GIL, and lets in every extension that does not refuse for itself.
@pytest.mark.parametrize("kind", ["isolated", "legacy"])
def test_a_subinterpreter_is_refused_once_the_main_one_has_the_package(kind: str) -> None:
    assert run(f"work(); attempt({kind!r}); work()") == ["works", REFUSED, "works"]


@pytest.mark.parametrize("kind", ["isolated", "legacy"])
def test_a_refused_subinterpreter_leaves_no_trace_in_the_main_one(kind: str) -> None:
    source = f"attempt({kind!r}); attempt({kind!r}, '._core'); work(); attempt({kind!r}); work()"
    assert run(source) == [REFUSED, REFUSED, "works", REFUSED, "works"]
