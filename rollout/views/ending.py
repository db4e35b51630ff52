"""The last lines of a deployment: its result, what failed and why, and what to run next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rollout.decisions.progress import NodeProgress, Phase, Progress
from rollout.decisions.users_saw import OTHER_SERVERS, RELEASE_BEFORE
from rollout.domain import Outcome, Step
from rollout.events import Probed, Served, UsersSaw
from rollout.views.next_commands import next_commands, status_command
from rollout.views.text import count, duration, few, printable

_COMMANDS = (Step.PREPARE, Step.RELEASE, Step.RESTART)
"""The steps that change something on the node."""


def ending(progress: Progress) -> list[str]:
    """The last lines, for people: the result, what failed and why, and what to run next."""
    return [printable(line) for line in (*_summary(progress), *_failures(progress), *_next(progress))]


def _summary(progress: Progress) -> Iterator[str]:
    what = f"{progress.service} {progress.release or 'restart'}"
    took = duration(progress.seconds or 0.0)
    reason = f": {progress.reason}" if progress.reason else ""
    match progress.outcome:
        case Outcome.DONE:
            # Skipped nodes count: whoever reads this line alone must not take them for done.
            nodes = count(len(progress.nodes), "node")
            yield f"{what} done on {progress.done} of {nodes} in {took}{reason}"
        case Outcome.INTERRUPTED:
            yield f"{what} was interrupted after {took}{reason}"
        case _:
            yield f"{what} failed after {took}{reason}"
    groups = {
        "done": Phase.DONE,
        "failed": Phase.FAILED,
        "unfinished": Phase.RUNNING,
        "untouched": Phase.WAITING,
        "skipped": Phase.SKIPPED,
    }
    if progress.done < len(progress.nodes):
        for word, phase in groups.items():
            if names := progress.names(phase):
                yield f"  {len(names)} {word}: {few(names)}"
    yield from users(progress.users_saw, progress.served, progress.probed)


def users(saw: UsersSaw | None, served: Sequence[Served], probed: Probed | None) -> Iterator[str]:
    """The answers that users got, and those that the probe got."""
    if saw:
        by_servers = "".join(
            f", {each.errors:,} of {each.requests:,} by {_servers(each.release)}" for each in served
        )
        yield (
            f"  users saw {count(saw.errors, 'error')} in {saw.requests:,} requests:"
            f" {saw.by_haproxy:,} by HAProxy{by_servers}"
        )
    if probed:
        yield (
            f"  the probe saw {count(probed.failed, 'failure')} in {probed.asked:,} requests"
            f" · median {probed.median:.0f} ms, longest {probed.longest:.0f} ms"
        )


def _servers(release: str) -> str:
    """`servers of release 1.4.2`."""
    if release == OTHER_SERVERS:
        return release
    return f"servers of {release if release.startswith(RELEASE_BEFORE) else f'release {release}'}"


def _failures(progress: Progress) -> Iterator[str]:
    for node in progress.nodes.values():
        if node.phase is Phase.RUNNING:
            yield ""
            yield f"{node.name} was interrupted at {node.step}"
            node_now = node if node.name in progress.in_doubt else replace(node, left_out=False)
            yield f"  {fate(node_now, balanced=progress.balanced)}"
        if node.phase is not Phase.FAILED:
            continue
        yield ""
        if failure := node.failure:
            how = "was back, and went out of rotation again" if failure.fell else f"failed at {failure.step}"
            yield f"{node.name} {how} after {duration(failure.seconds)}: {failure.reason}"
            yield from (f"  | {line}" for line in failure.tail)
            if failure.unknown and failure.step in _COMMANDS:
                yield f"  whether {failure.step} worked is unknown: the answer never came"
        else:
            yield f"{node.name} failed"
        yield f"  {fate(node, balanced=progress.balanced)}"
        if node.left_out and node.forgotten_by:
            yield f"  a reload or restart of HAProxy on {few(node.forgotten_by)} puts it back into rotation"
            yield "  to keep it out, stop its application; `rollout drain --keep` says what else lasts"
        if failure and failure.hint:
            yield f"  hint: {failure.hint}"


def fate(node: NodeProgress, *, balanced: bool) -> str:
    """Where a node that failed stands now. `balanced` says whether load balancers send it requests."""
    if not balanced:
        running = "no load balancer could take it out: it keeps running in its present state"
        return running if node.touched else "untouched"
    others = node.failure is not None and node.failure.changed_by_others
    if node.left_out is None:
        return "it may take no traffic"
    if node.left_out:
        return f"left out{', except what somebody else changed' if others else ': it takes no traffic now'}"
    if others:
        return "its servers are as somebody else set them"
    if node.failure is not None and node.failure.fell:
        return "out of rotation by its health check, not by rollout: it takes traffic once the check passes"
    match node.step:
        case Step.BAKE:
            return "it takes traffic in its present state"
        case Step.RELEASE | Step.RESTART:
            return "it takes traffic as before, not restarted"
    return "it takes traffic as before, untouched"


def _next(progress: Progress) -> Iterator[str]:
    if progress.outcome is Outcome.DONE and not progress.failed:
        return
    if progress.to_be_rolled_back:
        yield ""
        yield f"rolled back now: {few(progress.touched)}"
        return
    commands = [status_command(progress.inventory), *next_commands(progress, progress.inventory)]
    width = max(len(command.line) for command in commands)
    yield ""
    yield "what to run next, or deploy again once the cause is fixed:"
    for command in commands:
        yield f"  {command.line:{width}}  # {command.effect} {command.more}"
