"""asyncio, rebuilt in Rust: the same programs, unmodified, on a native event loop.

    import asyncio
    import aioxide

    async def main() -> None:
        await asyncio.sleep(1)

    aioxide.run(main())

Importing this package changes nothing in asyncio. `install` does, and so does `python -m aioxide program.py`.
"""

import sys
from typing import TYPE_CHECKING

from aioxide._core import Future, Task, VirtualClock, __version__
from aioxide.event_loop import EventLoop
from aioxide.installation import install, installed, uninstall
from aioxide.starting import Runner, new_event_loop, run

if TYPE_CHECKING:
    from aioxide.policy import EventLoopPolicy

__all__ = [
    "EventLoop",
    "Future",
    "Runner",
    "Task",
    "VirtualClock",
    "__version__",
    "install",
    "installed",
    "new_event_loop",
    "run",
    "uninstall",
]

# Python 3.16 has no policies any more; before that, ours is made only for those who ask for it by name.
if sys.version_info < (3, 16):
    __all__ += ["EventLoopPolicy"]

    def __getattr__(name: str) -> object:
        if name == "EventLoopPolicy":
            from aioxide.policy import EventLoopPolicy

            return EventLoopPolicy
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
