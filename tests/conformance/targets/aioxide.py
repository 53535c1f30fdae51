"""aioxide's loop. Each further name of asyncio that becomes native joins it here."""

import aioxide

EventLoop = aioxide.EventLoop
