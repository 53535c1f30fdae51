"""Measure one row on one loop, once, in fresh processes."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from suite import child
from suite.child import Child, ChildError
from suite.results import Sample
from suite.rows import LoopRow, MemoryRow, Row, TcpRow


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
    #: The core of the process under test, and that of the load generator.
    server_core: int
    client_core: int
    #: The load generator's binary. Where it was built is no part of a result.
    loadgen: Path | None = field(repr=False)


def probe(loop: str) -> str:
    """Return the version of *loop* that works here; ChildError says why none does."""
    with child.python("suite.loop_child", loop, "--probe") as process:
        version: str = json.loads(process.read())["version"]
        return version


def measure(row: Row, loop: str, conditions: Conditions) -> Sample:
    """Measure *row* on *loop*; ChildError says why it cannot be done."""
    if isinstance(row, LoopRow):
        return _measure_in_process(
            row, loop, row.whole(int(row.count * conditions.scale)), conditions
        )
    if isinstance(row, MemoryRow):
        return _measure_in_process(row, loop, int(row.count * conditions.scale), conditions)
    return _measure_server(row, loop, conditions)


def _measure_in_process(
    row: LoopRow | MemoryRow, loop: str, count: int, conditions: Conditions
) -> Sample:
    with child.python(
        "suite.loop_child",
        loop,
        f"--row={row.name}",
        f"--count={count}",
        f"--repeat={conditions.repeat}",
        f"--core={conditions.server_core}",
    ) as process:
        return Sample(**json.loads(process.read()))


def _measure_server(row: TcpRow, loop: str, conditions: Conditions) -> Sample:
    with child.python(
        "suite.server_child", loop, row.server, f"--core={conditions.server_core}"
    ) as server:
        port = server.read()
        with Child(_loadgen_command(row, port, conditions)) as load:
            try:
                load.read()
                before = json.loads(server.ask("report"))
                seen = json.loads(load.ask("go"))
            except ChildError as failure:
                raise ChildError(_root_cause(server, failure)) from None
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


def _loadgen_command(row: TcpRow, port: str, conditions: Conditions) -> list[str]:
    options = {
        "--address": f"127.0.0.1:{port}",
        "--clients": row.clients,
        "--request": row.request,
        "--reply": row.reply,
        "--lifetime": row.lifetime,
        "--pause-us": row.pause_us,
        "--warm-up-ms": conditions.warm_up_ms,
        "--window-ms": conditions.window_ms,
        "--core": conditions.client_core,
    }
    return [str(conditions.loadgen), *(str(word) for pair in options.items() for word in pair)]


def _root_cause(server: Child, seen_by_clients: ChildError) -> str:
    """Prefer what the server has to say to what its clients saw of it."""
    try:
        unexpected = json.loads(server.ask("report"))["unexpected"]
    except ChildError as failure:
        return str(failure)
    return unexpected[0] if unexpected else str(seen_by_clients)
