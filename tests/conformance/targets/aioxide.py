"""aioxide's loop. Each further name of asyncio that becomes native joins it here."""

import aioxide

EventLoop = aioxide.EventLoop

# Its Python modules use the logger, sockets and signals under the names that upstream's tests patch.
FOLLOWS_PATCHES = "aioxide."
