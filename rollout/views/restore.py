"""The last lines of `rollout restore`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from rollout.views.text import count


def text(nodes: Collection[str], failures: Mapping[str, str]) -> Iterator[str]:
    """How many of `nodes`, which deployments had left out, are back; why each of `failures` is not."""
    back = len(nodes) - len(failures)
    yield f"{count(back, 'node')} back in rotation" if nodes else "no node was left out"
    for name, reason in failures.items():
        yield f"{name} stays out: {reason}"
