"""What `python -m aioxide` promises: the program runs as under plain `python`, on our loop.

Most tests here run one program twice, as `python … program` and as `python … -m aioxide program`, and compare
everything that a caller could see: standard output, standard error (with it the traceback) and exit status.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import aioxide

DEADLINE_S = 60

# Prints what a program can see of how it was started. Addresses differ from process to process.
STARTED_HOW = r"""
import re, sys
print(sorted(globals()))
print(sys.argv, sys.path[0], sys.flags)
for name in ("__name__", "__file__", "__spec__", "__loader__", "__package__", "__cached__", "__doc__"):
    print(name, re.sub("0x[0-9a-f]+", "0x", repr(globals().get(name, "absent"))))
print(sys.modules["__main__"].__dict__ is globals(), type(__builtins__), __debug__)
"""

PROGRAMS = {
    "plain.py": STARTED_HOW,
    "package/__init__.py": "",
    "package/__main__.py": STARTED_HOW + "from . import part\n",
    "package/part.py": "print(__name__)\n" + STARTED_HOW,
    "folder/__main__.py": STARTED_HOW + "import beside\n",
    "folder/beside.py": "print(__name__, __file__)\n",
    "raises.py": "def f():\n    1 / 0\n\ntry:\n    f()\nexcept Exception as e:\n    raise KeyError('x') from e\n",
    "raises_group.py": "raise ExceptionGroup('many', [ValueError(1), TypeError(2)])\n",
    "raises_in_task.py": "import asyncio\nasync def main():\n    raise ValueError(3)\n"
    "try:\n    asyncio.run(main())\nexcept ValueError as e:\n    print(repr(e))\n",
    "import_fails.py": "import surely_not_there\n",
    "syntax_error.py": "x = (\n",
    "exits_with_status.py": "import sys\nsys.exit(7)\n",
    "exits_with_text.py": "import sys\nsys.exit('farewell')\n",
    "exits_with_none.py": "raise SystemExit\n",
    "exits_in_task.py": "import asyncio, sys\nasync def main():\n    sys.exit(4)\nasyncio.run(main())\n",
    "interrupts.py": "raise KeyboardInterrupt\n",
    "own_hook.py": "import sys\nsys.excepthook = lambda t, v, tb: print(t, v, tb.tb_frame.f_lineno)\n1/0\n",
    "at_exit.py": "import atexit\natexit.register(lambda: print('later', __name__))\nprint('now')\n",
    "thread.py": "import threading, time\nx = 'seen'\ndef f():\n    threading.main_thread().join()\n    print(x)\n"
    "threading.Thread(target=f).start()\n",
    "latin1.py": "# -*- coding: latin-1 -*-\nprint(ascii('\xe9'))\n",
    "annotated.py": "x: int = 1\nprint(__annotations__ if 'x' in globals().get('__annotations__', ()) else 'lazy')\n",
    "future.py": "import typing\ndef f(x: int): pass\nprint(typing.get_type_hints(f), f.__annotations__)\n",
    "warns.py": "import warnings\nwarnings.warn('old', DeprecationWarning)\nassert __debug__, 'not reached under -O'\n",
    "reads_stdin.py": "print(input())\n",
    "pickles.py": "import pickle\nclass C:\n    pass\nprint(type(pickle.loads(pickle.dumps(C()))) is C)\n",
}

FILES = [
    "plain.py",
    "./plain.py",
    "folder/../plain.py",
    "link.py",
    "compiled.pyc",
    "folder",
    "./folder/",
    "program.zip",
    "not_there.py",
    "package_without_main",
    *(name for name in PROGRAMS if "/" not in name and name != "plain.py"),
]
LINES = {
    **{name: [name, "one", "-m", "--help"] for name in FILES},
    "-m package": ["-m", "package", "one", "-c"],
    "-m package.part": ["-m", "package.part"],
    "-m plain": ["-m", "plain", "--", "x"],
    "-mplain": ["-mplain", "x"],
    "-m not_there": ["-m", "not_there"],
    "-m raises": ["-m", "raises"],
    "-m interrupts": ["-m", "interrupts"],
    "-m json.tool": ["-m", "json.tool", "--compact", "data.json"],
    "-c": ["-c", STARTED_HOW, "one", "-c"],
    "-c raises": ["-c", "def f():\n    1/0\nf()\n"],
    "-c indented": ["-c", "  print(1)\n  1/0\n"],
    "-c syntax error": ["-c", "x = ("],
    "-cprint": ["-cprint(1)", "x"],
    "- from standard input": ["-", "one", "two"],
    "nothing, from standard input": [],
    "--": ["--", "plain.py", "one"],
}
INTERPRETER_OPTIONS = {
    "none": [],
    "-X dev": ["-X", "dev"],
    "-P": ["-P"],
    "-I": ["-I"],
    "-O": ["-O"],
    "-W error": ["-W", "error"],
    "-u -s -B": ["-u", "-s", "-B"],
}

Outcome = tuple[int, str, str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all the programs in it."""
    top = tmp_path_factory.mktemp("programs")
    for name, source in PROGRAMS.items():
        path = top / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(source.encode("latin-1" if name == "latin1.py" else "utf-8"))
    (top / "data.json").write_text("[1, 2]")
    (top / "link.py").symlink_to(top / "folder" / "linked.py")
    (top / "folder" / "linked.py").write_text(STARTED_HOW + "import beside\n")
    (top / "package_without_main").mkdir()
    with zipfile.ZipFile(top / "program.zip", "w") as archive:
        archive.writestr("__main__.py", STARTED_HOW + "import beside\nbeside.fail()\n")
        archive.writestr("beside.py", "def fail():\n    raise ValueError('zipped')\n")
    compiling = "import py_compile; py_compile.compile('plain.py', 'compiled.pyc')"
    subprocess.run([sys.executable, "-c", compiling], cwd=top, check=True, timeout=DEADLINE_S)
    return top


