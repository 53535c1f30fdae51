"""The libraries that can be compared, each with its loop, and whether it works on this interpreter."""

import asyncio
import importlib
import importlib.metadata
import os
import platform
from asyncio import AbstractEventLoop
from dataclasses import dataclass, field

#: The two columns that are ours and compared with the best peer: the loop's own ring, and its threads.
RING = "aioxide"
POOL = "aioxide, pool"
#: The built-in `open`, which blocks the loop. It takes the place that the same program in C has in other groups.
SYNC = "sync"

BACKEND = "AIOXIDE_FILES"


@dataclass(frozen=True)
class Library:
    """A library, and what it takes to run a program on it."""

    #: The module of this folder that has the programs, and the package that these use.
    programs: str
    package: str
    #: Environment variables that its process gets.
    environment: dict[str, str] = field(default_factory=dict)

    def is_ours(self) -> bool:
        """Whether it runs on our loop."""
        return self.package.partition(".")[0] == "aioxide"


#: Every library by the name of its column, in the order of the tables.
LIBRARIES = {
    SYNC: Library("builtin", "io"),
    "aiofiles": Library("in_aiofiles", "aiofiles"),
    "aiofile": Library("in_aiofile", "aiofile"),
    "anyio": Library("in_anyio", "anyio"),
    RING: Library("in_aioxide", "aioxide", {BACKEND: "ring"}),
    POOL: Library("in_aioxide", "aioxide", {BACKEND: "pool"}),
    "compat.aiofiles": Library("in_aiofiles", "aioxide.compat.aiofiles"),
    "compat.aiofile": Library("in_aiofile", "aioxide.compat.aiofile"),
}


def load(name: str) -> object:
    """Return the programs of the library called *name*, ready to run; ImportError where it is missing."""
    library = LIBRARIES[name]
    programs: object = importlib.import_module(f"suite.files.{library.programs}").Programs(
        importlib.import_module(library.package)
    )
    return programs


def new_event_loop(name: str) -> AbstractEventLoop:
    """Return the loop to run it on: the standard library's for others, ours, as under its runner, for ours."""
    if not LIBRARIES[name].is_ours():
        return asyncio.new_event_loop()
    aioxide = importlib.import_module("aioxide")
    aioxide.install()
    loop: AbstractEventLoop = aioxide.new_event_loop()
    return loop


def environment(name: str) -> dict[str, str]:
    """Return the environment of the process that runs it."""
    return {**os.environ, **LIBRARIES[name].environment}


def version(name: str) -> str:
    """Return the installed version of the library called *name*."""
    package = LIBRARIES[name].package.partition(".")[0]
    if name == SYNC:
        return platform.python_version()
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return str(getattr(importlib.import_module(package), "__version__", "of unknown version"))
