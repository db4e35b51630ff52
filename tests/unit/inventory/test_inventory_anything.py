"""Whatever is in a file, loading it ends in an inventory or in mistakes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from inventory_support import ROOT

from rollout.inventory import InventoryError, load

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


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_change_of_a_right_one(data: st.DataObject) -> None:
    """A right inventory in which something was cut out, put in, or replaced."""
    text = data.draw(st.sampled_from(VALID))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + data.draw(st.one_of(PIECES, st.text(max_size=3))) + text[end:]
    _is_loaded_or_told(text.encode(errors="surrogatepass"))


@pytest.mark.parametrize(
    "value", ["!!str {a: b}", "!!map x", "!!seq x", "!!int [1]", "!!null [1]", "!!map [a]"]
)
def test_tags_of_another_kind(value: str) -> None:
    """A tag that does not fit its value."""
    _is_loaded_or_told(f"service: {value}\nnodes: {value}\n".encode())
