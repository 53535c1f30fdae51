"""Gives an interpreter a virtual environment with the target in it, and builds aioxide only when it must.

Each version has its folder `.venv-3.X` in the repository, with a stamp of the sources that the installed
aioxide was built from, and a cargo target folder of its own, so that versions do not undo each other's work.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from interpreters import Interpreter

ROOT = Path(__file__).resolve().parents[2]

# Everything that decides what an installed aioxide does.
_SOURCES = ("Cargo.toml", "Cargo.lock", "pyproject.toml", "crates", "python")
_SOURCE_SUFFIXES = {".rs", ".toml", ".lock", ".py", ".pyi", ".typed"}

_STAMP = "aioxide-sources"


class BuildError(Exception):
    """An environment could not be made; the message is the last line that says why."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment and how to start its Python."""

    python: tuple[str, ...]
    folder: Path


def prepare(interpreter: Interpreter, target: str) -> Environment:
    """Make the environment of this interpreter if needed, and install the target into it.

    Raises:
        BuildError: The environment could not be made, or the target not installed.
    """
    folder = ROOT / f".venv-{interpreter.version}"
    python = folder / "bin" / "python"
    environment = Environment((*interpreter.wrapper, str(python)), folder)
    if _release_of(environment) != interpreter.release:
        shutil.rmtree(folder, ignore_errors=True)
        _run([*interpreter.command, "-m", "venv", str(folder)])
    if _release_of(environment) != interpreter.release:
        raise BuildError(f"the Python in {folder.name} does not start: is its wrapper missing?")
    if target == "aioxide":
        _install_aioxide(environment, interpreter.version)
    elif target in ("uvloop", "rloop"):
        _run([*environment.python, "-m", "pip", "install", "--quiet", target])
    return environment


def _release_of(environment: Environment) -> str:
    """Which release the environment's Python is; empty if it does not start."""
    ask = "import platform; print(platform.python_version())"
    try:
        answer = subprocess.run(
            [*environment.python, "-c", ask], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return answer.stdout.strip()


def _install_aioxide(environment: Environment, version: str) -> None:
    """Install aioxide as a user would, unless what is installed comes from these very sources."""
    stamp, sources = environment.folder / _STAMP, sources_digest()
    if stamp.exists() and stamp.read_text() == sources:
        return
    stamp.unlink(missing_ok=True)
    target_folder = ROOT / "target" / f"conformance-{version}"
    _run(
        [
            *environment.python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--force-reinstall",
            str(ROOT),
        ],
        CARGO_TARGET_DIR=str(target_folder),
        PYO3_PYTHON=str(environment.folder / "bin" / "python"),
        VIRTUAL_ENV=str(environment.folder),
    )
    stamp.write_text(sources)


def sources_digest() -> str:
    """A digest of every source file that goes into aioxide, by path and content."""
    digest = hashlib.sha256()
    for name in _SOURCES:
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and path.suffix in _SOURCE_SUFFIXES:
                digest.update(str(path.relative_to(ROOT)).encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def _run(command: list[str], **environment: str) -> None:
    """Run a command of the preparation; what it prints matters only if it fails."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except OSError as error:
        raise BuildError(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        raise BuildError(_why(done.stdout))


def _why(output: str) -> str:
    """The most telling line of a failed command's output: the first error, else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "\N{COLLISION SYMBOL}"))]
    return (errors or lines[-1:] or ["it failed without a word"])[0]
