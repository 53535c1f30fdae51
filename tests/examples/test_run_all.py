"""The judge of the examples is judged: it sees what differs, hangs, is left behind, or is missing."""

import sys
from pathlib import Path

import pytest
import run_all
from harness import catalogue, trial
from harness.catalogue import Example

# Far more than any program here needs, yet it fails long before the whole suite does.
AMPLE_S = 30.0


def run_code(code: str, *, deadline_s: float = AMPLE_S) -> trial.Trial:
    return trial.run_command((sys.executable, "-c", code), deadline_s=deadline_s)


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Example:
    """Make an example in a folder of its own that prints what `says` tells it, and should say `one`."""
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    (tmp_path / "expected").mkdir()
    (tmp_path / "expected" / "told.txt").write_text("one\n")
    (tmp_path / "told.py").write_text("import sys; print(sys._xoptions['says'])")
    for loop in ("asyncio", "aioxide"):
        says(monkeypatch, loop, "one")
    return Example("told")


def says(monkeypatch: pytest.MonkeyPatch, loop: str, word: str) -> None:
    """Have the program print `word` when it is run on `loop`."""
    monkeypatch.setitem(trial.COMMANDS, loop, (sys.executable, "-X", f"says={word}"))


def test_two_loops_that_agree_with_what_is_stored_are_the_same(example: Example) -> None:
    verdict = run_all.judge(example, ["asyncio", "aioxide"])
    assert (verdict.word, verdict.faults) == ("yes", [])


def test_a_loop_that_prints_something_else_is_a_fault_with_a_diff(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "aioxide", "two")
    verdict = run_all.judge(example, ["asyncio", "aioxide"])
    assert verdict.word == "NO"
    assert len(verdict.faults) == 1
    assert "-one\n+two" in verdict.faults[0]


def test_two_loops_that_agree_on_something_else_than_what_is_stored_are_a_fault(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "asyncio", "two")
    says(monkeypatch, "aioxide", "two")
    assert run_all.judge(example, ["asyncio", "aioxide"]).word == "NO"


def test_an_example_that_cannot_be_imported_is_skipped_with_the_reason(example: Example) -> None:
    needy = Example(example.name, needs=("no_such_module",))
    verdict = run_all.judge(needy, ["asyncio", "aioxide"])
    assert (verdict.word, verdict.trials) == ("skipped", {})
    assert "No module named 'no_such_module'" in run_all.table_row(verdict, ["asyncio", "aioxide"])


def test_an_exit_status_other_than_zero_is_trouble() -> None:
    assert run_code("raise SystemExit(3)").trouble == "exit status 3"


def test_a_program_that_hangs_is_killed_with_its_children() -> None:
    pause = "import signal; signal.pause()"
    hang = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {pause!r}])"
    stuck = run_code(hang, deadline_s=0.5)
    assert stuck.timed_out
    assert stuck.trouble.startswith("killed after")


def test_a_process_that_is_left_behind_is_trouble() -> None:
    pause = "import signal; signal.pause()"
    left = run_code(f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {pause!r}])")
    assert left.trouble == "left processes behind"


def test_a_complaint_on_stderr_is_trouble_even_if_the_exit_status_is_zero() -> None:
    trial_of_complaint = run_code("async def main(): pass\nmain()")
    assert trial_of_complaint.status == 0
    assert "was never awaited" in trial_of_complaint.trouble


def test_the_cpu_time_of_children_counts() -> None:
    burn = "import time\nwhile time.process_time() < 0.5: pass"
    burnt = run_code(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])")
    assert burnt.cpu_s >= 0.5
    assert burnt.wall_s >= 0.4
