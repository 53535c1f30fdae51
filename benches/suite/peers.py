"""The event loops that can be compared, and whether each works on this interpreter."""

import importlib
import importlib.metadata
import platform
from asyncio import AbstractEventLoop
from collections.abc import Callable

#: The loop that the others are peers of.
SUBJECT = "aioxide"

#: What takes the place of a loop's name in rows that have the same program in C.
FLOOR = "floor in C"

#: Name of each loop and where its factory is, in the order of the tables.
FACTORIES = {
    "asyncio": "asyncio:new_event_loop",
    "uvloop": "uvloop:new_event_loop",
    "rloop": "rloop:new_event_loop",
    "zuvloop": "zuvloop:new_event_loop",
    "rsloop": "rsloop:new_event_loop",
    "veloxloop": "veloxloop:new_event_loop",
    "zloop": "zloop:new_event_loop",
    SUBJECT: "aioxide:new_event_loop",
}


def factory(name: str) -> Callable[[], AbstractEventLoop]:
    """Import the loop called *name* and return what makes one.

    Raises ImportError where it is not installed. Called in child processes only: some loops change
    asyncio when they are imported.
    """
    module, _, attribute = FACTORIES[name].partition(":")
    home = importlib.import_module(module)
    if name == SUBJECT:
        # As `python -m aioxide` does: what asyncio's names stand for is part of what is compared.
        home.install()
    found: Callable[[], AbstractEventLoop] = getattr(home, attribute)
    return found


def version(name: str) -> str:
    """Return the installed version of the loop called *name*; asyncio has that of Python."""
    if name == "asyncio":
        return platform.python_version()
    if name == SUBJECT:
        core = importlib.import_module(f"{name}._core")
        return f"{core.__version__}, optimised by {core.build_info()['optimised by']}"
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        # Imported from a checkout that was built but not installed.
        return str(getattr(importlib.import_module(name), "__version__", "of unknown version"))
