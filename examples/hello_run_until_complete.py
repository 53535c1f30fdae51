"""Hello world on the loop of `asyncio.get_event_loop`, run until one coroutine is done."""

import asyncio
import sys


async def say(what: str, when_s: float) -> str:
    """Print `what` after `when_s` seconds and hand it back."""
    await asyncio.sleep(when_s)
    print(what)
    return what


# From Python 3.14 on get_event_loop() finds a loop but makes none.
if sys.version_info >= (3, 14):
    asyncio.set_event_loop(asyncio.new_event_loop())
loop = asyncio.get_event_loop()

said = loop.run_until_complete(say("hello world", 0.1))
print(f"the loop returned {said!r}; running: {loop.is_running()}")
loop.run_until_complete(say("hello again", 0.1))
loop.close()
print(f"closed: {loop.is_closed()}")
