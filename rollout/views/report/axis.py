"""The time axis of timeline and charts. Tries stand side by side; the time between them is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rollout.decisions.story import Story
from rollout.views.times import clock

LEFT, RIGHT = 120.0, 990.0
"""Pixels between which the axis lies; names stand to the left of it."""
_GAP = 16.0
"""Pixels between two tries."""
_ROOM = 56.0
"""Pixels that a time of day needs."""
_TICKS = 8
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)
"""Seconds between two ticks, of which the first is taken that gives few enough."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One try on the axis: Unix times, and the pixels at which they are."""

    began: float
    last: float
    left: float
    right: float


class Axis:
    """The axis of one story."""

    def __init__(self, story: Story) -> None:
        spans = [(each.began, max(each.last, each.began + 0.001)) for each in story.tries]
        self._seconds = sum(last - began for began, last in spans)
        scale = (RIGHT - LEFT - _GAP * (len(spans) - 1)) / self._seconds
        segments, left = [], LEFT
        for began, last in spans:
            segments.append(Segment(began, last, left, left + (last - began) * scale))
            left = segments[-1].right + _GAP
        self.segments: Sequence[Segment] = segments

    def x(self, time: float) -> float:
        """The pixel of a Unix time; one between two tries is at the end of the earlier one."""
        segment = self.segments[0]
        for each in self.segments:
            if each.began <= time:
                segment = each
        share = (min(max(time, segment.began), segment.last) - segment.began) / (segment.last - segment.began)
        return segment.left + share * (segment.right - segment.left)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Pixels and times of day, evenly spread over each try."""
        pace = next((step for step in _STEPS if self._seconds / step <= _TICKS), _STEPS[-1])
        for segment in self.segments:
            yield segment.left, clock(segment.began)
            tick = segment.began - segment.began % pace + pace
            while tick < segment.last:
                x = self.x(tick)
                if segment.left + _ROOM < x < segment.right - _ROOM:
                    yield x, clock(tick)
                tick += pace
