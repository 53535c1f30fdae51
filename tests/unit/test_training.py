"""The programs that a build learns from run on the build at hand, and every one of them does."""

import re
import subprocess
import sys
from pathlib import Path

TRAINING = Path(__file__).parents[2] / "tools" / "training"


def test_every_training_program_runs() -> None:
    defined = {
        f"{path.stem}.{name}"
        for path in TRAINING.glob("[!_]*.py")
        for name in re.findall(r"^async def ([a-z]\w*)", path.read_text(), re.MULTILINE)
    }
    run = subprocess.run(
        [sys.executable, TRAINING, "--seconds-each", "0"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert {line.split(":")[0] for line in run.stdout.splitlines()} == defined
