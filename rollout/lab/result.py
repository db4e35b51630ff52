"""The result of traffic: how many requests were answered, and how many were lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Result:
    """The requests that were sent, by how they ended."""

    sent: int = 0
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Right answers, by release and node."""
    losses: Counter[str] = field(default_factory=Counter)
    """All other requests, by status or by how the connection broke."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from when a request was due to its right answer, without the time that a slow one asks for."""

    @property
    def answered(self) -> int:
        """Number of right answers."""
        return self.answers.total()

    @property
    def lost(self) -> int:
        """Number of requests without a right answer."""
        return self.losses.total()

    @property
    def releases(self) -> Counter[str]:
        """Right answers by release."""
        count: Counter[str] = Counter()
        for (release, _), number in self.answers.items():
            count[release] += number
        return count

    def nodes(self, release: str) -> set[str]:
        """The nodes that answered with this release."""
        return {node for answered, node in self.answers if answered == release}

    def latency(self, fraction: float) -> float:
        """Seconds within which this fraction (0 to 1) of the right answers came; 0 if there is none."""
        ordered = sorted(self.latencies)
        return ordered[min(int(fraction * len(ordered)), len(ordered) - 1)] if ordered else 0.0

    def __str__(self) -> str:
        """The result as lines for people."""
        lines = [f"{self.sent:,} requests sent · {self.lost:,} lost"]
        lines += [f"  lost: {number:,} × {kind}" for kind, number in self.losses.most_common()]
        lines += [
            f"  release {release} answered {number:,}" for release, number in sorted(self.releases.items())
        ]
        p50, p99, most = (f"{1000 * self.latency(fraction):.1f} ms" for fraction in (0.5, 0.99, 1.0))
        lines.append(f"  latency p50 {p50} · p99 {p99} · max {most}")
        return "\n".join(lines)
