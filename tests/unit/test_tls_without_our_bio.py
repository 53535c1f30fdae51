"""TLS where OpenSSL cannot be given a BIO of ours: on a Python whose OpenSSL is out of reach, all works the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
# The functions of OpenSSL are asked for of the file that `_ssl` was loaded from. This one pretends to be built in.
_PLUGIN = "import _ssl\ndel _ssl.__file__\n"


@pytest.mark.parametrize("name", ["test_tls_buffered", "test_tls_closing", "test_tls_upgrade"])
def test_the_promises_of_tls_are_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / "built_in_ssl.py").write_text(_PLUGIN)
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "built_in_ssl", "-k", "aioxide"),
            *("-p", "no:cacheprovider", str(TESTS / "parity" / f"{name}.py")),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": path},
        cwd=TESTS.parent,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
