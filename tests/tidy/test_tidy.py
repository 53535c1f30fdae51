"""The house rules of CONTRIBUTING.md that no compiler and no linter knows, held over the whole repository."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

from .repository import ROOT, THESE_TESTS, files, named, scripts, sources, text

LINES_MAX = 999
FUNCTION_LINES_MAX = 70

UNSAFE_ROOMS = (ROOT / "crates/engine/src/sys", ROOT / "crates/python/src/raw")

# They say that something was put somewhere, and not what it is.
EMPTY_WORDS = frozenset(
    {"util", "utils", "common", "misc", "helper", "helpers", "manager", "managers"}
)

# Names of asyncio and of other packages, which ours have too.
GIVEN_NAMES = frozenset(
    {"AiofilesContextManager", "AiofilesContextManagerTempDir", "_drain_helper"}
)

# Modules that programs import from other packages under these names, and from ours.
GIVEN_FILES = frozenset(
    {
        ROOT / "python/aioxide/compat/aiofile/utils.py",
        ROOT / "python/aioxide/compat/aiofiles/threadpool/utils.py",
    }
)

# Written in pieces, so that this file does not break its own rules.
UNFINISHED = re.compile(
    r"\b(" + "FIX" + r"ME|" + "XX" + r"X)\b|(?<!`)\b" + "TO" + r"DO\b(?! \(#\d+\))"
)
MACHINE = re.compile(
    r"(?<![\w.~$}-])/(root|work|home/\w+|opt|mnt|Users)/|\.pyenv/versions/\d|(index-url|find-links|mirror)\s*[=:]"
)

# Files of the binding that are no idea of asyncio's, with the test that would notice if they were wrong.
TESTED_AS = {
    "addresses": "transport_info",
    "alarm": "natives",
    "any_task": "natives",
    "clock": "virtual_clock",
    "count": "native_locks",
    "deque": "native_locks",
    "errors": "bad_input",
    "event_loop": "running",
    "joint": "waits",
    "routine": "natives",
    "shield": "waits",
    "sleeping": "natives",
    "task_group": "waits",
    "timeouts": "waits",
    "loop_bound": "locks",
    "numbers": "clients",
    "waiting": "locks",
}
NOTHING_TO_TEST = frozenset({"lib", "raw"})


def test_every_file_has_a_sign_on_its_door() -> None:
    missing = [named(path) for path in sources(".rs") if not re.match(r"//! \S", text(path))]
    for path in sources(".py"):
        docstring = ast.get_docstring(ast.parse(text(path))) or ""
        if not docstring.partition("\n\n")[0].endswith((".", ":", "?")):
            missing.append(named(path))
    missing += [named(path) for path in sources(".pyi") if not text(path).startswith(('"""', "# "))]
    missing += [
        named(path) for path in scripts() if not text(path).splitlines()[1].startswith("# ")
    ]
    assert missing == []


def test_no_file_is_too_long_to_read_in_one_sitting() -> None:
    lengths = {path: text(path).count("\n") for path in sources(".rs", ".py", ".pyi", ".md")}
    assert [
        f"{named(path)}: {lines} lines" for path, lines in lengths.items() if lines > LINES_MAX
    ] == []


def test_no_python_function_is_longer_than_a_screen() -> None:
    long = []
    for path in sources(".py"):
        code = code_lines(text(path))
        for node in ast.walk(ast.parse(text(path))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = code & {
                    line for part in body for line in range(part.lineno, (part.end_lineno or 0) + 1)
                }
                if len(lines) > FUNCTION_LINES_MAX:
                    long.append(f"{named(path, node.lineno)}: {node.name}, {len(lines)} lines")
    assert long == []


def code_lines(source: str) -> set[int]:
    """Return the numbers of the lines that hold code, not only a comment."""
    silent = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        line
        for token in tokens
        if token.type not in silent
        for line in range(token.start[0], token.end[0] + 1)
    }


def test_unsafe_code_stays_in_its_two_rooms() -> None:
    outside = [
        named(path, number)
        for path in sources(".rs")
        if not any(path.is_relative_to(room) for room in UNSAFE_ROOMS)
        for number, line in enumerate(without_comments_and_strings(text(path)).splitlines(), 1)
        if re.search(r"\bunsafe\b|\bunsafe_code\b", line)
    ]
    assert outside == []


