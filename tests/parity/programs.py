"""Children to test with: Python programs given as text."""

from __future__ import annotations

import asyncio
import sys
from asyncio import subprocess


async def python(source: str, **kwargs: object) -> asyncio.subprocess.Process:
    """Start a Python that runs the text; `kwargs` are those of `create_subprocess_exec`."""
    return await asyncio.create_subprocess_exec(sys.executable, "-c", source, **kwargs)  # type: ignore[arg-type]


async def output_of(source: str, **kwargs: object) -> bytes:
    """Return what a Python that runs the text has printed. It has to succeed."""
    process = await python(source, stdout=subprocess.PIPE, **kwargs)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out
