"""`rollout` on fleets of 1,000 and of 3,000 nodes: three times as many must cost three times as much.

`python -m benchmarks.thousands [CHECKOUT]`; with the path of another checkout of rollout, both take turns.
Each node is a server of one backend of a real HAProxy. What is told is the processor time of rollout's own
process. The nodes have no health pages (each takes 1 ms), and answer commands at once: SSH is left out.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.many import Site
from benchmarks.measuring import run, tell

FEW, MANY = 1000, 3000
_TARGETS = {"status": 1.0, "plan": 2.0}
"""Seconds of the processor's time for the larger fleet."""
_ROUNDS = 3
_CHECK = "check inter 60s"
"""Thousands of checks a second would take the processor's time from what is measured."""
_MEASURED = """
import atexit, resource, sys
from pathlib import Path
from rollout.adapters.local import LocalHost
from rollout.cli.main import main
from rollout.domain import Completed
noted, run = Path(sys.argv.pop(1)), LocalHost.run
async def answered(self, line, **options):
    return Completed(0) if self.name.startswith("web") else await run(self, line, **options)
LocalHost.run = answered
@atexit.register
def note():
    own = resource.getrusage(resource.RUSAGE_SELF)
    noted.write_text(str(own.ru_utime + own.ru_stime))
sys.exit(main())
"""
"""Runs `rollout`, and writes down its processor time."""


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all processes end
    checkouts = {"this checkout": Path(__file__).parents[1]}
    if len(sys.argv) > 1:
        checkouts["the other"] = Path(sys.argv[1]).resolve()
    seconds: dict[tuple[str, int, str], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="rollout-") as temporary:
        for nodes in (FEW, MANY):
            site = Site(Path(temporary, str(nodes)), backends=1, nodes=nodes, check=_CHECK, pages=False)
            with site.running():
                for _ in range(_ROUNDS):
                    for verb in _TARGETS:
                        for name, checkout in checkouts.items():
                            taken = _own_time(site, verb, checkout)
                            seconds.setdefault((name, nodes, verb), []).append(taken)
    for verb, target in _TARGETS.items():
        print(f"\nrollout {verb}, processor")
        for name in checkouts:
            few, many = (median(seconds[name, nodes, verb]) for nodes in (FEW, MANY))
            tell(f"{name}, {FEW:,} nodes", f"{few:.2f} s")
            tell(f"{name}, {MANY:,} nodes", f"{many:.2f} s", f"at most {target:g} s")
            tell(f"{name}, {MANY:,} / {FEW:,} nodes", f"{many / few:.1f}", "at most 3")


def _own_time(site: Site, verb: str, checkout: Path) -> float:
    """Seconds of the processor's time that `rollout` itself takes."""
    noted = site.folder / "seconds"
    environment = os.environ | {
        "PYTHONPATH": str(checkout),
        "XDG_STATE_HOME": f"{site.folder}/state of {checkout.name}",
    }
    run([sys.executable, "-P", "-c", _MEASURED, str(noted), verb, "-i", str(site.inventory)], environment)
    return float(noted.read_text())


if __name__ == "__main__":
    main()
