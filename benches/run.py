"""Compare aioxide with asyncio and every other event loop that works here: ``python run.py --help``."""

import argparse
import datetime
import itertools
import ssl
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from suite import columns, machine, native, peers, tables
from suite.child import PATIENCE_S, ChildError
from suite.columns import LIBRARY_GROUPS, Columns
from suite.files import libraries
from suite.files.rows import FileRow, TickRow
from suite.loadgen import LoadgenError, build
from suite.measure import Conditions, measure, probe, probe_library
from suite.results import Results
from suite.rows import ROWS, LoopRow, MemoryRow, Row, ServerRow


def main() -> None:
    """Measure what the command line asks for and print the tables."""
    options = _command_line()
    rows = [row for row in ROWS if _is_wanted(row, options.rows)]
    if options.list or not rows:
        print("\n".join(f"{row.group}: {row.name}" for row in rows or ROWS))
        return
    about: dict[str, object] = {**machine.describe(), "load before": machine.load()}
    has_files = any(row.group in LIBRARY_GROUPS for row in rows)
    # Rows about files need no loop but their own, and the others no library.
    loops = columns.of_loops(
        _working_loops(options.loops, about)
        if any(row.group not in LIBRARY_GROUPS for row in rows)
        else ()
    )
    others = columns.of_libraries(_working_libraries(about) if has_files else ())
    with tempfile.TemporaryDirectory() as files:
        _run(rows, loops, others, _conditions(options, rows, Path(files)), options, about)


def _run(
    rows: list[Row],
    loops: Columns,
    others: Columns,
    conditions: Conditions,
    options: argparse.Namespace,
    about: dict[str, object],
) -> None:
    about |= {
        "compiler of the floor": conditions.native.compiler,
        "OpenSSL of Python": ssl.OPENSSL_VERSION,
    }
    about |= {"rounds": str(options.rounds), "conditions": str(conditions)}

    results = Results()
    begin = datetime.datetime.now(datetime.UTC)
    try:
        _measure_all(rows, loops, others, options.rounds, conditions, results)
    except KeyboardInterrupt:
        print("\nInterrupted: these are the rounds so far.", file=sys.stderr)
    about["load after"] = machine.load()

    print("\n".join(f"{name}: {value}" for name, value in about.items()), end="\n\n")
    print(tables.render(results, rows, loops, others))
    path = results.save(options.save or f"{begin:%Y%m%dT%H%M%S}", about)
    print(f"Raw results: {path}")


def _command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="some minutes; wide spreads")
    parser.add_argument("--rows", default="", metavar="A,B", help="rows or groups by part of name")
    parser.add_argument("--loops", default="", metavar="A,B", help="these loops only")
    parser.add_argument("--rounds", type=int, help="over all loops (default 5; 3 with --quick)")
    parser.add_argument("--save", metavar="NAME", help="name of the file under results/")
    parser.add_argument("--list", action="store_true", help="only list the rows")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 5)
    return options


def _is_wanted(row: Row, patterns: str) -> bool:
    wanted = [pattern.strip().lower() for pattern in patterns.split(",") if pattern.strip()]
    name = f"{row.group}: {row.name}".lower()
    return not wanted or any(pattern in name for pattern in wanted)


def _working_loops(chosen: str, about: dict[str, object]) -> list[str]:
    """Return the loops that work here, and write the versions, and why the others do not, down."""
    names = [name.strip() for name in chosen.split(",") if name.strip()] or list(peers.FACTORIES)
    if unknown := set(names) - set(peers.FACTORIES):
        sys.exit(f"Unknown: {', '.join(sorted(unknown))}. Known: {', '.join(peers.FACTORIES)}.")
    working = []
    for name in peers.FACTORIES:
        if name not in names:
            continue
        try:
            about[name] = probe(name)
            working.append(name)
        except ChildError as failure:
            about[name] = f"absent ({failure})"
    return working


def _working_libraries(about: dict[str, object]) -> list[str]:
    """Return the libraries for files that work here, and write the versions, and why others do not, down."""
    working = []
    for name in libraries.LIBRARIES:
        try:
            about[f"files: {name}"] = probe_library(name)
            working.append(name)
        except ChildError as failure:
            about[f"files: {name}"] = f"absent ({failure})"
    return working


def _conditions(options: argparse.Namespace, rows: list[Row], files: Path) -> Conditions:
    loadgen = None
    if any(isinstance(row, ServerRow) and row.transport != "tls" for row in rows):
        print("Building the load generator …", file=sys.stderr)
        try:
            loadgen = build()
        except LoadgenError as reason:
            sys.exit(f"The rows with servers need the load generator: {reason}")
    server_core, client_core = machine.cores()
    if server_core == client_core:
        print("Only one core: server and load share it.", file=sys.stderr)
    return Conditions(
        scale=0.1 if options.quick else 1.0,
        repeat=3,
        warm_up_ms=100 if options.quick else 300,
        window_ms=200 if options.quick else 1000,
        patience_s=30.0 if options.quick else PATIENCE_S,
        server_core=server_core,
        client_core=client_core,
        loadgen=loadgen,
        files=files,
        native=native.build(_programs_in_c(rows)),
    )


def _programs_in_c(rows: list[Row]) -> set[str]:
    """Return the names of the programs that *rows* need: their floors, and the load for TLS."""
    names: set[str] = set()
    for row in rows:
        if isinstance(row, LoopRow) and row.floor is not None:
            names.add(row.floor[0])
        elif isinstance(row, ServerRow):
            names |= {row.floor} if row.floor is not None else set()
            names |= {native.TLS_LOAD} if row.transport == "tls" else set()
    return names


def _measure_all(
    rows: list[Row],
    loops: Columns,
    others: Columns,
    rounds: int,
    conditions: Conditions,
    results: Results,
) -> None:
    steps = list(_interleaved(rows, loops, others, rounds))
    for done, (row, loop) in enumerate(steps):
        if results.failure(row.name, loop) is not None:
            continue
        if sys.stderr.isatty():
            print(f"\r\x1b[K{done}/{len(steps)} {loop}: {row.name}", end="", file=sys.stderr)
        try:
            results.add(row.name, loop, measure(row, loop, conditions))
        except ChildError as failure:
            results.fail(row.name, loop, str(failure))
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)


def _interleaved(
    rows: list[Row], loops: Columns, others: Columns, rounds: int
) -> Iterator[tuple[Row, str]]:
    """Yield each row with all that do it, one after the other, in each round in another order."""
    for turn, row in itertools.product(range(rounds), rows):
        if turn and isinstance(row, MemoryRow):
            continue
        if isinstance(row, TickRow):
            # What blocks its loop lets no task tick.
            runners = [name for name in others.names if name != others.floor]
        elif isinstance(row, FileRow):
            runners = [*others.names]
        else:
            has_floor = isinstance(row, LoopRow | ServerRow) and row.floor is not None
            runners = [*loops.names, peers.FLOOR] if has_floor else [*loops.names]
        first = turn % len(runners)
        for loop in runners[first:] + runners[:first]:
            yield row, loop


if __name__ == "__main__":
    main()
