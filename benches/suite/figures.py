"""From the rounds of a row to the numbers of a table: median, spread, and the ratio to the best peer."""

import statistics
from dataclasses import dataclass
from typing import Self

from suite.columns import Columns
from suite.results import Results


@dataclass(frozen=True)
class Figure:
    """A median over the rounds and how far the rounds lie apart."""

    median: float
    #: Half the distance between the quartiles, as a share of the median.
    spread: float

    @classmethod
    def of(cls, rounds: list[float]) -> Self | None:
        """Return the figure of *rounds*; None if there are none."""
        if not rounds:
            return None
        median = statistics.median(rounds)
        if len(rounds) < 2:
            return cls(median, 0.0)
        low, _, high = statistics.quantiles(rounds, n=4, method="inclusive")
        return cls(median, (high - low) / 2 / median if median else 0.0)


@dataclass(frozen=True)
class Ratio:
    """How the subject compares with the best of its peers; above 1 it is ahead."""

    median: float
    low: float
    high: float
    peer: str

    @classmethod
    def of(
        cls, results: Results, row: str, columns: Columns, name: str, subject: str | None = None
    ) -> Self | None:
        """Compare round by round a figure of which less is better; None if one side is missing.

        The rounds are paired, because loops of one round ran one after the other and what disturbed
        one of them is likely to have disturbed the other.
        """
        ours = results.figures(row, subject or columns.subject, name)
        theirs = {
            peer: rounds
            for peer in columns.peers
            if results.deviation(row, peer) is None and (rounds := results.figures(row, peer, name))
        }
        if not ours or not theirs:
            return None
        best = min(theirs, key=lambda peer: statistics.median(theirs[peer]))
        return cls._of_pairs(theirs[best], ours, best)

    @classmethod
    def to_floor(cls, results: Results, row: str, columns: Columns, name: str) -> Self | None:
        """Compare with what is no peer, in the same way."""
        floor = results.figures(row, columns.floor, name)
        return cls._of_pairs(floor, results.figures(row, columns.subject, name), columns.floor)

    @classmethod
    def _of_pairs(cls, theirs: list[float], ours: list[float], peer: str) -> Self | None:
        pairs = [other / own for other, own in zip(theirs, ours, strict=False) if own]
        if not pairs:
            return None
        return cls(statistics.median(pairs), min(pairs), max(pairs), peer)
