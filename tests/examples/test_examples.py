"""Every example, run as a user runs it: the same lines in the same order on both loops."""

import re
import sys
from pathlib import Path

import pytest
from harness.catalogue import EXAMPLES, FOLDER, Example
from harness.trial import DEADLINE_S, difference, run_command, run_example, why_skip

RENAMED = Path(__file__).parent / "renamed.py"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_does_the_same_on_both_loops(example: Example) -> None:
    reason = why_skip(example)
    if reason:
        pytest.skip(reason)
    on_asyncio = run_example(example, "asyncio")
    on_aioxide = run_example(example, "aioxide")
    assert not on_asyncio.trouble, f"on asyncio: {on_asyncio.trouble}\n{on_asyncio.stderr}"
    assert not on_aioxide.trouble, f"on aioxide: {on_aioxide.trouble}\n{on_aioxide.stderr}"
    # The stdlib first: where it differs from what is stored, the example is wrong, not our loop.
    assert not difference(example.expected, "expected", on_asyncio.stdout, "asyncio")
    assert not difference(example.expected, "expected", on_aioxide.stdout, "aioxide")
    assert on_asyncio.stdout == on_aioxide.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_does_the_same_with_aioxide_under_the_name_of_asyncio(example: Example) -> None:
    reason = why_skip(example)
    if reason:
        pytest.skip(reason)
    command = (sys.executable, str(RENAMED), str(example.program), *example.arguments)
    trial = run_command(command, deadline_s=DEADLINE_S)
    assert not trial.trouble, f"{trial.trouble}\n{trial.stderr}"
    assert not difference(example.expected, "expected", trial.stdout, "aioxide")


def test_every_program_in_the_folder_is_in_the_catalogue_with_its_output_and_no_other() -> None:
    programs = {path.stem for path in FOLDER.glob("*.py")} - {"run_all"}
    stored = {path.stem for path in (FOLDER / "expected").iterdir()}
    listed = [example.name for example in EXAMPLES]
    assert sorted(listed) == sorted(programs) == sorted(stored)


def test_the_readme_lists_the_programs_in_the_order_of_the_catalogue() -> None:
    rows = re.findall(r"^\| `(\w+)\.py` \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert rows == [example.name for example in EXAMPLES]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_knows_nothing_of_the_loop_it_runs_on(example: Example) -> None:
    assert "aioxide" not in example.program.read_text()
