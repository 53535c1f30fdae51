"""aioxide's loop, futures and tasks, and every name of asyncio that is native."""

import pkgutil
from importlib import import_module

import aioxide
import aioxide.natives

for _module in pkgutil.iter_modules(aioxide.natives.__path__, "aioxide.natives."):
    _natives = import_module(_module.name)
    globals().update({name: getattr(_natives, name) for name in getattr(_natives, "__all__", ())})

EventLoop = aioxide.EventLoop
Future = aioxide.Future
Task = aioxide.Task

# No name of asyncio's: with it, tests that move the time run on our loop too.
VirtualClock = aioxide.VirtualClock

# Its Python modules use the logger, sockets and signals under the names that upstream's tests patch.
FOLLOWS_PATCHES = "aioxide."
