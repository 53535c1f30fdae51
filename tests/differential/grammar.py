"""What programs are made of, drawn from bytes: by the names of Hypothesis's strategies, at a small part of their cost.

Hypothesis draws the bytes, one string for each script, and makes them fewer and smaller when a program fails. All of a
program that its bytes do not reach is the simplest there can be: the first choice, the shortest list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

# A script of six operations takes about as many as the mean.
BYTES_MIN, BYTES_MAX = 16, 64


class Source:
    """Numbers from bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def below(self, bound: int) -> int:
        """Return a number from 0 to less than `bound`, which is 256 at most; 0 once the bytes are used up."""
        if self._place >= len(self._data):
            return 0
        self._place += 1
        return self._data[self._place - 1] % bound


class Grammar:
    """A part of programs: called with a source, it gives one. `choices` are what it chooses from, if it does."""

    def __init__(self, draw: Callable[[Source], Any], choices: Sequence[Grammar] = ()) -> None:
        self._draw = draw
        self.choices = choices or (self,)

    def __call__(self, source: Source) -> Any:
        return self._draw(source)

    def map(self, change: Callable[[Any], Any]) -> Grammar:
        """Return the same, where each part that is drawn is changed."""
        return Grammar(lambda source: change(self._draw(source)))


def drawn(grammar: Grammar) -> Any:
    """Return the Hypothesis strategy for what a grammar gives."""
    data = st.binary(min_size=BYTES_MIN, max_size=BYTES_MAX)
    return data.map(lambda data: grammar(Source(data)))


def just(value: Any) -> Grammar:
    """Give always the same."""
    return Grammar(lambda source: value)


def none() -> Grammar:
    """Give None."""
    return just(None)


def integers(smallest: int, largest: int) -> Grammar:
    """Give a number from `smallest` to `largest`."""
    count = largest - smallest + 1
    return Grammar(lambda source: smallest + source.below(count))


def sampled_from(values: Sequence[Any]) -> Grammar:
    """Give one of some values."""
    values = tuple(values)
    return Grammar(lambda source: values[source.below(len(values))])


def booleans() -> Grammar:
    """Give False or True."""
    return sampled_from((False, True))


def tuples(*parts: Grammar) -> Grammar:
    """Give a tuple with something of each part."""
    return Grammar(lambda source: tuple(part(source) for part in parts))


def lists(part: Grammar, *, min_size: int = 0, max_size: int) -> Grammar:
    """Give a list of so many."""
    size = integers(min_size, max_size)
    return Grammar(lambda source: [part(source) for _ in range(size(source))])


def one_of(*choices: Grammar) -> Grammar:
    """Give something of one of these, where the choices of a choice count as if they stood here."""
    flat = tuple(inner for choice in choices for inner in choice.choices)
    return Grammar(lambda source: flat[source.below(len(flat))](source), flat)


def recursive(leaf: Grammar, extend: Callable[[Grammar], Grammar], *, depth: int) -> Grammar:
    """Give a leaf, or as often what `extend` makes of this, to so many levels."""
    level = leaf
    for _ in range(depth):
        inner = extend(level)
        level = _evenly(leaf, inner)
    return level


def _evenly(first: Grammar, second: Grammar) -> Grammar:
    return Grammar(lambda source: (second if source.below(2) else first)(source))
