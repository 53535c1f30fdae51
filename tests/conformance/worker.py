"""Child process: runs one upstream test file against one target and reports as it goes.

Takes its order as JSON in the first argument and the descriptor to report to in the second. It ends
without the interpreter's own shutdown, which tests that leave threads behind could hold up.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import signal
import sys
import time
import traceback
import unittest
import warnings
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType, TracebackType
from typing import Any

from outcome import Order, Outcome, Status

# Upstream's test resources that need nothing but this machine: no network, no display.
_RESOURCES = ["cpu", "walltime", "subprocess", "largefile"]

# Enough of a traceback to see the failing line and its callers.
_DETAIL_CHARS_MAX = 2_000

_PACKAGE = "test.test_asyncio."

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType]


class Reporter:
    """Writes events to the driver, each one whole, so that a crash loses none that were sent."""

    def __init__(self, descriptor: int) -> None:
        """Report to `descriptor`, which no child of a test shall inherit."""
        os.set_inheritable(descriptor, False)
        self._descriptor = descriptor

    def send(self, **event: Any) -> None:
        """Send one event."""
        line = (json.dumps(event) + "\n").encode()
        while line:
            line = line[os.write(self._descriptor, line) :]


class Recorder(unittest.TestResult):
    """Turns unittest's callbacks into one `started` and one `ended` event for each test."""

    def __init__(self, reporter: Reporter) -> None:
        """Report to `reporter`."""
        super().__init__()
        self.white_box = False
        self._reporter = reporter
        self._began = 0.0
        self._verdict: tuple[Status, str] | None = None

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        """Say which test is in flight."""
        super().startTest(test)
        self._began = time.monotonic()
        self._verdict = None
        self._reporter.send(started=short_name(test.id()), white_box=self.white_box)

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        """Report the test's end."""
        super().stopTest(test)
        status, detail = self._verdict or (Status.PASSED, "")
        self._report(test, status, detail, time.monotonic() - self._began)
        # What a test leaves to the collector must not warn in the middle of a later one.
        gc.collect()

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        """Note an assertion that failed."""
        self._note(test, Status.FAILED, self._text(err))

    def addError(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        """Note any other exception, also one from setUpClass."""
        self._note(test, Status.FAILED, self._text(err))

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802
        """Note that the test, or its class, skips itself. A skipped subtest does not skip the test."""
        if not hasattr(test, "test_case"):
            self._note(test, Status.SKIPPED, reason)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        """Note that upstream expects this to fail."""
        self._note(test, Status.FAILED, "unexpected success")

    def addSubTest(  # noqa: N802
        self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any
    ) -> None:
        """Note a subtest that failed."""
        if err is not None:
            self._note(test, Status.FAILED, self._text(err))

    def _note(self, test: unittest.TestCase, status: Status, detail: str) -> None:
        if not hasattr(test, "_testMethodName"):
            # unittest's stand-in for a class or module whose set-up went wrong: it is never stopped.
            self._report(test, status, detail, seconds=0.0)
        elif self._verdict is None or status is Status.FAILED:
            self._verdict = (status, detail)

    def _report(self, test: unittest.TestCase, status: Status, detail: str, seconds: float) -> None:
        name = short_name(test.id())
        outcome = Outcome(name, status, detail, round(seconds, 3), self.white_box)
        self._reporter.send(ended=outcome.as_json())

    @staticmethod
    def _text(err: _ExcInfo) -> str:
        return "".join(traceback.format_exception(*err))[-_DETAIL_CHARS_MAX:]


def short_name(test_id: str) -> str:
    """A test's name without the package: `test_events.HandleTests.test_handle`."""
    return test_id.replace(_PACKAGE, "")


def main() -> None:
    """Run the order; never returns."""
    order = Order.from_json(json.loads(sys.argv[1]))
    reporter = Reporter(int(sys.argv[2]))
    faulthandler.enable()
    # A driver started in the background of a shell hands down an ignored SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warnings.simplefilter("default")
    support: Any = import_module("test.support")
    support.use_resources = _RESOURCES
    target = import_module("targets." + order.target)
    import_module("adapt").install(target)
    try:
        module = import_module(_PACKAGE + order.file)
    except unittest.SkipTest:
        reporter.send(found=[])
    else:
        run(order, module, target, reporter)
    reporter.send(finished=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def run(order: Order, module: ModuleType, target: ModuleType, reporter: Reporter) -> None:
    """Run what the order wants of one imported test module."""
    # Imported only now: it imports asyncio, which the target had to be put into first.
    specs = import_module("specs")
    for name in specs.unmentioned(order.file, module):
        detail = "no line of specs.py covers this class"
        outcome = Outcome(f"{order.file}.{name}", Status.FAILED, detail)
        reporter.send(ended=outcome.as_json())
    # Collecting after each test is cheap once the modules' own objects are out of the way.
    gc.freeze()
    recorder = Recorder(reporter)
    loader = unittest.TestLoader()
    for suite in specs.suites(order.file, module, target):
        tests = list(_flat(loader.loadTestsFromTestCase(suite.cls)))
        reporter.send(found=[short_name(test.id()) for test in tests])
        if order.white_box or not suite.white_box:
            recorder.white_box = suite.white_box
            wanted = [test for test in tests if order.wants(short_name(test.id()))]
            unittest.TestSuite(wanted).run(recorder)


def _flat(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _flat(test)
        else:
            yield test


# Guarded, because multiprocessing imports the main module again in the processes that some tests start.
if __name__ == "__main__":
    main()
