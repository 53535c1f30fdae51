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

# A compiler's last error with its context.
_WHY_LINES = 30

_CONSTRAINTS = ROOT / "requirements" / "constraints.txt"


class BuildError(Exception):
    """An environment could not be made; the message is the end of what the command had to say."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment in a folder, and what has to precede a command for it to run there."""

    folder: Path
    wrapper: tuple[str, ...]

    @property
    def python(self) -> tuple[str, ...]:
        """How to start its Python."""
        return (*self.wrapper, str(self.folder / "bin" / "python"))


def prepare(interpreter: Interpreter, target: str) -> Environment:
    """Make the environment of this interpreter if needed, and install the target into it.

    Raises:
        BuildError: The environment could not be made, or the target not installed.
    """
    folder = ROOT / f".venv-{interpreter.version}"
    environment = Environment(folder, interpreter.wrapper)
    if _release_of(environment) != interpreter.release:
        shutil.rmtree(folder, ignore_errors=True)
        _run([*interpreter.command, "-m", "venv", str(folder)])
    if _release_of(environment) != interpreter.release:
        raise BuildError(f"the Python in {folder.name} does not start: is its wrapper missing?")
    if target == "aioxide":
        _install_aioxide(environment, interpreter.version)
    elif target in ("uvloop", "rloop"):
        _pip(environment, "--constraint", str(_CONSTRAINTS), target)
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
    """Build a wheel and install it, unless what is installed comes from these very sources."""
    stamp, sources = environment.folder / _STAMP, sources_digest()
    if stamp.exists() and stamp.read_text() == sources:
        return
    stamp.unlink(missing_ok=True)
    _pip(environment, "--constraint", str(_CONSTRAINTS), "maturin")
    target = ROOT / "target" / f"conformance-{version}"
    wheels = target / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    python = environment.folder / "bin" / "python"
    build = ["build", "--release", "--locked", "--interpreter", str(python), "--out", str(wheels)]
    # `env -C`, because a wrapper such as chroot does not keep the working directory.
    _run(
        [*environment.wrapper, "env", "-C", str(ROOT), str(python), "-m", "maturin", *build],
        CARGO_TARGET_DIR=str(target),
        PYO3_PYTHON=str(python),
        VIRTUAL_ENV=str(environment.folder),
    )
    (wheel,) = wheels.glob("*.whl")
    _pip(environment, "--no-deps", "--force-reinstall", str(wheel))
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


def _pip(environment: Environment, *arguments: str) -> None:
    """Install something into the environment."""
    quiet = ("--quiet", "--disable-pip-version-check")
    _run([*environment.python, "-m", "pip", "install", *quiet, *arguments])


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
        raise BuildError(_end(done.stdout))


def _end(output: str) -> str:
    """The end of a failed command's output, where the reason is."""
    lines = [line for line in output.splitlines() if line.strip()]
    return "\n".join(lines[-_WHY_LINES:]) or "it failed without a word"
