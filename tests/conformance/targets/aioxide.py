"""aioxide's loop, futures and tasks. Each further name of asyncio that becomes native joins it here."""

import aioxide

EventLoop = aioxide.EventLoop
Future = aioxide.Future
Task = aioxide.Task

# No name of asyncio's: with it, tests that move the time run on our loop too.
VirtualClock = aioxide.VirtualClock

# Its Python modules use the logger, sockets and signals under the names that upstream's tests patch.
FOLLOWS_PATCHES = "aioxide."
