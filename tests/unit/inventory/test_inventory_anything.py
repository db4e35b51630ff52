"""Whatever is in a file, loading it ends in an inventory or in mistakes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from inventory_support import ROOT

from rollout.inventory import InventoryError, load
from rollout.inventory.source import _quickly

VALID = [path.read_text() for path in sorted((ROOT / "inventories").glob("*.yml"))]
PIECES = st.sampled_from(
    [
        *"{}[]:,-#&*!|>'\"%@`?~$\t\n\r \u2028\x85\ufeff",
        *("\n  ", "<<: ", "*a", "&a ", "!!str ", "!!python/none ", "---\n", "...", "null", "\\ud800"),
        *("${A}", "${B}", "$${", "command: ", "ssh: ", "[key]", "(local)"),
    ]
)


def _is_loaded_or_told(content: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".yml") as file:
        file.write(content)
        file.flush()
        told = "nothing"
        try:
            load(Path(file.name), {"A": "hunter2\udcff"})
        except InventoryError as error:
            told = str(error)
        assert told
        assert "hunter2" not in told
        assert all(character.isprintable() or character == "\n" for character in told)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    """Bytes of any kind."""
    _is_loaded_or_told(content)


@settings(deadline=None)
@given(st.text(max_size=200))
@example("? ")
@example("%YAML 9.9\n---\n")
@example("!<tag:yaml.org,2002:str> {a: b}")
@example("a: !!str [b]")
@example("nodes: !!map []")
@example("nodes: !!seq {}")
def test_any_text(content: str) -> None:
    """Text of any kind."""
    _is_loaded_or_told(content.encode(errors="surrogatepass"))


@settings(deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join))
def test_any_yaml(content: str) -> None:
    """What YAML is made of, in any order."""
    _is_loaded_or_told(content.encode())


def _changed(data: st.DataObject) -> str:
    """A right inventory in which something was cut out, put in, or replaced."""
    text = data.draw(st.sampled_from(VALID))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + data.draw(st.one_of(PIECES, st.text(max_size=3))) + text[end:]
    return text


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_change_of_a_right_one(data: st.DataObject) -> None:
    """A right inventory in which anything was changed."""
    _is_loaded_or_told(_changed(data).encode(errors="surrogatepass"))


def _shown(node: yaml.Node, above: tuple[yaml.Node, ...] = ()) -> object:
    """What of a node decides what an inventory says, and where a mistake in it is."""
    if any(node is one for one in above):
        return "a loop"
    at, above = (node.start_mark.line, node.start_mark.column), (*above, node)
    if isinstance(node, yaml.ScalarNode):
        return node.tag, at, node.value
    pairs = node.value if isinstance(node, yaml.MappingNode) else [node.value]
    return node.tag, at, [[_shown(one, above) for one in pair] for pair in pairs]


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML was built without libyaml")
@settings(deadline=None, max_examples=300)
@given(st.data())
def test_both_readers_read_the_same(data: st.DataObject) -> None:
    """libyaml and PyYAML, which read on different machines, give the same values at the same positions."""
    pieces = st.lists(PIECES | st.sampled_from([*"ab1 :\n"]), max_size=12).map("".join)
    text = _changed(data) if data.draw(st.booleans()) else data.draw(pieces)
    quickly = _quickly(text)
    if quickly is not None:
        assert _shown(quickly) == _shown(yaml.compose(text, yaml.SafeLoader))


@pytest.mark.parametrize(
    "value", ["!!str {a: b}", "!!map x", "!!seq x", "!!int [1]", "!!null [1]", "!!map [a]"]
)
def test_tags_of_another_kind(value: str) -> None:
    """A tag that does not fit its value."""
    _is_loaded_or_told(f"service: {value}\nnodes: {value}\n".encode())
