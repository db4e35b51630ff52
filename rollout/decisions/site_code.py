"""What a script can know of a service in one number. Values in, a number out."""

from __future__ import annotations

from collections.abc import Collection

from rollout.decisions.node_state import SiteStatus
from rollout.domain import NodeState

ALL_READY = 0
"""All nodes are ready, on one release."""
DEPLOYING = 4
"""A deployment is running."""
NOT_AS_IT_SHOULD_BE = 5
"""A node is out, or nodes run different releases, or a deployment was interrupted."""
UNREACHABLE = 6
"""A load balancer, or the place where deployers meet, gave no answer: the rest is not known."""


def site_code(
    status: SiteStatus, *, deploying: bool, unfinished: bool, unknown: bool, left_out: Collection[str]
) -> int:
    """The number for what was seen of a site. What is worse counts, and what is not known is worst.

    `unfinished` says that the last deployment stopped halfway, `unknown` that nobody could say what
    deployments did, and `left_out` are the nodes that deployments left out.
    """
    if status.unreachable or unknown:
        return UNREACHABLE
    if deploying:
        return DEPLOYING
    # Where no load balancer is listed and no page is named, nothing tells of the nodes.
    fine = {NodeState.READY} if status.readings else {NodeState.READY, NodeState.UNKNOWN}
    releases = {node.health.release for node in status.nodes if node.health and node.health.release}
    well = all(node.state in fine and (node.health is None or node.health.healthy) for node in status.nodes)
    return ALL_READY if well and len(releases) <= 1 and not (unfinished or left_out) else NOT_AS_IT_SHOULD_BE
