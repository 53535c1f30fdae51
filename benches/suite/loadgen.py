"""Find or build the load generator."""

import json
import shutil
import subprocess
from pathlib import Path

_WORKSPACE = Path(__file__).resolve().parent.parent.parent


class LoadgenError(Exception):
    """There is no load generator, and none can be built; the text says why."""


def build() -> Path:
    """Build the load generator, which takes seconds the first time, and return its binary.

    Raises LoadgenError.
    """
    cargo = shutil.which("cargo")
    if cargo is None:
        raise LoadgenError("cargo is not installed")
    command = [cargo, "build", "--release", "--package=aioxide-loadgen", "--message-format=json"]
    done = subprocess.run(command, cwd=_WORKSPACE, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadgenError(f"cargo failed:\n{done.stderr}")
    for line in done.stdout.splitlines():
        if executable := json.loads(line).get("executable"):
            return Path(executable)
    raise LoadgenError("cargo names no binary")
