"""The clock of tests."""

from typing import Self, final

@final
class VirtualClock:
    """A clock that stands still until it is moved, for tests of what takes time.

    Any thread may use it, and several loops may share it: it jumps once all that are running have nothing to do.

    Args:
        start: seconds that it shows at first.
        autojump_threshold: see the attribute.

    Raises:
        ValueError: a number is negative or no number, or `start` is infinite or beyond 292 years.

    """

    autojump_threshold: float | None
    """How many real seconds nothing has to happen before the clock jumps to the next deadline.

    0 means at once, and None that it never does, as does infinity.
    """

    def __new__(cls, start: float = 0.0, *, autojump_threshold: float | None = 0.0) -> Self: ...
    def time(self) -> float:
        """Return the seconds on this clock."""

    def advance(self, seconds: float) -> None:
        """Move the clock on; what becomes due runs in the next turn of its loop.

        Args:
            seconds: by how much. What `call_later(seconds)` has scheduled now is due then.

        Raises:
            ValueError: `seconds` is negative, infinite or no number, or the clock would pass 292 years.

        """
