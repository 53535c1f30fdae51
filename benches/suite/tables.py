"""Print a run: one table for each group and figure, every loop beside the others, and the footnotes."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from suite import peers
from suite.figures import Figure, Ratio
from suite.results import Results
from suite.rows import GROUPS, Row

_NONE = "\N{EN DASH}"
#: A server that faults in memory for every other request spends its time in the allocator.
_FAULTS_WORTH_A_NOTE = 0.5


@dataclass(frozen=True)
class _Figures:
    """One table of a group."""

    #: With ``{0}`` for the name of one operation, and ``{1}`` for that of many.
    title: str
    #: The figure of a sample; of all of them less is better.
    name: str
    #: How to print one.
    text: Callable[[float], str]
    #: Whether to compare with the best peer.
    is_compared: bool = True


def _duration(nanoseconds: float) -> str:
    for size, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        # Three digits: what would be rounded up to 1000 of one unit is 1 of the next.
        if nanoseconds >= 0.9995 * size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


def _rate(nanoseconds: float) -> str:
    per_second = 1e9 / nanoseconds
    if per_second >= 1e6:
        return f"{per_second / 1e6:.2f} M"
    if per_second >= 1e4:
        return f"{per_second / 1e3:.1f} k"
    return f"{per_second:.0f}"


def _mib(size: float) -> str:
    return f"{size / 2**20:.1f}"


_CPU = _Figures("CPU time of the whole process for one {0}", "cpu_ns", _duration)
_RATE = _Figures("{1} per second, by the clock", "wall_ns", _rate)
_WAITING = _Figures("resident bytes of one {0} that waits", "waiting_bytes", "{:.0f}".format)
_LEFT = _Figures(
    "resident MiB more than at first, once all have ended", "left_bytes", _mib, is_compared=False
)
_LEFT_AGAIN = _Figures(
    "the same after as many again, which should be no more",
    "left_again_bytes",
    _mib,
    is_compared=False,
)
_P50 = _Figures("latency of one {0}, median", "p50_ns", _duration)
_P99 = _Figures("latency of one {0}, 99 % are below", "p99_ns", _duration)

#: Those of the groups that do not only have times and rates.
_TABLES = {
    "memory": (_WAITING, _LEFT, _LEFT_AGAIN),
    "tcp": (_CPU, _RATE, _P50, _P99),
    "reply": (_CPU, _RATE, _P50, _P99),
    "tls": (_CPU, _RATE, _P50, _P99),
    "handshake": (_CPU, _RATE, _P50, _P99),
    "unix": (_CPU, _RATE, _P50, _P99),
    "datagrams": (_CPU, _RATE, _P50, _P99),
}


def render(results: Results, rows: Iterable[Row], loops: list[str]) -> str:
    """Return all tables as text."""
    rows = list(rows)
    notes: list[str] = []
    parts: list[str] = []
    for group, (title, one, many) in GROUPS.items():
        names = [row.name for row in rows if row.group == group]
        if not names:
            continue
        for table in _TABLES.get(group, (_CPU, _RATE)):
            heading = f"{title}: {table.title.format(one, many)}"
            parts.append(_table(heading, table, results, names, loops, notes))
    parts.append(_behind(results, rows, loops))
    parts.extend(f"[{number}] {note}" for number, note in enumerate(notes, 1))
    return "\n".join(parts)


def _table(
    heading: str,
    table: _Figures,
    results: Results,
    names: list[str],
    loops: list[str],
    notes: list[str],
) -> str:
    has_floor = any(results.has(name, peers.FLOOR, table.name) for name in names)
    columns = [*loops, peers.FLOOR] if has_floor else loops
    floor_title = [f"{peers.SUBJECT} / floor"] if has_floor else []
    lines = [["", *columns, *floor_title, f"{peers.SUBJECT} / best peer"]]
    for name in names:
        if not any(results.has(name, loop, table.name) for loop in columns):
            continue
        cells = [_cell(table, results, name, loop, notes) for loop in columns]
        if has_floor:
            to_floor = Ratio.to_floor(results, name, table.name)
            cells.append(_NONE if to_floor is None else f"{to_floor.median:.2f}")
        ratio = Ratio.of(results, name, loops, table.name) if table.is_compared else None
        lines.append([name, *cells, _ratio(ratio)])
    mean = _geometric_mean(table, results, names, loops)
    if mean is not None:
        lines.append(["geometric mean", *[""] * (len(lines[0]) - 2), mean])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [heading, ""]
    for line in lines:
        first, *middle, last = (
            cell.ljust(width) if column in {0, len(line) - 1} else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        text.append("   ".join((first, *middle, last)).rstrip())
    return "\n".join([*text, ""])


def _cell(table: _Figures, results: Results, row: str, loop: str, notes: list[str]) -> str:
    failure = results.failure(row, loop)
    if failure is not None:
        return f"{_NONE} [{_note(notes, f'{loop}: {failure}')}]"
    figure = Figure.of(results.figures(row, loop, table.name))
    if figure is None:
        return _NONE
    text = f"{table.text(figure.median)} ±{figure.spread:3.0%}"
    deviation = results.deviation(row, loop)
    if deviation is not None:
        text += f" [{_note(notes, f'{loop}: {deviation}')}]"
    faults = Figure.of(results.figures(row, loop, "page_faults"))
    if table is _CPU and faults is not None and faults.median > _FAULTS_WORTH_A_NOTE:
        note = "page faults for each request: the allocator gives memory back and takes it again"
        text += f" [{_note(notes, note)}]"
    return text


def _note(notes: list[str], text: str) -> int:
    """Return the number of a footnote, which is added unless it is there."""
    if text not in notes:
        notes.append(text)
    return notes.index(text) + 1


def _ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return _NONE
    return f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f}) {ratio.peer}"


def _geometric_mean(
    table: _Figures, results: Results, names: list[str], loops: list[str]
) -> str | None:
    """Return the mean of the last column of a table; None where it has not two figures."""
    found = [Ratio.of(results, name, loops, table.name) for name in names if table.is_compared]
    ratios = [ratio.median for ratio in found if ratio is not None]
    return f"{statistics.geometric_mean(ratios):.2f}" if len(ratios) > 1 else None


def _behind(results: Results, rows: list[Row], loops: list[str]) -> str:
    """List the rows in which the subject is not ahead, by CPU time, by the clock or by memory."""
    lines = []
    for row in rows:
        ratios = {
            "CPU time": Ratio.of(results, row.name, loops, "cpu_ns"),
            "the clock": Ratio.of(results, row.name, loops, "wall_ns"),
            "memory": Ratio.of(results, row.name, loops, "waiting_bytes"),
        }
        behind = [
            f"by {what} {_ratio(ratio)}"
            for what, ratio in ratios.items()
            if ratio is not None and ratio.median < 1
        ]
        if behind:
            lines.append(f"  {row.group}: {row.name}: {', '.join(behind)}")
    if not lines:
        return ""
    return "\n".join([f"Rows in which {peers.SUBJECT} is behind the best peer:", *lines, ""])
