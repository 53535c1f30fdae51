"""A program that would run forever, ended the way people end it: by Ctrl-C.

Somebody else presses the keys: a thread, which sends this process the signal of Ctrl-C.
"""

import asyncio
import os
import signal
import sys
import threading


async def say(what: str, when_s: float) -> None:
    """Print `what` after `when_s` seconds."""
    await asyncio.sleep(when_s)
    print(what)


def somebody_to_press_ctrl_c() -> threading.Event:
    """Return an event; once it is set, somebody presses Ctrl-C."""
    heard_enough = threading.Event()

    def press() -> None:
        heard_enough.wait()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    return heard_enough


async def talk(heard_enough: threading.Event) -> None:
    """Say one thing, then nothing more for a long time."""
    await say("third hello", 0.1)
    heard_enough.set()
    try:
        await asyncio.sleep(5)
    except asyncio.CancelledError:
        print("talk was cancelled, and leaves in peace")
        raise


# From Python 3.14 on get_event_loop() finds a loop but makes none.
if sys.version_info >= (3, 14):
    asyncio.set_event_loop(asyncio.new_event_loop())
loop = asyncio.get_event_loop()

heard_two = somebody_to_press_ctrl_c()
first = loop.create_task(say("first hello", 0.3))
second = loop.create_task(say("second hello", 0.1))
first.add_done_callback(lambda _: heard_two.set())
# A signal that comes in the instant before the loop falls asleep is seen when it wakes up.
loop.call_later(5, lambda: None)

try:
    loop.run_forever()
except KeyboardInterrupt:
    print(f"run_forever was interrupted, both done: {first.done() and second.done()}")

# The interrupt left the loop whole: it can still finish what is asked of it.
loop.run_until_complete(say("last words", 0.1))
loop.close()

# asyncio.run cancels its coroutine first, and raises when that has ended.
try:
    asyncio.run(talk(somebody_to_press_ctrl_c()))
except KeyboardInterrupt:
    print("asyncio.run was interrupted")
