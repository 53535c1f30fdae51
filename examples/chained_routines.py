"""Chained routines: each chain awaits its second part after its first, while the chains overlap.

Numbers on the command line name the chains, 1 2 3 if there are none. The random delays come from a
fixed seed; with three chains no two events are nearer to each other than a tenth of a second, so
their order is certain.
"""

import asyncio
import random
import sys
import time

TENTH_S = 0.1


async def part1(n: int) -> str:
    """Make the first half of result `n`."""
    tenths = random.randint(1, 6)
    print(f"part1({n}) sleeping for {tenths} tenths of a second.")
    await asyncio.sleep(tenths * TENTH_S)
    result = f"result{n}-1"
    print(f"Returning part1({n}) == {result}.")
    return result


async def part2(n: int, arg: str) -> str:
    """Derive the second half of result `n` from the first."""
    tenths = random.randint(1, 6)
    print(f"part2{n, arg} sleeping for {tenths} tenths of a second.")
    await asyncio.sleep(tenths * TENTH_S)
    result = f"result{n}-2 derived from {arg}"
    print(f"Returning part2{n, arg} == {result}.")
    return result


async def chain(n: int) -> None:
    """Run both parts of chain `n`, one after the other."""
    start = time.perf_counter()
    p1 = await part1(n)
    p2 = await part2(n, p1)
    print(f"--> Chained result{n} => {p2}.")
    print(f"chain {n} took {time.perf_counter() - start:0.2f} seconds", file=sys.stderr)


async def main(*names: int) -> None:
    """Run all chains at once."""
    await asyncio.gather(*(chain(n) for n in names))


if __name__ == "__main__":
    random.seed(1)
    names = [1, 2, 3] if len(sys.argv) == 1 else list(map(int, sys.argv[1:]))
    start = time.perf_counter()
    asyncio.run(main(*names))
    print("Program finished.")
    print(f"It took {time.perf_counter() - start:0.2f} seconds.", file=sys.stderr)
