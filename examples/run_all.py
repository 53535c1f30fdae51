"""Run every example on stdlib asyncio and on aioxide, compare what they do, print one table.

The exit status is 0 if every example that could run printed what it should, on both loops alike.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.catalogue import EXAMPLES, Example
from harness.trial import COMMANDS, Trial, difference, run_example, why_not, why_skip

# Enough of a failed program's stderr to see a traceback.
STDERR_LINES_MAX = 25


@dataclass
class Verdict:
    """What is to be said about one example: its runs by loop, and what is wrong with them."""

    example: Example
    trials: dict[str, Trial] = field(default_factory=dict)
    skipped: str = ""
    faults: list[str] = field(default_factory=list)

    @property
    def word(self) -> str:
        """The one word for the table."""
        if self.skipped:
            return "skipped"
        return "NO" if self.faults else "yes"


def judge(example: Example, loops: Sequence[str]) -> Verdict:
    """Run `example` on each of `loops` and compare."""
    verdict = Verdict(example, skipped=why_skip(example))
    if verdict.skipped:
        return verdict
    verdict.trials = {loop: run_example(example, loop) for loop in loops}
    verdict.faults = list(_faults(example, verdict.trials))
    return verdict


def _faults(example: Example, trials: dict[str, Trial]) -> Iterator[str]:
    for loop, trial in trials.items():
        if trial.trouble:
            stderr = "\n".join(trial.stderr.splitlines()[-STDERR_LINES_MAX:])
            yield f"on {loop}: {trial.trouble}\n{stderr}".rstrip()
    first, *others = trials
    expected = difference(example.expected, "expected", trials[first].stdout, first)
    if expected:
        yield f"{first} does not print what it should:\n{expected}"
    for other in others:
        differs = difference(trials[first].stdout, first, trials[other].stdout, other)
        if differs:
            yield f"{first} and {other} print different things:\n{differs}"


def table_head(loops: Sequence[str]) -> str:
    """Return the two lines above the rows."""
    columns = "".join(f"  {loop + ' wall':>13} {'cpu':>6}" for loop in loops)
    line = f"{'program':<28} {'same output':<11}{columns}"
    return f"{line}\n{'-' * len(line)}"


def table_row(verdict: Verdict, loops: Sequence[str]) -> str:
    """Return the line of one example; all times are seconds."""
    columns = "".join(
        f"  {verdict.trials[loop].wall_s:>13.2f} {verdict.trials[loop].cpu_s:>6.2f}"
        for loop in loops
        if loop in verdict.trials
    )
    return f"{verdict.example.name:<28} {verdict.word:<11}{columns or '  ' + verdict.skipped}"


def table_foot(verdicts: Sequence[Verdict], loops: Sequence[str]) -> str:
    """Return the line of sums and the sentence that says it all."""
    sums = "".join(
        f"  {sum(v.trials[loop].wall_s for v in verdicts if v.trials):>13.2f}"
        f" {sum(v.trials[loop].cpu_s for v in verdicts if v.trials):>6.2f}"
        for loop in loops
    )
    words = [verdict.word for verdict in verdicts]
    sentence = (
        f"{len(words)} programs: {words.count('yes')} the same,"
        f" {words.count('NO')} not, {words.count('skipped')} skipped"
    )
    line = f"{'all (seconds)':<28} {'':<11}{sums}"
    return f"{'-' * len(line)}\n{line}\n{sentence}"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [example.name for example in EXAMPLES]
    parser.add_argument(
        "--only", metavar="NAME", action="append", choices=names, help="run this one (repeatable)"
    )
    parser.add_argument(
        "--loops",
        metavar="LOOP",
        nargs="+",
        choices=list(COMMANDS),
        default=list(COMMANDS),
        help=f"run on these only: {', '.join(COMMANDS)}",
    )
    return parser.parse_args()


def main() -> int:
    """Run, print, and return the exit status."""
    options = arguments()
    if "aioxide" in options.loops and why_not("aioxide"):
        print(why_not("aioxide"), file=sys.stderr)
        return 2
    print(table_head(options.loops), flush=True)
    verdicts = []
    for example in EXAMPLES:
        if options.only is None or example.name in options.only:
            verdicts.append(judge(example, options.loops))
            print(table_row(verdicts[-1], options.loops), flush=True)
    print(table_foot(verdicts, options.loops))
    for verdict in verdicts:
        for fault in verdict.faults:
            print(f"\n{verdict.example.name}: {fault}")
    return 1 if any(verdict.faults for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
