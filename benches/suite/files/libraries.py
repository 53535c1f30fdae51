"""The libraries that can be compared, each with its loop, and whether it works on this interpreter."""

import importlib
import importlib.metadata
import os
import platform
from asyncio import AbstractEventLoop
from dataclasses import dataclass, field

from suite import peers

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
    #: The loop that others' run on, by its name among the peers.
    loop: str = "asyncio"

    def is_ours(self) -> bool:
        """Whether it runs on our loop."""
        return self.package.partition(".")[0] == "aioxide"


#: Every library by the name of its column, in the order of the tables.
LIBRARIES = {
    SYNC: Library("builtin", "io"),
    "aiofiles": Library("in_aiofiles", "aiofiles"),
    "aiofile": Library("in_aiofile", "aiofile"),
    "anyio": Library("in_anyio", "anyio"),
    "aiofiles, uvloop": Library("in_aiofiles", "aiofiles", loop="uvloop"),
    "aiofile, uvloop": Library("in_aiofile", "aiofile", loop="uvloop"),
    "anyio, uvloop": Library("in_anyio", "anyio", loop="uvloop"),
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
    """Return the loop to run it on: the one that it names for others, ours, as under its runner, for ours.

    Raises ImportError where the loop is not installed.
    """
    library = LIBRARIES[name]
    return peers.factory(peers.SUBJECT if library.is_ours() else library.loop)()


def environment(name: str) -> dict[str, str]:
    """Return the environment of the process that runs it."""
    return {**os.environ, **LIBRARIES[name].environment}


def version(name: str) -> str:
    """Return the installed version of the library called *name*, and that of its loop if it is not the usual one."""
    library = LIBRARIES[name]
    if name == SYNC:
        return platform.python_version()
    package = library.package.partition(".")[0]
    try:
        own = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        own = str(getattr(importlib.import_module(package), "__version__", "of unknown version"))
    return (
        own if library.loop == "asyncio" else f"{own}, {library.loop} {peers.version(library.loop)}"
    )
