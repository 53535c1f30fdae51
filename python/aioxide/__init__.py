"""asyncio, rebuilt in Rust: the same programs, unmodified, on a native event loop.

    import aioxide as asyncio

    async def main() -> None:
        await asyncio.sleep(1)

    asyncio.run(main())

Every name of asyncio's is here, and means something native or the stdlib's own object. Importing this package
changes nothing in asyncio itself. `install` does, and so does `python -m aioxide program.py`.

`aioxide.files` is for what asyncio has not. What a type checker knows of these names stands in `__init__.pyi`.
"""

import asyncio
import sys
from importlib import import_module

from aioxide._core import Future, Task, VirtualClock, __version__
from aioxide.event_loop import EventLoop
from aioxide.installation import install, installed, uninstall
from aioxide.loops import SelectorEventLoop, get_event_loop, new_event_loop
from aioxide.mirrors import find, reflect
from aioxide.starting import Runner, run

__all__ = [
    "EventLoop",
    "Future",
    "Runner",
    "SelectorEventLoop",
    "Task",
    "VirtualClock",
    "__version__",
    "get_event_loop",
    "install",
    "installed",
    "new_event_loop",
    "run",
    "uninstall",
]
# Python 3.16 has no policies any more.
if sys.version_info < (3, 16):
    __all__ += ["EventLoopPolicy"]
# Python 3.11 has it, and forgot to list it.
__all__ += [name for name in {*asyncio.__all__, "TaskGroup"} if name not in __all__]

reflect(sys.modules[__name__])


def __getattr__(name: str) -> object:
    """Find a name of asyncio's when it is first asked for: natives are imported no sooner."""
    if name == "files":
        return import_module("aioxide.files")
    if name == "EventLoopPolicy" and name in __all__:
        # Made only for those who ask for it by name, as Python deprecates policies.
        from aioxide.policy import EventLoopPolicy

        value: object = EventLoopPolicy
    else:
        try:
            value = find(name)
        except AttributeError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    # A name that asyncio does not list may be one that warns whoever asks for it.
    if name in __all__:
        globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
