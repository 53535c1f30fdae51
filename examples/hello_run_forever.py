"""Two tasks speak in the order of their delays, on a loop that runs until it is stopped."""

import asyncio
import sys


async def say(what: str, when_s: float) -> None:
    """Print `what` after `when_s` seconds."""
    await asyncio.sleep(when_s)
    print(what)


# From Python 3.14 on get_event_loop() finds a loop but makes none.
if sys.version_info >= (3, 14):
    asyncio.set_event_loop(asyncio.new_event_loop())
loop = asyncio.get_event_loop()

slow = loop.create_task(say("first hello", 0.3))
quick = loop.create_task(say("second hello", 0.1))
slow.add_done_callback(lambda _: loop.stop())

loop.run_forever()
loop.close()
print(f"both done: {slow.done() and quick.done()}")
