"""What a profile-guided build learns from: ordinary programs, each repeated for the same time.

The compiler takes for hot what makes up most of all that was counted, so no program may count much more than another.
Run by maturin (``pgo-command`` in pyproject.toml) with an instrumented build, as ``python tools/training``.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable

import network
import primitives
import system
import tasks

import aioxide


def main() -> None:
    """Run every program of every module, on a loop and with natives of ours."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds-each", type=float, default=0.4)
    options = parser.parse_args()
    aioxide.install()
    for module in (tasks, primitives, network, system):
        for program in module.PROGRAMS:
            rounds = asyncio.run(_repeat(program, options.seconds_each))
            print(f"{module.__name__}.{program.__name__}: {rounds} rounds", flush=True)


async def _repeat(program: Callable[[], Awaitable[None]], seconds: float) -> int:
    """Repeat *program* until *seconds* are over, once at least, and return how often it ran."""
    rounds = 0
    deadline = time.monotonic() + seconds
    while rounds == 0 or time.monotonic() < deadline:
        await program()
        rounds += 1
    return rounds


if __name__ == "__main__":
    main()
