"""Print a run: one table for each group and figure, every loop beside the others, and the footnotes."""

import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from suite.columns import LIBRARY_GROUPS, Columns
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
_CLOCK = _Figures("time of one {0}, by the clock", "wall_ns", _duration)
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
_LATE = _Figures("how late one {0} is, 99 % are below", "late_p99_ns", _duration)
_BUSY = _Figures(
    "CPU time of the loop's thread while one {0} waits for its 1 ms, 99 % are below",
    "busy_p99_ns",
    _duration,
    is_compared=False,
)
_LATEST = _Figures("how late the latest {0} is", "late_max_ns", _duration, is_compared=False)

#: Those of the groups that do not only have times and rates.
_TABLES = {
    "memory": (_WAITING, _LEFT, _LEFT_AGAIN),
    "tcp": (_CPU, _RATE, _P50, _P99),
    "reply": (_CPU, _RATE, _P50, _P99),
    "tls": (_CPU, _RATE, _P50, _P99),
    "handshake": (_CPU, _RATE, _P50, _P99),
    "unix": (_CPU, _RATE, _P50, _P99),
    "datagrams": (_CPU, _RATE, _P50, _P99),
    "overhead": (_CLOCK,),
    "ticks": (_LATE, _BUSY, _LATEST),
}


def render(results: Results, rows: Iterable[Row], loops: Columns, libraries: Columns) -> str:
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
            columns = libraries if group in LIBRARY_GROUPS else loops
            parts.append(_table(heading, table, results, names, columns, notes))
    parts.append(_behind(results, rows, loops, libraries))
    parts.extend(f"[{number}] {note}" for number, note in enumerate(notes, 1))
    return "\n".join(parts)


def _table(
    heading: str,
    table: _Figures,
    results: Results,
    names: list[str],
    columns: Columns,
    notes: list[str],
) -> str:
    has_floor = any(results.has(name, columns.floor, table.name) for name in names)
    shown = [name for name in columns.names if name != columns.floor]
    shown += [columns.floor] if has_floor else []
    is_compared = {name: table.is_compared and name in columns.names for name in columns.subjects}
    subjects = [name for name in columns.subjects if is_compared[name]]
    floor_title = [f"{columns.subject} / {columns.floor}"] if has_floor else []
    lines = [["", *shown, *floor_title, *[f"{name} / best peer" for name in subjects]]]
    for name in names:
        if not any(results.has(name, column, table.name) for column in shown):
            continue
        cells = [_cell(table, results, name, column, notes) for column in shown]
        if has_floor:
            to_floor = Ratio.to_floor(results, name, columns, table.name)
            cells.append(_NONE if to_floor is None else f"{to_floor.median:.2f}")
        ratios = [Ratio.of(results, name, columns, table.name, subject) for subject in subjects]
        lines.append([name, *cells, *map(_ratio, ratios)])
    means = [_geometric_mean(table, results, names, columns, subject) for subject in subjects]
    if any(means):
        lines.append(
            ["geometric mean", *[""] * (len(lines[0]) - len(means) - 1), *[m or "" for m in means]]
        )
    return "\n".join([heading, "", *_aligned(lines, len(subjects)), ""])


def _aligned(lines: list[list[str]], ratios: int) -> Iterator[str]:
    """Yield the lines of a table with their cells below each other: names and ratios begin together, figures end so."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    to_left = {0, *range(len(widths) - ratios, len(widths))}
    for line in lines:
        cells = (
            cell.ljust(width) if column in to_left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "   ".join(cells).rstrip()


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
    table: _Figures, results: Results, names: list[str], columns: Columns, subject: str
) -> str | None:
    """Return the mean of a column of ratios; None where it has not two figures."""
    found = [Ratio.of(results, name, columns, table.name, subject) for name in names]
    ratios = [ratio.median for ratio in found if ratio is not None]
    return f"{statistics.geometric_mean(ratios):.2f}" if len(ratios) > 1 else None


def _behind(results: Results, rows: list[Row], loops: Columns, libraries: Columns) -> str:
    """List the rows in which what is ours is not ahead, by CPU time, by the clock, by memory or by ticks."""
    figures = {
        "CPU time": "cpu_ns",
        "the clock": "wall_ns",
        "memory": "waiting_bytes",
        "the ticks": "late_p99_ns",
    }
    lines = []
    for row in rows:
        columns = libraries if row.group in LIBRARY_GROUPS else loops
        for subject in columns.subjects:
            ratios = {
                what: Ratio.of(results, row.name, columns, name, subject)
                for what, name in figures.items()
            }
            behind = [
                f"by {what} {_ratio(ratio)}"
                for what, ratio in ratios.items()
                if ratio is not None and ratio.median < 1
            ]
            if behind:
                lines.append(f"  {row.group}: {row.name}, {subject}: {', '.join(behind)}")
    if not lines:
        return ""
    return "\n".join(["Rows in which aioxide is behind the best peer:", *lines, ""])
