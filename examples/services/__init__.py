"""The other processes of the HTTP examples: services to ask, and a visitor who asks.

All on loopback and free ports. A service prints its address as its first line and serves until its
standard input ends, so it is ready when the line is there, and gone when we are.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Answer:
    """What a visitor got for one URL: the status, the number of bytes, the text unless binary."""

    status: int
    size: int
    text: str


@contextmanager
def running(program: str) -> Iterator[str]:
    """Run the service `program` of this folder for the time of a `with`; give its base URL.

    Raises RuntimeError if the service ends without telling its address, or does not end well.
    """
    with subprocess.Popen(
        [sys.executable, str(FOLDER / program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as service:
        assert service.stdin is not None
        assert service.stdout is not None
        base = service.stdout.readline().strip()
        if not base:
            raise RuntimeError(f"{program} did not start")
        try:
            yield base
        finally:
            service.stdin.close()
            status = service.wait()
    if status != 0:
        raise RuntimeError(f"{program} ended with status {status}")


def visit(urls: list[str]) -> list[Answer]:
    """Have a process of its own GET each of `urls` in turn; block until it has them all."""
    visitor = subprocess.run(
        [sys.executable, str(FOLDER / "visitor.py"), *urls],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [Answer(**json.loads(line)) for line in visitor.stdout.splitlines()]
