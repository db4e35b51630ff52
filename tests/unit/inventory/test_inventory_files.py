"""Files that are no inventory at all: one clear mistake each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from inventory_support import Mistakes

from rollout.inventory import InventoryError, load


def _told(path: Path) -> str:
    with pytest.raises(InventoryError) as caught:
        load(path, {})
    return str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    """It is told with the command that writes one."""
    path = tmp_path / "my prod.yml"
    with pytest.raises(InventoryError) as caught:
        load(path, {})
    assert str(caught.value) == f"{path}: no such file"
    assert caught.value.hint == f"rollout init '{path}'"


def test_a_directory(tmp_path: Path) -> None:
    """It is told for what it is."""
    assert _told(tmp_path) == f"{tmp_path}: found a directory, expected a file"


@pytest.fixture
def unreadable(tmp_path: Path) -> Iterator[Path]:
    """A file that this test may not read, also where the tests run as root."""
    path = tmp_path / "prod.yml"
    path.touch(mode=0)
    if os.geteuid() != 0:
        yield path
        return
    os.seteuid(65534)
    try:
        yield path
    finally:
        os.seteuid(0)


def test_an_unreadable_file(unreadable: Path) -> None:
    """It is told with the system's reason."""
    assert _told(unreadable) == f"{unreadable}: cannot be read: Permission denied"


def test_an_impossible_name() -> None:
    """A path that no file can have is a mistake like any other."""
    assert _told(Path("a\0b")) == "a\\x00b: cannot be read: embedded null byte"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "prod.yml: the file is empty; an inventory needs service, nodes and restart"),
        (b"# only a comment\n---\n", "prod.yml:3:1: found text, expected a mapping"),
        (b"# only a comment\n", "prod.yml: the file is empty; an inventory needs service, nodes and restart"),
        (b"\x7fELF\0\0", "prod.yml: found binary data, expected text in UTF-8"),
        ("service: shop".encode("utf-16"), "prod.yml: found binary data, expected text in UTF-8"),
        (
            "a: é\nb: é\xe9".encode() + b"\xe9\n",
            "prod.yml:2:6: found the byte 0xe9, expected text in UTF-8",
        ),
        (b"a: 1\nb: \x1b[0m\n", "prod.yml:2:4: found the character U+001B, which YAML does not allow"),
        (b"- a\n", "prod.yml:1:1: found a list, expected a mapping"),
        (b"shop\n", "prod.yml:1:1: found text, expected a mapping"),
        (b"!ENV {a: 1}\n", "prod.yml:1:1: found the tag '!ENV', expected a plain mapping"),
        (b"a: 1\n---\nb: 2\n", "prod.yml:3:1: found a second document, expected only one"),
        (b"a: b: c\n", "prod.yml:1:5: not valid YAML: mapping values are not allowed here"),
        (
            b"a: [1,\n  2\nb: 3\n",
            "prod.yml:3:2: not valid YAML: while parsing a flow sequence: expected ',' or ']', but got ':'"
            " (it begins on line 1)",
        ),
        (b"a: *b\n", "prod.yml:1:4: not valid YAML: found undefined alias 'b'"),
        (b'a: "\\UFFFFFFFF"\n', "prod.yml:1:7: not valid YAML"),
        (b"a:\n\tb: 1\n", "prod.yml:2:1: found a tab, expected spaces: YAML is not indented with tabs"),
        (b'{\n\t"a": \n', "prod.yml:2:1: found a tab, expected spaces: YAML is not indented with tabs"),
        (
            b"nodes: {a: {host: ${HOST}}}\n",
            'prod.yml:1:20: a variable inside { } or [ ] needs quotes: "${NAME}"',
        ),
        (b"a: " + b"x" * 1_000_000, "prod.yml: too large for an inventory: more than 1 MB"),
    ],
)
def test_what_is_no_inventory(mistakes: Mistakes, content: bytes, told: str) -> None:
    """One mistake, with its place where it has one."""
    assert mistakes(content) == [told]


def test_endless_input_is_too_large() -> None:
    """Only as much is read as an inventory may have."""
    assert _told(Path("/dev/zero")) == "/dev/zero: too large for an inventory: more than 1 MB"
