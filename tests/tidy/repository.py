"""What the tidy tests read: the files of this repository, and nothing that was built from them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
THESE_TESTS = ROOT / "tests" / "tidy"


@cache
def files() -> tuple[Path, ...]:
    """Return every file that is, or could be, committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(path for name in listed.split("\0") if (path := ROOT / name).is_file())


def sources(*suffixes: str) -> list[Path]:
    """Return the files whose names end so."""
    return [path for path in files() if path.name.endswith(suffixes)]


def scripts() -> list[Path]:
    """Return the programs that carry no suffix but name their interpreter."""
    return [path for path in files() if not path.suffix and path.read_bytes()[:2] == b"#!"]


def text(path: Path) -> str:
    """Return what is in a file."""
    return path.read_text(encoding="utf-8")


def named(path: Path, line: int | None = None) -> str:
    """Return a path as a reader of the report wants it."""
    return f"{path.relative_to(ROOT)}" + (f":{line}" if line else "")
