"""The command line of `python -m aioxide`: reads the arguments as `python` reads its own.

Everything after the name of the program belongs to the program. Options of the interpreter (`-X dev`, `-W`,
`-O`, `-u`, `-P`, `-I` …) belong before `-m aioxide`, where the interpreter itself obeys them.
"""

from __future__ import annotations

import sys

from aioxide import program
from aioxide.installation import install

HELP = """\
Runs a Python program, unmodified, with asyncio's event loops and much else of asyncio being aioxide's.

usage: python [python's options] -m aioxide [--no-natives] [file | -m module | -c code | -] [argument ...]

  file         a program, or a folder or zip file with a __main__.py in it
  -m module    a module, as in python -m
  -c code      the program itself, as in python -c
  -            a program from standard input
  (nothing)    the asyncio REPL; without a terminal, a program from standard input

  --no-natives only event loops are aioxide's; gather, locks, queues and all else stay the stdlib's

  --info       show versions, what the loop waits with, and what is native
  --version    show the version of aioxide
  --help, -h   show this text

Processes that the program starts run plain Python, unless they are started with -m aioxide too.
"""


def main(arguments: list[str]) -> None:
    """Do what the command line says, and leave the exit status to the interpreter.

    Args:
        arguments: the command line after `python -m aioxide`.

    Raises:
        SystemExit: the command line makes no sense (status 2), or the program ended so.

    """
    match arguments:
        case ["--help" | "-h", *_]:
            sys.stdout.write(HELP)
        case ["--version", *_]:
            from aioxide import __version__

            sys.stdout.write(f"aioxide {__version__}\n")
        case ["--info", *_]:
            from aioxide.information import describe

            sys.stdout.write(describe())
        case ["--no-natives", *rest]:
            _run(rest, natives=False)
        case _:
            _run(arguments, natives=True)


def _run(arguments: list[str], *, natives: bool) -> None:
    match _separated(arguments):
        case ["-m" | "-c" as option]:
            _refuse(f"Argument expected for the {option} option")
        case ["-m", name, *rest]:
            install(natives=natives)
            program.run_module(name, rest)
        case ["-c", source, *rest]:
            install(natives=natives)
            program.run_command(source, rest)
        case [] | ["-"] if sys.stdin is not None and sys.stdin.isatty():
            install(natives=natives)
            program.run_module("asyncio", [])
        case []:
            install(natives=natives)
            program.run_standard_input([], name="")
        case ["-", *rest]:
            install(natives=natives)
            program.run_standard_input(rest)
        case ["--", path, *rest]:
            install(natives=natives)
            program.run_path(path, rest)
        case [option, *_] if option.startswith("-"):
            _refuse(f"Unknown option: {option} (options of python go before -m aioxide)")
        case [path, *rest]:
            install(natives=natives)
            program.run_path(path, rest)


def _separated(arguments: list[str]) -> list[str]:
    """Part `-mmodule` and `-ccode`, which python allows, into option and value."""
    match arguments:
        case [first, *rest] if first[:2] in {"-m", "-c"} and len(first) > 2:
            return [first[:2], first[2:], *rest]
    return arguments


def _refuse(reason: str) -> None:
    sys.stderr.write(f"{reason}\n{HELP.splitlines()[2]}\n")
    sys.exit(2)
