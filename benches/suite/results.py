"""The samples of a run: kept in memory while it goes on, and as JSON afterwards."""

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent.parent / "results"


@dataclass(frozen=True)
class Sample:
    """What one process measured."""

    #: By name; in nanoseconds per operation unless the name says otherwise.
    figures: dict[str, float]
    #: How the loop saved itself work that asyncio's answer needs, if it did.
    deviation: str | None = None


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

    def deviation(self, row: str, loop: str) -> str | None:
        """Return why the figures of *loop* in *row* are out of competition; None if they are not."""
        samples = self._samples.get((row, loop))
        return samples[0].deviation if samples else None

    def figures(self, row: str, loop: str, name: str) -> list[float]:
        """Return one figure of each round; empty if there is none, or if the loop failed."""
        if (row, loop) in self._failures:
            return []
        samples = self._samples.get((row, loop), [])
        return [sample.figures[name] for sample in samples if name in sample.figures]

    def has(self, row: str, loop: str, name: str) -> bool:
        """Whether there is something to say about a figure: the figure, or the reason why not."""
        return (row, loop) in self._failures or bool(self.figures(row, loop, name))

    def save(self, name: str, about: dict[str, object]) -> Path:
        """Write everything to ``results/NAME.json`` and return the path."""
        rows: dict[str, dict[str, object]] = defaultdict(dict)
        for (row, loop), samples in self._samples.items():
            rows[row][loop] = [asdict(sample) for sample in samples]
        for (row, loop), reason in self._failures.items():
            rows[row][loop] = {"failed": reason}
        _FOLDER.mkdir(exist_ok=True)
        path = _FOLDER / f"{name}.json"
        path.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
        return path
