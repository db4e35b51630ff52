"""Where the time of a deployment went, against the least that it could have taken. A story in, sums out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from rollout.decisions.story import Story, TryStory
from rollout.domain import Step
from rollout.events import Paused, WentOn

HOOKS, PAUSED, BETWEEN = "hooks", "paused", "between"
"""What is no step: hooks, pauses, and the time in which neither a step nor a hook ran."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of a deployment that went into one thing."""

    what: str
    """A step, `HOOKS`, `PAUSED` or `BETWEEN`."""
    owner: str
    """Who needs it: `application`, `inventory`, `users`, `people`, or `rollout`."""
    seconds: float

    @property
    def ideal(self) -> bool:
        """Whether the application needs it or the inventory asks for it, so that none could do without."""
        return self.owner in ("application", "inventory")


_OWNERS = {
    Step.PREPARE.value: "application",
    Step.RELEASE.value: "application",
    Step.RESTART.value: "application",
    Step.VERIFY.value: "application",
    Step.BAKE.value: "inventory",
    HOOKS: "inventory",
    Step.DRAIN.value: "users",
    PAUSED: "people",
    Step.READY.value: "rollout",
    BETWEEN: "rollout",
}


def spent(story: Story) -> tuple[Spent, ...]:
    """The time of all tries by what it went into; the sums together are the whole time.

    Where several nodes are in flight, each moment counts for all that runs in it, in equal parts.
    """
    sums = dict.fromkeys(_OWNERS, 0.0)
    for each in story.tries:
        _add(sums, story, each)
    return tuple(Spent(what, owner, sums[what]) for what, owner in _OWNERS.items() if sums[what] > 0)


def _add(sums: dict[str, float], story: Story, each: TryStory) -> None:
    """Add the time of one try."""
    changes = sorted(_changes(story, each))
    active = Counter[str]()
    now = each.began
    for time, what, change in [*changes, (each.last, "", 0)]:
        running = sum(active.values())
        length = max(0.0, min(time, each.last) - now)
        paused = active[PAUSED] > 0
        if running - active[PAUSED]:
            for name, number in active.items():
                if name != PAUSED:
                    sums[name] += length * number / (running - active[PAUSED])
        else:
            sums[PAUSED if paused else BETWEEN] += length
        now = max(now, min(time, each.last))
        active[what] += change


def _changes(story: Story, each: TryStory) -> Iterator[tuple[float, str, int]]:
    """When something began (1) or ended (-1)."""
    for what, began, seconds in _intervals(story, each):
        yield began, what, 1
        yield (each.last if seconds is None else began + seconds), what, -1


def _intervals(story: Story, each: TryStory) -> Iterator[tuple[str, float, float | None]]:
    for hook in story.hooks:
        if each.began <= hook.command.time <= each.last:
            yield HOOKS, hook.command.time, hook.seconds
    for node in story.nodes.values():
        for one in (one for one in node.tries if one.number == each.number):
            yield from ((HOOKS, hook.command.time, hook.seconds) for hook in one.hooks)
            yield from ((step.step.value, step.began, step.seconds) for step in one.steps if step.lasted)
    paused: float | None = None
    for moment in each.moments:
        if isinstance(moment.event, Paused) and paused is None:
            paused = moment.time
        elif isinstance(moment.event, WentOn) and paused is not None:
            yield PAUSED, paused, moment.time - paused
            paused = None
    if paused is not None:
        yield PAUSED, paused, None