def run(folder: Path, *arguments: str, stdin: str = STARTED_HOW) -> Outcome:
    """Run this Python with these arguments, and return what it left: status, output, errors."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_a_program_runs_as_under_plain_python(folder: Path, line: list[str]) -> None:
    assert run(folder, "-m", "aioxide", *line) == run(folder, *line)


@pytest.mark.parametrize("options", INTERPRETER_OPTIONS.values(), ids=INTERPRETER_OPTIONS)
@pytest.mark.parametrize(
    "line", ["plain.py", "folder", "-m package", "-c", "warns.py", "raises.py"]
)
def test_options_of_the_interpreter_are_respected(
    folder: Path, line: str, options: list[str]
) -> None:
    arguments = LINES[line]
    assert run(folder, *options, "-m", "aioxide", *arguments) == run(folder, *options, *arguments)


def test_the_program_may_be_named_from_another_folder(folder: Path) -> None:
    elsewhere = folder / "package_without_main"
    for path in ("../plain.py", "../folder", str(folder / "plain.py")):
        assert run(elsewhere, "-m", "aioxide", path) == run(elsewhere, path)


def test_a_program_in_a_folder_that_is_gone_can_be_run(folder: Path) -> None:
    def from_nowhere(*arguments: str) -> Outcome:
        script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
        command = ["sh", "-c", script, "sh", sys.executable, *arguments]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=DEADLINE_S
        )
        return done.returncode, done.stdout, done.stderr

    path = str(folder / "folder" / "__main__.py")
    assert from_nowhere("-m", "aioxide", path) == from_nowhere(path)


@pytest.mark.parametrize("line", ["interrupts.py", "-m interrupts"])
def test_an_unhandled_keyboard_interrupt_dies_of_the_signal(folder: Path, line: str) -> None:
    status, _, errors = run(folder, "-m", "aioxide", *LINES[line])
    assert status == -signal.SIGINT
    assert errors.endswith("KeyboardInterrupt\n")
    assert "aioxide" not in errors


@pytest.mark.parametrize("launcher", [[], ["-m", "aioxide"]], ids=["python", "aioxide"])
def test_ctrl_c_cancels_the_main_task_and_then_kills(folder: Path, launcher: list[str]) -> None:
    program = (
        "import asyncio\n"
        "async def main():\n"
        "    try:\n"
        "        print('ready', flush=True)\n"
        "        await asyncio.sleep(3600)\n"
        "    finally:\n"
        "        print('cancelled', flush=True)\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, *launcher, "-c", program]
    # Shells start background jobs with SIGINT ignored, and children inherit that.
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=DEADLINE_S)
    assert output == "cancelled\n"
    assert errors.endswith("KeyboardInterrupt\n")
    assert process.returncode == -signal.SIGINT


def test_every_loop_of_the_program_is_ours(folder: Path) -> None:
    program = (
        "import asyncio, aioxide\n"
        "async def main():\n"
        "    return type(asyncio.get_running_loop())\n"
        "assert issubclass(asyncio.run(main()), aioxide.EventLoop)\n"
        "loop = asyncio.new_event_loop()\n"
        "assert isinstance(loop, aioxide.EventLoop)\n"
        "loop.close()\n"
        "print('ours')\n"
    )
    assert run(folder, "-X", "dev", "-m", "aioxide", "-c", program) == (0, "ours\n", "")


NATIVE_OR_NOT = (
    "import asyncio, sys, aioxide\nprint(asyncio.sleep is aioxide.sleep, sys.argv[1:])\n"
)


@pytest.mark.parametrize("natives", [True, False], ids=["natives", "--no-natives"])
@pytest.mark.parametrize(
    "line",
    [["native.py"], ["-m", "native"], ["-c", NATIVE_OR_NOT], ["-"]],
    ids=lambda line: line[0],
)
def test_asyncio_has_natives_unless_told_otherwise(
    folder: Path, line: list[str], natives: bool
) -> None:
    (folder / "native.py").write_text(NATIVE_OR_NOT)
    options = [] if natives else ["--no-natives"]
    done = run(folder, "-m", "aioxide", *options, *line, "--no-natives", stdin=NATIVE_OR_NOT)
    assert done == (0, f"{natives} ['--no-natives']\n", "")


def test_every_loop_is_ours_without_natives_too(folder: Path) -> None:
    program = (
        "import asyncio, aioxide\n"
        "async def main():\n"
        "    print(isinstance(asyncio.get_running_loop(), aioxide.EventLoop))\n"
        "asyncio.run(main())\n"
    )
    assert run(folder, "-m", "aioxide", "--no-natives", "-c", program) == (0, "True\n", "")


def test_without_natives_a_program_runs_as_under_plain_python(folder: Path) -> None:
    for line in (["plain.py", "--help"], [], ["folder"], ["raises.py"]):
        assert run(folder, "-m", "aioxide", "--no-natives", *line) == run(folder, *line)


def test_spawned_processes_find_the_functions_of_the_program(folder: Path) -> None:
    (folder / "spawns.py").write_text(
        "import multiprocessing, sys\n"
        "def square(x):\n"
        "    return x * x\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(square, range(4)))\n"
    )
    for line in (["spawns.py"], ["-m", "spawns"]):
        assert run(folder, "-m", "aioxide", *line) == (0, "[0, 1, 4, 9]\n", "")


def test_a_stack_trace_of_a_task_shows_no_launcher(folder: Path) -> None:
    program = "import asyncio\nasync def main():\n    1/0\nasyncio.run(main())\n"
    status, output, errors = run(folder, "-m", "aioxide", "-c", program)
    assert (status, output) == (1, "")
    first = re.search(r'File "([^"]*)"', errors)
    assert first is not None
    assert first[1] == "<string>"
    assert errors.endswith("ZeroDivisionError: division by zero\n")


def test_version_is_the_packages(folder: Path) -> None:
    assert run(folder, "-m", "aioxide", "--version") == (0, f"aioxide {aioxide.__version__}\n", "")


def test_help_is_shown_and_the_usage_line_comes_with_every_refusal(folder: Path) -> None:
    status, output, errors = run(folder, "-m", "aioxide", "--help")
    assert (status, errors) == (0, "")
    assert run(folder, "-m", "aioxide", "-h") == (0, output, "")
    usage = next(line for line in output.splitlines() if line.startswith("usage: "))
    for wrong in (
        ["-m"],
        ["-c"],
        ["-X", "dev", "plain.py"],
        ["--no-such-option"],
        ["--no-natives", "-c"],
    ):
        status, output, errors = run(folder, "-m", "aioxide", *wrong)
        assert (status, output) == (2, "")
        assert errors.splitlines()[-1] == usage


def test_info_names_versions_backend_and_what_is_native(folder: Path) -> None:
    status, output, errors = run(folder, "-m", "aioxide", "--info")
    assert (status, errors) == (0, "")
    facts = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in output.splitlines())
    assert facts["aioxide"] == aioxide.__version__
    assert sys.executable in facts["Python"]
    assert facts["waits with"]
    assert "call_soon" in facts["loop, native"]
    assert "sleep" in facts["natives, tasks"].split(": ")[1].split(", ")
