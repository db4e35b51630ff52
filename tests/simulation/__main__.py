"""Simulate the deployments of these seeds on all cores, and show each one that breaks an invariant."""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from contextlib import nullcontext
from pathlib import Path

from tests.simulation.many import Totals, cores, simulate_many


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument(
        "seeds", nargs="+", type=_seeds, metavar="SEEDS", help="a seed, or a range such as 0-10000"
    )
    parser.add_argument("--workers", type=int, default=cores(), help="processes, by default one per core")
    parser.add_argument(
        "--verdicts", type=Path, metavar="FILE", help="write a line about each seed, to compare with diff"
    )
    arguments = parser.parse_args()
    seeds = list(itertools.chain(*arguments.seeds))
    totals, begun = Totals(), time.monotonic()
    with arguments.verdicts.open("w") if arguments.verdicts else nullcontext() as verdicts:
        for result in simulate_many(seeds, min(arguments.workers, len(seeds))):
            totals.add(result)
            if verdicts:
                verdicts.write(f"{result.verdict}\n")
            if result.violations:
                sys.stdout.write(f"{result}\n\n")
    sys.stdout.write(f"{totals} in {time.monotonic() - begun:.0f} s\n")
    return 1 if totals.failures else 0


def _seeds(text: str) -> range:
    first, _, end = text.partition("-")
    return range(int(first), int(end) if end else int(first) + 1)


if __name__ == "__main__":
    sys.exit(main())
