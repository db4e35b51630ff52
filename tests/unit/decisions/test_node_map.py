"""The map of a deployment's nodes: what it says is what a plain mapping says."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rollout.decisions.node_map import NodeMap
from rollout.decisions.progress import NodeProgress, Phase

nodes = st.builds(NodeProgress, st.integers(0, 150).map("web{}".format), st.sampled_from(Phase))


some = st.lists(nodes, max_size=200, unique_by=lambda node: node.name)


@given(some, st.lists(st.lists(nodes, max_size=3) | some, max_size=10))
def test_it_is_a_mapping_that_stays_as_it_is(
    first: list[NodeProgress], changes: list[list[NodeProgress]]
) -> None:
    """A change is seen in the new map alone, which has the same order, and new nodes at its end."""
    plain = {node.name: node for node in first}
    made = NodeMap(first)
    for change in changes:
        other = {node.name: node for node in change}
        before, made = made, made.changed(other)
        assert dict(before) == plain
        plain |= other
        assert list(made) == list(plain)
        assert dict(made) == plain
        assert list(made.each()) == list(plain.values())
    phases = Counter(node.phase for node in plain.values())
    assert all(made.count(phase) == phases[phase] for phase in Phase)
    assert (len(made), NodeMap.of(made) is made) == (len(plain), True)
