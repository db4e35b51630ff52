"""Invented deployments of any size, with samples and output, for what looks back at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rollout.decisions.story import Story
from rollout.decisions.telling import tell
from rollout.domain import Outcome, Step, Verdict
from rollout.events import (
    CapacityPlanned,
    CommandSent,
    DeploymentFinished,
    DeploymentStarted,
    Event,
    Halted,
    HookPrinted,
    Judged,
    NodeFailed,
    NodeFinished,
    OutputSeen,
    Probed,
    Progressed,
    Record,
    ReleaseNoted,
    Sampled,
    Served,
    StepFailed,
    StepFinished,
    StepStarted,
    UsersSaw,
    Waited,
    Warned,
)

NOON = 1_700_049_600.0
"""12:00:00 UTC."""
_TOOK = {
    Step.DRAIN: 1.5,
    Step.RELEASE: 0.5,
    Step.RESTART: 2.0,
    Step.VERIFY: 1.0,
    Step.READY: 0.2,
    Step.BAKE: 5.0,
}
_BALANCERS = ("lb1", "lb2")
_PRINTED = (OutputSeen, HookPrinted, Progressed)


def told(records: Sequence[Record]) -> Story:
    """The story of records, of which the journal keeps some apart."""
    return tell(
        [record for record in records if not isinstance(record.event, _PRINTED)],
        [record for record in records if isinstance(record.event, _PRINTED)],
    )


def records(timeline: Sequence[tuple[float, Event]]) -> list[Record]:
    """The records of events at so many seconds after noon, in their order in time."""
    ordered = sorted(timeline, key=lambda item: item[0])
    return [Record(17, number, NOON + at, event) for number, (at, event) in enumerate(ordered, 1)]


def rolled(
    nodes: int,
    *,
    window: int = 1,
    lines: int = 5,
    line: str = "Unpacking shop (1.4.2) over (1.4.1) ...",
    fails: str = "",
    hostile: str = "",
) -> list[Record]:
    """A deployment of web1, web2, …, `window` at a time, each of whose restarts prints so many lines.

    The node `fails` fails at its restart. `hostile` is a text that stands wherever a deployment may have any.
    """
    names = [f"web{number}" for number in range(1, nodes + 1)]
    timeline: list[tuple[float, Event]] = [
        (0.0, _started(names, window, hostile)),
        *((0.0, CapacityPlanned(name, "shop", nodes, nodes - window, 1)) for name in _BALANCERS),
        *((0.0, ReleaseNoted(name, f"1.4.1{hostile}")) for name in names),
        (0.1, Warned(f"backend shop has no option redispatch {hostile}")),
    ]
    turn = sum(_TOOK.values())
    end = turn * -(-nodes // window)
    for index, name in enumerate(names):
        timeline += _node(name, turn * (index // window) + 0.5, lines, line + hostile, failing=name == fails)
    timeline += _samples(end, nodes, window, hostile)
    failed = bool(fails)
    if failed:
        timeline.append((end, Halted(f"{fails} failed")))
    timeline += [
        (end + 1, Served(f"1.4.1{hostile}", 90_000, 0)),
        (end + 1, Served("1.4.2", 60_000, 12)),
        (end + 1, UsersSaw(150_020, 32, 20)),
        (end + 1, Probed(round(2 * end), 1, 12.0, 240.0)),
        (
            end + 1,
            DeploymentFinished(
                Outcome.FAILED if failed else Outcome.DONE, end + 1, f"{fails} failed" if failed else ""
            ),
        ),
    ]
    return records(timeline)


def _started(names: Sequence[str], window: int, hostile: str) -> DeploymentStarted:
    return DeploymentStarted(
        service=f"shop{hostile}",
        release="1.4.2",
        nodes=tuple(names),
        skipped=(),
        load_balancers=_BALANCERS,
        window=window,
        canary=1,
        inventory=f"prod.yml{hostile}",
        user=f"anna{hostile}",
        host="laptop",
        pid=42,
        job="https://ci.example/jobs/7",
        version="0.1.0",
    )


def _node(name: str, begun: float, lines: int, line: str, *, failing: bool) -> Iterator[tuple[float, Event]]:
    at = begun
    for step, took in _TOOK.items():
        yield at, StepStarted(name, step)
        if step in (Step.DRAIN, Step.READY):
            for balancer in _BALANCERS:
                yield at, CommandSent(name, step, balancer, f"set server shop/{name} state {step}")
        elif step in (Step.RELEASE, Step.RESTART):
            yield at, CommandSent(name, step, name, f"sudo systemctl {step} shop")
            yield from (
                (at + took / 2, OutputSeen(name, step, f"{number} {line}")) for number in range(lines)
            )
        if step is Step.DRAIN:
            yield at + took, Waited(name, step, "lb1 1 left (10.0.0.7:5501 for 41 s, websocket)", 1.2)
        if failing and step is Step.RESTART:
            tail = (f"ImportError: {line}",)
            yield at + took, StepFailed(name, step, took, f"exit status 1 {line}", hint="look", tail=tail)
            yield at + took, NodeFailed(name, left_out=True)
            return
        at += took
        if step is Step.BAKE:
            yield at, Judged((name,), Verdict.PASS, "0 errors of 900", 900, 0, "web2…web9 on 1.4.1", 7200, 1)
        yield at, StepFinished(name, step, took)
    yield at, NodeFinished(name, at - begun)


def _samples(end: float, nodes: int, window: int, hostile: str) -> Iterator[tuple[float, Event]]:
    for second in range(round(end)):
        moved = second / max(end, 1.0)
        yield (
            float(second),
            Sampled(
                releases=(f"1.4.1{hostile}", "1.4.2"),
                requests=(round(500 * second * (1 - moved / 2)), round(500 * second * moved / 2)),
                errors=(0, second // 20),
                by_haproxy=second // 40,
                sessions={"lb1": 12 + second % 5, "lb2": 9 + second % 7},
                ready=dict.fromkeys(_BALANCERS, nodes - (window if second % 10 < 5 else 0)),
                probes=2 * second,
                probe_failures=second // 60,
                probe_milliseconds=8 + second % 13,
            ),
        )
