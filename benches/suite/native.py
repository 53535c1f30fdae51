"""Compile what is in C: the floor, which is the same programs without Python, and the load generator for TLS."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from suite.child import ChildError

_SOURCES = Path(__file__).resolve().parent.parent / "native"
_OPTIONS = ["-std=gnu11", "-O2", "-D_GNU_SOURCE", "-pthread"]
_TLS_LIBRARIES = ["-lssl", "-lcrypto"]

#: The load generator for TLS.
TLS_LOAD = "tls_load"


@dataclass
class Programs:
    """The compiled programs, and why others are missing. They are gone at the end of the run."""

    folder: tempfile.TemporaryDirectory[str] = field(default_factory=tempfile.TemporaryDirectory)
    #: Name of a program and the reason why it could not be compiled.
    missing: dict[str, str] = field(default_factory=dict)
    compiler: str = "none"

    def command(self, name: str, *arguments: object) -> list[str]:
        """Return the command line that runs *name*; ChildError says why there is none."""
        if name in self.missing:
            raise ChildError(self.missing[name])
        return [os.path.join(self.folder.name, name), *map(str, arguments)]


def build(names: set[str]) -> Programs:
    """Compile the programs called *names*, which takes a second or two; what fails is written down."""
    programs = Programs()
    compiler = shutil.which("cc")
    if compiler is None:
        programs.missing = dict.fromkeys(names, "cc is not installed")
        return programs
    said = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False)
    programs.compiler = (said.stdout.splitlines() or ["unknown"])[0]
    for name in sorted(names):
        command = [compiler, *_OPTIONS, f"{name}.c", "-o", os.path.join(programs.folder.name, name)]
        if name.startswith("tls_"):
            command += _TLS_LIBRARIES
        done = subprocess.run(command, cwd=_SOURCES, capture_output=True, text=True, check=False)
        if done.returncode:
            programs.missing[name] = _reason(done.stderr)
    return programs


def _reason(errors: str) -> str:
    for line in errors.splitlines():
        if "openssl/" in line or "-lssl" in line:
            return "OpenSSL's headers are not installed: on Debian, apt install libssl-dev"
        if "error" in line:
            return line.strip()
    return "cc failed and does not say why"
