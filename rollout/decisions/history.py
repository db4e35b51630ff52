"""Decisions from past deployments: what can be resumed or rolled back, and what need not be remembered."""

from __future__ import annotations

import difflib
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from rollout.decisions.memory import NodeMemory, nodes_out
from rollout.decisions.progress import Phase, Progress
from rollout.domain import Server, ServerBefore
from rollout.errors import Refused, UsageError
from rollout.inventory import Inventory
from rollout.masks import is_masked


def to_forget(old: Sequence[int], memories: Mapping[str, NodeMemory]) -> list[int]:
    """Those of the `old` deployments that can be removed: all but those which left out a node that is still
    out. A rollback needs the last one alone."""
    needed = {out.deployment for out in nodes_out(memories).values()}
    return [number for number in old if number not in needed]


def require_any(deployments: Collection[int], service: str) -> None:
    """Raises Refused if there is no deployment of the service."""
    if not deployments:
        raise Refused(f"{service} has not been deployed yet", hint="rollout deploy --release RELEASE")


def require_known(number: int, deployments: Collection[int], service: str) -> None:
    """Raises Refused if `number` is none of the deployments; the message names those that are there."""
    if number not in deployments:
        there = f", only {in_spans(deployments)}" if deployments else ""
        raise Refused(f"the journal has no deployment {number} of {service}{there}", hint="rollout history")


def require_known_node(name: str, nodes: Collection[str], where: str) -> None:
    """Raises UsageError if `name` is none of the nodes; the message names a similar one, or all."""
    if name not in nodes:
        near = difflib.get_close_matches(name, nodes, n=1)
        raise UsageError(
            f"{where} has no node {name!r}",
            hint=f"did you mean {near[0]}?" if near else f"its nodes are {', '.join(sorted(nodes))}",
        )


def in_spans(numbers: Iterable[int]) -> str:
    """The numbers in order, those that follow each other as a span: `3, 5 to 17`."""
    spans: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in spans)


def put_back(
    deployment: Progress, placement: Mapping[str, Sequence[Server]]
) -> dict[str, dict[Server, ServerBefore]]:
    """The nodes that are done, and how each of their servers was before, where it was noted."""
    return {
        name: {server: known for server in placement[name] if (known := node.server_before(server))}
        for name, node in deployment.nodes.items()
        if node.phase is Phase.DONE and name in placement
    }


def require_deployed(last: Progress | None, service: str) -> Progress:
    """The last deployment of the service. Raises Refused if there was none."""
    if last is None or last.started is None:
        raise Refused(f"{service} has not been deployed yet", hint="rollout deploy --release RELEASE")
    return last


def nodes_to_resume(last: Progress, inventory: Inventory) -> tuple[str, ...]:
    """The nodes that are not done, in order; empty if all are.

    Raises Refused if the inventory no longer has one of them, or if the journal does not know the release.
    """
    if any(map(is_masked, (last.release, *last.releases.values()))):
        raise Refused(
            f"deployment {last.deployment} cannot be resumed: its release is also the value of a variable, "
            "and the journal never stores those",
            hint="rollout deploy --release RELEASE",
        )
    _require_in_inventory(last, last.unfinished, inventory, "did not finish")
    return last.unfinished


def nodes_to_roll_back(last: Progress, inventory: Inventory) -> tuple[str, ...]:
    """The nodes that may no longer run what they ran before `last`, in order; empty if none was touched.

    Raises Refused if `last` was a rollback or a restart, or if the inventory no longer has one of the nodes.
    """
    if last.rollback_of is not None:
        which = f"the rollback of deployment {last.rollback_of}" if last.rollback_of else "a rollback"
        raise Refused(
            f"deployment {last.deployment} was itself {which}",
            hint="`rollout resume` continues it; `rollout deploy --release RELEASE` deploys another release",
        )
    if last.release is None:
        raise Refused(f"deployment {last.deployment} was a rolling restart: it changed no release")
    _require_in_inventory(last, last.touched, inventory, "touched")
    return last.touched


def rollback_releases(last: Progress, nodes: Sequence[str], to: str | None = None) -> Mapping[str, str]:
    """The release that each of `nodes` goes back to: `to`, or else the one that it ran before `last`.

    Raises Refused if one of them is unknown, or was copied from where it is masked.
    """
    known = {
        name: release
        for name in nodes
        if (release := to or last.nodes[name].previous_release) and not is_masked(release)
    }
    if unknown := [name for name in nodes if name not in known]:
        raise Refused(
            f"rollout does not know which release {', '.join(unknown)} ran before deployment "
            f"{last.deployment}",
            hint="rollout rollback --to RELEASE",
        )
    return known


def _require_in_inventory(last: Progress, nodes: Sequence[str], inventory: Inventory, verb: str) -> None:
    if gone := [name for name in nodes if name not in inventory.nodes]:
        raise Refused(
            f"deployment {last.deployment} {verb} {', '.join(gone)}, but {inventory.path} no longer has "
            f"{'that node' if len(gone) == 1 else 'those nodes'}"
        )


def require_running(
    last: Progress, nodes: Sequence[str], reported: Mapping[str, str], to: str | None = None
) -> None:
    """Raises Refused if one of `nodes` runs a release that neither `last` put on it nor the rollback would.

    `reported` are the releases that nodes report now, where they do.
    """
    for name in nodes:
        found, brought = reported.get(name), last.release_of(name)
        if found and found not in (brought, to, last.nodes[name].previous_release):
            began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(last.started or 0))
            raise Refused(
                f"{name} runs {found}, but deployment {last.deployment} by {last.user} on {last.host} "
                f"({began}) put {brought} on it: somebody else has changed it since",
                hint="rollout rollback --to RELEASE, or rollout deploy --release RELEASE",
            )
