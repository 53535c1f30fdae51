"""Serve one program on one loop in this fresh process, and report its use of resources when asked.

Prints its port (0 for a Unix socket), then answers each line on its standard input with one line of JSON. A thread does
that: the loop under test must have nothing registered but the program's own sockets.
"""

import argparse
import asyncio
import json
import os
import resource
import socket
import sys
import threading
import time
from typing import Any

from suite import peers, servers


def main() -> None:
    """Read the command line and serve until the standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("loop")
    parser.add_argument("program", choices=servers.PROGRAMS)
    parser.add_argument("--core", type=int)
    parser.add_argument("--transport", default="tcp")
    parser.add_argument("--path", default="", help="where a Unix socket is to be")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    with asyncio.Runner(loop_factory=peers.factory(options.loop)) as runner:
        runner.run(_serve(options.program, servers.bound(options.transport, options.path)))


async def _serve(program: str, listener: socket.socket) -> None:
    unexpected: list[str] = []

    def remember(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        unexpected.append(f"{context.get('message')}: {context.get('exception')!r}")

    asyncio.get_running_loop().set_exception_handler(remember)
    port = 0 if listener.family is socket.AF_UNIX else listener.getsockname()[1]
    print(port, flush=True)
    threading.Thread(target=_answer, args=(unexpected,), daemon=True).start()
    await servers.PROGRAMS[program](listener)


def _answer(unexpected: list[str]) -> None:
    for _ in sys.stdin:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        report = {
            "cpu_ns": time.process_time_ns(),
            "page_faults": usage.ru_minflt,
            "context_switches": usage.ru_nvcsw,
            "unexpected": unexpected[:1],
        }
        print(json.dumps(report), flush=True)
    # Ending is not under test, and a loop that hangs in it would spoil a good figure.
    os._exit(0)


if __name__ == "__main__":
    main()
