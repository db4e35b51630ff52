"""`python -m tests.simulation 0-10000` or `17 18`: simulate these seeds on all cores, show what fails."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time

from tests.simulation.many import Tally, simulate_many


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument(
        "seeds", nargs="+", type=_seeds, metavar="SEEDS", help="a seed, or a range such as 0-10000"
    )
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    arguments = parser.parse_args()
    seeds = list(itertools.chain(*arguments.seeds))
    counted, begun = Tally(), time.monotonic()
    for result in simulate_many(seeds, min(arguments.workers, len(seeds))):
        counted.add(result)
        if result.violations:
            sys.stdout.write(f"{result}\n\n")
    sys.stdout.write(f"{counted} in {time.monotonic() - begun:.0f} s\n")
    return 1 if counted.failures else 0


def _seeds(text: str) -> range:
    first, _, end = text.partition("-")
    return range(int(first), int(end) if end else int(first) + 1)


if __name__ == "__main__":
    sys.exit(main())
