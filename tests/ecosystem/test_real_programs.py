"""The storm of subprocesses among the examples, at a strength that would show what a single one hides.

AIOXIDE_STORM says how many processes; a thousand take some minutes of two cores for each loop.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import LOOP_NAMES

PROGRAM = Path(__file__).parents[2] / "examples" / "pip_storm.py"
COMMANDS = {"asyncio": (sys.executable,), "aioxide": (sys.executable, "-m", "aioxide")}

COUNT = int(os.environ.get("AIOXIDE_STORM", "60"))
AT_ONCE = 50

# Each `pip --version` is about 0.3 s of a processor; this is for a slow one that has other work, too.
DEADLINE_S = 60 + 3.0 * COUNT


@pytest.mark.parametrize("loop_asked", LOOP_NAMES)
def test_a_storm_of_pips_leaves_neither_child_nor_descriptor(loop_asked: str) -> None:
    pytest.importorskip("pip")
    # Not with the fixture that names the loop, which comes with the deadline of a short test.
    storm = subprocess.run(
        [*COMMANDS[loop_asked], str(PROGRAM), str(COUNT), str(AT_ONCE)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert storm.stdout.splitlines() == [
        f"status 0, stderr '', {COUNT} times",
        "pip of this Python: True",
        "descriptors: 0 more than before",
        "children left: 0",
    ], storm.stderr[-2000:]
    assert storm.returncode == 0
    assert "Traceback" not in storm.stderr
    assert "ResourceWarning" not in storm.stderr
