"""Renders the tables of docs/compatibility.md from what `measure.py` has written, one file for each Python.

    python tests/compatibility/page.py

What stands between the page's two marks is made anew; the rest of it is written by hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import worker
from measure import LOOPS

_FOLDER = Path(__file__).parent
PAGE = _FOLDER.parents[1] / "docs" / "compatibility.md"

_BEGIN = "<!-- Made by tests/compatibility/page.py: change nothing from here … -->\n"
_END = "<!-- … to here. -->\n"

_HEADINGS = {
    "probes_callbacks": "Callbacks, tasks, executors, signals, running and ending",
    "probes_connections": "Connections, TLS and files sent",
    "probes_servers": "Servers",
    "probes_sockets": "Sockets, datagrams and pipes",
    "probes_processes": "Subprocesses",
}

# What in an error differs from one run to the next.
_UNSTEADY = re.compile(r"<[^<>]*(<[^<>]*>[^<>]*)*>?| object at 0x[0-9a-f]+|[ ,]*$")

Results = dict[str, Any]


def main() -> None:
    """Write the page, or only print what would be written."""
    page = rendered(PAGE.read_text(encoding="utf-8"))
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(page)
    else:
        PAGE.write_text(page, encoding="utf-8")


def rendered(page: str) -> str:
    """Return the page with its tables made anew."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    tables = "\n".join(_lines(_results()))
    return f"{before}{_BEGIN}\n{tables}\n\n{_END}{after}"


def _results() -> Results:
    files = (_FOLDER / "results").glob("*.json")
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}
    return dict(sorted(found.items(), key=lambda item: [int(part) for part in item[0].split(".")]))


def _lines(results: Results) -> Iterator[str]:
    yield from _loops(results)
    for module, heading in _HEADINGS.items():
        yield from ("", f"## {heading}", "")
        yield f"| | {' | '.join(LOOPS)} |"
        yield "|---" * (len(LOOPS) + 1) + "|"
        for name in _names(module):
            cells = [_cell(results, loop, name) for loop in LOOPS]
            yield f"| `{name}` | {' | '.join(cells)} |"
    for loop in LOOPS:
        differences = list(_differences(results, loop))
        if differences:
            yield from ("", f"## What differs in {loop}", "", *differences)


def _loops(results: Results) -> Iterator[str]:
    """Say which versions were measured, and how many probes each passed."""
    yield f"| | {' | '.join(one['python'] for one in results.values())} |"
    yield "|---" * (len(results) + 1) + "|"
    for loop in LOOPS:
        cells = []
        for result in results.values():
            found = result["loops"].get(loop)
            if found is None:
                cells.append("not available")
                continue
            outcomes = [found["outcomes"][name][0] for name in worker.PROBES]
            version = "" if loop == "asyncio" else f"{found['version']}: "
            cells.append(f"{version}{outcomes.count('yes')} of {len(outcomes)}")
        yield f"| {loop} | {' | '.join(cells)} |"


def _names(module: str) -> list[str]:
    """Return the probes of a module, each method before its keywords."""
    probes = [one for one in worker.PROBES.values() if one.function.__module__ == module]
    methods = list(dict.fromkeys(one.method for one in probes))
    order = [one.keyword for one in probes]
    probes.sort(
        key=lambda one: (methods.index(one.method), bool(one.keyword), order.index(one.keyword))
    )
    return [one.name for one in probes]


def _cell(results: Results, loop: str, name: str) -> str:
    """Return what a loop makes of a probe: one word, or one and those that replace it from some version on."""
    changes: list[tuple[str, str]] = []
    for version, result in results.items():
        if loop in result["loops"]:
            word = result["loops"][loop]["outcomes"][name][0]
            if not changes or changes[-1][1] != word:
                changes.append((version, word))
    first, *later = changes
    return ", ".join([first[1], *(f"{version}: {word}" for version, word in later)])


def _differences(results: Results, loop: str) -> Iterator[str]:
    """List what a loop has but does otherwise than asyncio, with the sentence of its newest result."""
    found: dict[str, list[str]] = {}
    for name in worker.PROBES:
        for version, result in reversed(results.items()):
            if loop not in result["loops"]:
                continue
            word, detail = result["loops"][loop]["outcomes"][name]
            if word not in ("yes", "no"):
                text = f"{word}: {_steady(detail)}"
                if version != list(results)[-1]:
                    text += f" (on {version})"
                found.setdefault(text, []).append(f"`{name}`")
                break
    for text, names in found.items():
        yield f"- {', '.join(names)}: {text}."


def _steady(detail: str) -> str:
    return _UNSTEADY.sub("", detail).replace("|", "/").rstrip(" .,:")


if __name__ == "__main__":
    main()
