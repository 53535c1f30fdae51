"""Measure one row on one loop, once, in fresh processes."""

import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from suite import child, peers, servers
from suite.child import Child, ChildError
from suite.files import libraries
from suite.files.rows import FileRow, TickRow
from suite.native import TLS_LOAD, Programs
from suite.results import Sample
from suite.rows import LoopRow, MemoryRow, Row, ServerRow


@dataclass(frozen=True)
class Conditions:
    """What is the same for all rows and loops of a run."""

    #: Share of a row's full count that one repetition does.
    scale: float
    #: Repetitions in each process, of which the median counts.
    repeat: int
    #: How long a server is loaded before, and while, the figures count.
    warm_up_ms: int
    window_ms: int
    #: After which a child counts as hung.
    patience_s: float
    #: The core of the process under test, and that of the load generator.
    server_core: int
    client_core: int
    #: The load generator's binary, the files that rows read, and what is in C. Where they are is no part of a result.
    loadgen: Path | None = field(repr=False)
    files: Path = field(repr=False)
    native: Programs = field(repr=False)


def probe(loop: str) -> str:
    """Return the version of *loop* that works here; ChildError says why none does."""
    with Child(child.python_command("suite.loop_child", loop, "--probe")) as process:
        version: str = json.loads(process.read())["version"]
        return version


def probe_library(name: str) -> str:
    """Return the version of the library called *name* that works here; ChildError says why none does."""
    command = child.python_command("suite.file_child", name, "--probe")
    with Child(command, environment=libraries.environment(name)) as process:
        version: str = json.loads(process.read())["version"]
        return version


def measure(row: Row, loop: str, conditions: Conditions) -> Sample:
    """Measure *row* on *loop*, which may be the floor or a library; ChildError says why it cannot be done."""
    if isinstance(row, FileRow | TickRow):
        return _measure_files(row, loop, conditions)
    if isinstance(row, LoopRow):
        count = row.whole(int(row.count * conditions.scale))
        if loop == peers.FLOOR:
            return _measure_in_c(row, count, conditions)
        return _measure_in_process(row, loop, count, conditions)
    if isinstance(row, MemoryRow):
        return _measure_in_process(row, loop, int(row.count * conditions.scale), conditions)
    with tempfile.TemporaryDirectory() as folder:
        return _measure_server(row, loop, os.path.join(folder, "socket"), conditions)


def _measure_in_process(
    row: LoopRow | MemoryRow, loop: str, count: int, conditions: Conditions
) -> Sample:
    command = child.python_command(
        "suite.loop_child",
        loop,
        f"--row={row.name}",
        f"--count={count}",
        f"--repeat={conditions.repeat}",
        f"--core={conditions.server_core}",
    )
    with Child(command, conditions.patience_s) as process:
        return Sample(**json.loads(process.read()))


def _measure_files(row: FileRow | TickRow, library: str, conditions: Conditions) -> Sample:
    # On any core: most of these libraries move the work to threads of their own, or to the kernel's.
    command = child.python_command(
        "suite.file_child", library, f"--row={row.name}", f"--folder={conditions.files}"
    )
    if isinstance(row, FileRow):
        count = row.whole(int(row.count * conditions.scale))
        repeat = min(conditions.repeat, row.repeat_max)
        command += [f"--count={count}", f"--repeat={repeat}"]
    environment = libraries.environment(library)
    with Child(command, conditions.patience_s, environment) as process:
        return Sample(**json.loads(process.read()))


def _measure_in_c(row: LoopRow, count: int, conditions: Conditions) -> Sample:
    assert row.floor is not None
    program, *arguments = row.floor
    command = conditions.native.command(
        program, conditions.server_core, count, conditions.repeat, *arguments
    )
    with Child(command, conditions.patience_s) as process:
        return Sample(**json.loads(process.read()))


def _measure_server(row: ServerRow, loop: str, path: str, conditions: Conditions) -> Sample:
    with Child(_server_command(row, loop, path, conditions), conditions.patience_s) as server:
        port = server.read()
        with Child(_load_command(row, port, path, conditions), conditions.patience_s) as load:
            try:
                load.read()
                before = json.loads(server.ask("report"))
                seen = json.loads(load.ask("go"))
            except ChildError as failure:
                raise ChildError(_root_cause(server, failure)) from None
            # While the clients are still connected: the end of their connections is no request.
            after = json.loads(server.ask("report"))
    if after["unexpected"]:
        raise ChildError(after["unexpected"][0])
    requests = seen["requests"]
    figures = {
        "cpu_ns": (after["cpu_ns"] - before["cpu_ns"]) / requests,
        "p50_ns": seen["p50_ns"],
        "p99_ns": seen["p99_ns"],
        "page_faults": (after["page_faults"] - before["page_faults"]) / requests,
        "context_switches": (after["context_switches"] - before["context_switches"]) / requests,
    }
    if not row.pause_us:
        # With pauses the rate would be that of the pauses.
        figures["wall_ns"] = seen["elapsed_ns"] / requests
    return Sample(figures)


def _server_command(row: ServerRow, loop: str, path: str, conditions: Conditions) -> list[str]:
    if loop == peers.FLOOR:
        assert row.floor is not None
        needed = {"tls": [str(servers.CERTIFICATE)], "unix": [path]}
        arguments = needed.get(row.transport, [])
        return conditions.native.command(row.floor, conditions.server_core, *arguments)
    return child.python_command(
        "suite.server_child",
        loop,
        row.server,
        f"--core={conditions.server_core}",
        f"--transport={row.transport}",
        f"--path={path}",
    )


def _load_command(row: ServerRow, port: str, path: str, conditions: Conditions) -> list[str]:
    address = f"127.0.0.1:{port}"
    addresses = {"unix": f"unix:{path}", "udp": f"udp:{address}"}
    options = {
        "--address": addresses.get(row.transport, address),
        "--clients": row.clients,
        "--request": row.request,
        "--reply": row.reply,
        "--lifetime": row.lifetime,
        "--pause-us": row.pause_us,
        "--warm-up-ms": conditions.warm_up_ms,
        "--window-ms": conditions.window_ms,
        "--core": conditions.client_core,
    }
    words = [str(word) for pair in options.items() for word in pair]
    if row.transport == "tls":
        return conditions.native.command(TLS_LOAD, *words)
    return [str(conditions.loadgen), *words]


def _root_cause(server: Child, seen_by_clients: ChildError) -> str:
    """Prefer what the server has to say to what its clients saw of it."""
    try:
        unexpected = json.loads(server.ask("report"))["unexpected"]
    except ChildError as failure:
        return str(failure)
    return unexpected[0] if unexpected else str(seen_by_clients)