def without_comments_and_strings(source: str) -> str:
    """Blank out Rust's line comments and plain string literals, keeping the lines where they are."""
    return re.sub(r'//[^\n]*|"(?:\\.|[^"\\])*"', lambda match: "\n" * match[0].count("\n"), source)


def test_nothing_is_left_unfinished_without_an_issue() -> None:
    assert [f"{place}: {line}" for place, line in lines_that(UNFINISHED)] == []


def test_nothing_names_the_machine_it_was_written_on() -> None:
    assert [f"{place}: {line}" for place, line in lines_that(MACHINE)] == []


def lines_that(match: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Find lines of any text in the repository, but for the tests that must spell out what they look for."""
    for path in files():
        if path.is_relative_to(THESE_TESTS) or path.name == "Cargo.lock":
            continue
        try:
            lines = text(path).splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            if match.search(line):
                yield named(path, number), line.strip()


def test_names_say_what_a_thing_is() -> None:
    empty = [
        named(path)
        for path in set(files()) - GIVEN_FILES
        if any(EMPTY_WORDS & words(Path(part).stem) for part in path.relative_to(ROOT).parts)
    ]
    definition = re.compile(
        r"^\s*(?:pub(?:\(\w+\))? )?(?:async )?(?:class|def|struct|enum|trait|fn|mod|type) (\w+)"
    )
    for path in sources(".rs", ".py", ".pyi"):
        for number, line in enumerate(text(path).splitlines(), 1):
            defined = definition.match(line)
            if defined and defined[1] not in GIVEN_NAMES and EMPTY_WORDS & words(defined[1]):
                empty.append(f"{named(path, number)}: {defined[1]}")
    assert empty == []


def words(name: str) -> set[str]:
    """Split a name in snake_case, kebab-case or CamelCase into its words."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name)}


def test_the_engine_knows_nothing_of_python() -> None:
    naming = [
        named(path)
        for path in files()
        if path.is_relative_to(ROOT / "crates/engine") and "pyo3" in text(path)
    ]
    assert naming == []


def test_every_public_name_is_in_the_reference() -> None:
    import asyncio

    import aioxide

    reference = text(ROOT / "docs" / "reference.md")
    # asyncio's names have one section for all, and those that add to asyncio's one of their own.
    names = {name for name in aioxide.__all__ if not name.startswith("__")}.difference(
        asyncio.__all__, {"TaskGroup"}
    ) | {"EventLoop", "Future", "Runner", "Task", "new_event_loop", "run"}
    assert [
        name for name in sorted(names) if not re.search(rf"^## `aioxide\.{name}\b", reference, re.M)
    ] == []


def test_every_idea_of_the_binding_has_a_test_of_its_name() -> None:
    folder = ROOT / "crates" / "python" / "src"
    ideas = {path.stem for path in folder.iterdir()} - NOTHING_TO_TEST
    tests = [
        path.stem.removeprefix("test_") for path in sources(".py") if path.name.startswith("test_")
    ]
    untested = [
        idea
        for idea in sorted(ideas)
        if not any(test.startswith(TESTED_AS.get(idea, idea).rstrip("s")) for test in tests)
    ]
    assert untested == []


def test_the_changelog_has_a_place_for_the_next_change() -> None:
    assert re.search(r"^## \[?Unreleased\]?$", text(ROOT / "CHANGELOG.md"), re.MULTILINE)


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for path in sources(".md"):
        for target in re.findall(r"\]\(([^)\s]+)\)", text(path)):
            place, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:", place):
                continue
            page = (path.parent / place).resolve() if place else path
            if not page.exists() or (anchor and anchor not in anchors(page)):
                broken.append(f"{named(path)}: {target}")
    assert broken == []


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as those who render Markdown make them."""
    headings = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def test_the_commands_in_the_documentation_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", text(ROOT / "Makefile"), re.MULTILINE))
    named_targets = {
        target
        for path in sources(".md")
        for block in re.findall(r"```.*?```|`[^`\n]+`", text(path), re.DOTALL)
        for target in re.findall(r"\bmake ([a-z]+)\b", block)
    }
    assert named_targets - targets == set()


def test_every_crate_obeys_the_lints_of_the_workspace() -> None:
    workspace = tomllib.loads(text(ROOT / "Cargo.toml"))
    assert workspace["workspace"]["lints"]["rust"]["unsafe_code"] == "deny"
    careless = [
        member
        for member in workspace["workspace"]["members"]
        if tomllib.loads(text(ROOT / member / "Cargo.toml")).get("lints") != {"workspace": True}
    ]
    assert careless == []
