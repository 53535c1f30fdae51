"""A loop that would run forever, ended the way people end it: by Ctrl-C."""

import asyncio
import signal
import sys


async def say(what: str, when_s: float) -> None:
    """Print `what` after `when_s` seconds."""
    await asyncio.sleep(when_s)
    print(what)


async def press_ctrl_c(after: "asyncio.Task[None]") -> None:
    """Send this process the signal of Ctrl-C once `after` is done."""
    await after
    signal.raise_signal(signal.SIGINT)


# From Python 3.14 on get_event_loop() finds a loop but makes none.
if sys.version_info >= (3, 14):
    asyncio.set_event_loop(asyncio.new_event_loop())
loop = asyncio.get_event_loop()

first = loop.create_task(say("first hello", 0.3))
second = loop.create_task(say("second hello", 0.1))
finger = loop.create_task(press_ctrl_c(first))

try:
    loop.run_forever()
except KeyboardInterrupt:
    print(f"interrupted, both done: {first.done() and second.done()}")

# The loop survives the interrupt: it can still finish what was asked of it.
loop.run_until_complete(say("last words", 0.1))
loop.close()
# The interrupt went through the task that ran when it came, and is that task's outcome too.
print(f"the finger's outcome: {type(finger.exception()).__name__}")
