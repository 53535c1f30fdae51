"""Runs a Python program as `python` itself would, one function for each way of naming a program.

The program finds what it finds under plain `python`: a `__main__` module with the same names in it, the same
`sys.argv` and `sys.path`. Whatever it raises goes on to the interpreter, which alone decides about exit
status, signals and the traceback; before that, the frames of the launcher are taken out of the traceback.

Each function replaces the `__main__` module for good, as threads and exit handlers of the program outlive the
call: one program per process, and nothing of the launcher runs after it.
"""

from __future__ import annotations

import builtins
import io
import linecache
import os
import pkgutil
import sys
import textwrap
from importlib.machinery import BuiltinImporter, SourceFileLoader, SourcelessFileLoader

# Private, and yet the contract: it is what the interpreter itself calls for `-m`, for folders and for zip files.
from runpy import _run_module_as_main  # type: ignore[attr-defined]
from types import CodeType, ModuleType, TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Frames of the launcher, and no others, come from files in this folder while no program runs yet.
_HERE = os.path.dirname(__file__)


def run_path(path: str, arguments: list[str]) -> None:
    """Run a file, or a folder or zip file with a `__main__.py` in it.

    Args:
        path: what the user typed; it becomes `sys.argv[0]`.
        arguments: the rest of `sys.argv`.

    Raises:
        SystemExit: the file cannot be read (status 2).

    """
    location = os.path.join(_current_folder() or "", path)
    sys.argv = [path, *arguments]
    if pkgutil.get_importer(location) is None:
        _put_on_path(os.path.dirname(os.path.realpath(location)))
        _as_program(lambda: _run_file(location))
    else:
        # A folder or a zip file is on the path even in safe-path mode: it is the program.
        _take_folder_off_path()
        sys.path.insert(0, location)
        _fresh_main()
        _as_program(lambda: _run_module_as_main("__main__", False))


def run_module(name: str, arguments: list[str]) -> None:
    """Run a module of the search path, or the `__main__` of a package, as `python -m` does.

    Args:
        name: dotted name of the module.
        arguments: `sys.argv` after its first item, which becomes the module's file.

    Raises:
        SystemExit: there is no such module (status 1).

    """
    sys.argv = ["-m", *arguments]
    _fresh_main()
    _as_program(lambda: _run_module_as_main(name))


def run_command(source: str, arguments: list[str]) -> None:
    """Run source text, as `python -c` does.

    Args:
        source: the program.
        arguments: `sys.argv` after its first item, which becomes `-c`.

    """
    sys.argv = ["-c", *arguments]
    _put_on_path("")
    if sys.version_info >= (3, 14):
        source = textwrap.dedent(source)
    if sys.version_info >= (3, 13):
        # There, tracebacks quote the command. No modification time: the entry is never checked against a file.
        linecache.cache["<string>"] = (
            len(source),
            None,
            source.splitlines(keepends=True),
            "<string>",
        )
    _as_program(lambda: _run_source(source, "<string>", _fresh_main()))


def run_standard_input(arguments: list[str], *, name: str = "-") -> None:
    """Run what standard input holds, read to its end.

    Args:
        arguments: `sys.argv` after its first item.
        name: the first item of `sys.argv`.

    """
    sys.argv = [name, *arguments]
    _put_on_path("")
    source = b"" if sys.stdin is None else sys.stdin.buffer.read()
    main = _fresh_main(file="<stdin>")
    _as_program(lambda: _run_source(source, "<stdin>", main))


def _run_file(location: str) -> None:
    try:
        with io.open_code(location) as file:
            code = pkgutil.read_code(file)
        if code is None:
            with io.open_code(location) as file:
                source = file.read()
    except OSError as error:
        program = sys.orig_argv[0]
        reason = f"[Errno {error.errno}] {error.strerror}"
        sys.stderr.write(f"{program}: can't open file {location!r}: {reason}\n")
        sys.exit(2)
    main = _fresh_main(file=location)
    if code is None:
        main.__loader__ = SourceFileLoader("__main__", location)
        _run_source(source, location, main)
    else:
        main.__loader__ = SourcelessFileLoader("__main__", location)
        exec(code, main.__dict__)


def _run_source(source: str | bytes, name: str, main: ModuleType) -> None:
    code: CodeType = compile(source, name, "exec", dont_inherit=True)
    exec(code, main.__dict__)


def _fresh_main(file: str | None = None) -> ModuleType:
    """Put a new `__main__` into `sys.modules`, with the names that the interpreter's own has at first."""
    launcher = sys.modules["__main__"].__dict__
    main = ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    main.__loader__ = BuiltinImporter
    # These two names fall away in later versions of Python; the launcher's module shows what this one does.
    if "__annotations__" in launcher:
        main.__annotations__ = {}
    if file is not None:
        main.__file__ = file
        if "__cached__" in launcher:
            main.__dict__["__cached__"] = None
    sys.modules["__main__"] = main
    return main


def _put_on_path(entry: str) -> None:
    """Make `entry` the first item of `sys.path`, unless the interpreter was told not to trust such items."""
    if not sys.flags.safe_path:
        _take_folder_off_path()
        sys.path.insert(0, entry)


def _take_folder_off_path() -> None:
    """Undo what `-m aioxide` did to `sys.path`: the current folder is its first item, if it could be found."""
    if not sys.flags.safe_path and sys.path[:1] == [_current_folder()]:
        del sys.path[0]


def _current_folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # It has been removed: python goes on without, and so do we.
        return None


def _as_program(body: Callable[[], object]) -> None:
    try:
        body()
    except BaseException as error:
        _hide_launcher(error)
        raise


def _hide_launcher(error: BaseException) -> None:
    """Arrange for the interpreter to report `error` as if the program had been run by the interpreter itself.

    The exception has yet to pass through the frames of the launcher, each of which adds itself to the
    traceback. So the cut is made at the last moment, in the hook that the interpreter calls to print it.
    """
    traceback = error.__traceback__
    while traceback is not None and _is_ours(traceback):
        traceback = traceback.tb_next
    report = sys.excepthook

    def report_program(
        kind: type[BaseException], value: BaseException, whole: TracebackType | None
    ) -> None:
        sys.excepthook = report
        if value is error:
            error.__traceback__ = whole = sys.last_traceback = traceback
        report(kind, value, whole)

    sys.excepthook = report_program


def _is_ours(traceback: TracebackType) -> bool:
    return os.path.dirname(traceback.tb_frame.f_code.co_filename) == _HERE
