"""Compares the stub of the extension with the extension itself, by mypy's stubtest.

The stub is a package with one file for each idea, and the extension one module. Stubtest compares a name with the
module that the stub has it in, so each file of the stub is lent a module here, with the names of the extension.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from mypy import stubtest

CORE = "aioxide._core"
STUB = Path(__file__).parent.parent / "python" / "aioxide" / "_core"


def lend_module(name: str, contents: dict[str, object]) -> None:
    """Let `name` be imported, with what is in `contents`."""
    module = ModuleType(name)
    vars(module).update(contents)
    sys.modules[name] = module


def main() -> int:
    """Compare, print what differs, and return the exit status."""
    core = importlib.import_module(CORE)
    contents = {name: value for name, value in vars(core).items() if not name.startswith("__")}
    for part in STUB.glob("_[a-z]*.pyi"):
        lend_module(f"{CORE}.{part.stem}", contents)
    return stubtest.test_stubs(stubtest.parse_options([CORE]))


if __name__ == "__main__":
    sys.exit(main())
