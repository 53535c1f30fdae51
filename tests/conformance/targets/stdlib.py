"""Control: the running Python's own loop, Task and Future."""

import asyncio

EventLoop = asyncio.SelectorEventLoop
