"""The samples of a run: kept in memory while it goes on, and as JSON afterwards."""

import json
from collections import defaultdict
from pathlib import Path

from suite.measure import Sample

_FOLDER = Path(__file__).resolve().parent.parent / "results"


class Results:
    """What was measured, by row and loop, one sample for each round."""

    def __init__(self) -> None:
        self._samples: dict[tuple[str, str], list[Sample]] = defaultdict(list)
        #: Why a loop cannot do a row; one failure outweighs all samples.
        self._failures: dict[tuple[str, str], str] = {}

    def add(self, row: str, loop: str, sample: Sample) -> None:
        """Keep one sample."""
        self._samples[row, loop].append(sample)

    def fail(self, row: str, loop: str, reason: str) -> None:
        """Keep the reason why *loop* has no figure in *row*."""
        self._failures[row, loop] = reason

    def failure(self, row: str, loop: str) -> str | None:
        """Return why *loop* has no figure in *row*; None if it has."""
        return self._failures.get((row, loop))

    def figures(self, row: str, loop: str, name: str) -> list[float]:
        """Return one figure of each round; empty if there is none, or if the loop failed."""
        if (row, loop) in self._failures:
            return []
        return [sample[name] for sample in self._samples[row, loop] if name in sample]

    def save(self, name: str, about: dict[str, object]) -> Path:
        """Write everything to ``results/NAME.json`` and return the path."""
        rows: dict[str, dict[str, object]] = defaultdict(dict)
        for (row, loop), samples in self._samples.items():
            rows[row][loop] = samples
        for (row, loop), reason in self._failures.items():
            rows[row][loop] = {"failed": reason}
        _FOLDER.mkdir(exist_ok=True)
        path = _FOLDER / f"{name}.json"
        path.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
        return path
