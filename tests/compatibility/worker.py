"""Child process: tries the probes on one loop, and reports each as a line of JSON.

Takes the name of the loop, the probe to begin with, and the descriptor to report to. A loop that hangs ends this
process by alarm; a loop that aborts ends it by itself. The parent knows from the last line which probe it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import inspect
import json
import logging
import os
import signal
import sys
import warnings
from typing import Any

import probes_callbacks  # noqa: F401
import probes_connections  # noqa: F401
import probes_processes  # noqa: F401
import probes_servers  # noqa: F401
import probes_sockets  # noqa: F401
from catalogue import PROBES, Probe, parameters, unprobed

# A probe takes milliseconds; those that wait for a peer give up earlier than this.
_PROBE_SECONDS_MAX = 8

_DETAIL_CHARS_MAX = 160


def main(name: str, first: str, descriptor: str) -> None:
    """Try the probes from `first` on."""
    new_event_loop = importlib.import_module(name).new_event_loop
    logging.getLogger("asyncio").propagate = False
    logging.getLogger("asyncio").addHandler(logging.NullHandler())
    warnings.simplefilter("ignore")
    os.set_inheritable(int(descriptor), False)
    # Loops answer SIGINT and exceptions in their own ways; nothing catches the end of the process.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def report(**line: Any) -> None:
        os.write(int(descriptor), (json.dumps(line) + "\n").encode())

    names = list(PROBES)
    if first == names[0]:
        report(unprobed=unprobed(), parameters=_parameters_of(new_event_loop))
    # What was imported is never garbage, and need not be looked at after each probe.
    gc.freeze()
    known: dict[Any, tuple[str, str]] = {}
    for each in names[names.index(first) :]:
        report(started=each)
        function = PROBES[each].function
        if function not in known:
            signal.alarm(_PROBE_SECONDS_MAX)
            known[function] = _outcome(PROBES[each], new_event_loop)
            signal.alarm(0)
        outcome, detail = known[function]
        report(ended=each, outcome=outcome, detail=detail)
    # Threads and objects that a loop has left behind must not hold this up.
    os._exit(0)


def _parameters_of(new_event_loop: Any) -> dict[str, list[str] | None]:
    loop = new_event_loop()
    methods = [name for name in dir(asyncio.AbstractEventLoop) if not name.startswith("_")]
    found = {name: parameters(getattr(type(loop), name, None)) for name in methods}
    loop.close()
    return found


def _outcome(probe: Probe, new_event_loop: Any) -> tuple[str, str]:
    """Try one probe, and return a word and the sentence that goes with it."""
    loop = new_event_loop()
    try:
        if inspect.iscoroutinefunction(probe.function):
            loop.run_until_complete(probe.function(loop))
        else:
            probe.function(loop)
    except AssertionError as error:
        return "differs", str(error)
    except BaseException as error:  # noqa: BLE001
        return ("no" if _is_lacking(probe, error) else "fails"), _sentence(error)
    else:
        return "yes", ""
    finally:
        # What a failed probe has left behind may raise anything here.
        with contextlib.suppress(BaseException):
            if not loop.is_running():
                loop.close()
        gc.collect()


def _is_lacking(probe: Probe, error: BaseException) -> bool:
    """Tell a loop that does not have something from one that has it and fails."""
    text = str(error)
    method = probe.method.rpartition(".")[2]
    if isinstance(error, NotImplementedError):
        return True
    if isinstance(error, AttributeError):
        return method in text
    if not probe.keyword or not isinstance(error, (TypeError, ValueError)):
        return False
    return "unexpected k" in text or f"{probe.keyword} is not supported" in text


def _sentence(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return text.splitlines()[0][:_DETAIL_CHARS_MAX]


if __name__ == "__main__":
    main(*sys.argv[1:])
