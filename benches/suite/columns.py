"""Who is compared in a group of rows: event loops in most, libraries in those about files."""

from collections.abc import Iterable
from dataclasses import dataclass

from suite import peers
from suite.files import libraries

#: The groups whose columns are libraries.
LIBRARY_GROUPS = frozenset({"files", "overhead", "ticks"})


@dataclass(frozen=True)
class Columns:
    """The columns of a table, in order, and what part each has in the comparison."""

    names: tuple[str, ...]
    #: Those that are compared with the best peer, each in a column of ratios of its own.
    subjects: tuple[str, ...]
    #: Those that they are compared with.
    peers: tuple[str, ...]
    #: What is no peer, but the speed that there is to reach.
    floor: str

    @property
    def subject(self) -> str:
        """The one that is compared with the floor, and listed where it is behind."""
        return self.subjects[0]


def of_loops(names: Iterable[str]) -> Columns:
    """Return the columns for event loops."""
    names = tuple(names)
    others = tuple(name for name in names if name != peers.SUBJECT)
    return Columns(names, (peers.SUBJECT,), others, peers.FLOOR)


def of_libraries(names: Iterable[str]) -> Columns:
    """Return the columns for libraries; the floor is one of them, and has the first."""
    names = tuple(names)
    others = tuple(
        name for name in names if name != libraries.SYNC and not libraries.LIBRARIES[name].is_ours()
    )
    return Columns(names, (libraries.RING, libraries.POOL), others, libraries.SYNC)
