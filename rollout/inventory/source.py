"""The source of an inventory: a file read into YAML nodes. After a mistake here nothing is left to check."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import yaml

from rollout.inventory.mistakes import InventoryError, Mistake, Position, printable, quoted

_LARGEST = 1_000_000
"""Bytes."""

_IPV6 = re.compile(r"\[[0-9A-Fa-f.]*:[0-9A-Fa-f.:]*\]")
"""An IPv6 address in brackets."""

_READ_DIFFERENTLY = ("\t", "\ufeff", "?", "|#", ">#")
"""What libyaml and PyYAML take for different things, or only one of them for a mistake."""

_TAG = re.compile(r"!(?<![^\s\[{,:-]!)")
"""The beginning of a tag, of which the same holds."""


def read_nodes(path: Path) -> yaml.MappingNode:
    """The top mapping of the one YAML (or JSON) document in `path`. Raises InventoryError."""
    text = _without_tabs_of_json(_decoded(path, _bytes(path)))
    node = _quickly(text) or _node(path, text)
    if not isinstance(node, yaml.MappingNode):
        kind = "a list" if isinstance(node, yaml.SequenceNode) else "text"
        raise _mistake(path, f"found {kind}, expected a mapping", _position(node.start_mark))
    if node.tag != yaml.SafeLoader.DEFAULT_MAPPING_TAG:
        message = f"found the tag {quoted(node.tag)}, expected a plain mapping"
        raise _mistake(path, message, _position(node.start_mark))
    return node


def _quickly(text: str) -> yaml.Node | None:
    """The document as libyaml reads it, ten times as fast as PyYAML; `None` where both may differ, where
    something is wrong with the document, or where PyYAML was built without libyaml."""
    if any(piece in text for piece in _READ_DIFFERENTLY) or _TAG.search(text):
        return None
    try:
        node = yaml.compose(text, yaml.CSafeLoader)
    except (AttributeError, yaml.YAMLError, ValueError, OverflowError, RecursionError):
        return None
    return node if isinstance(node, yaml.MappingNode) else None


def _node(path: Path, text: str) -> yaml.Node:
    """The document as PyYAML reads it, whose words for a mistake are better. Raises InventoryError."""
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        message = f"found the character U+{error.character:04X}, which YAML does not allow"
        raise _mistake(path, message, _position_of(text, error.position)) from None
    try:
        node = loader.get_node() if loader.check_node() else None
        second = loader.get_node() if loader.check_node() else None
    except yaml.MarkedYAMLError as error:
        raise _mistake(path, _syntax_error(text, error), _position(error.problem_mark)) from None
    except RecursionError:
        raise _mistake(path, "nested too deeply", _position(loader.get_mark())) from None
    except (ValueError, OverflowError):  # PyYAML's own, as for the escape \UFFFFFFFF
        raise _mistake(path, "not valid YAML", _position(loader.get_mark())) from None
    finally:
        loader.dispose()
    if second:
        raise _mistake(path, "found a second document, expected only one", _position(second.start_mark))
    if node is None:
        raise _mistake(
            path, "the file is empty; an inventory needs service, nodes and restart", hint=_how_to_begin()
        )
    return node


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise _mistake(path, "no such file", hint=_how_to_begin(path)) from None
    except IsADirectoryError:
        raise _mistake(path, "found a directory, expected a file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _mistake(path, f"cannot be read: {reason}") from None
    if len(content) > _LARGEST:
        raise _mistake(path, f"too large for an inventory: more than {_LARGEST // 1_000_000} MB")
    return content


def _decoded(path: Path, content: bytes) -> str:
    if b"\0" in content:
        raise _mistake(path, "found binary data, expected text in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", errors="replace")
        message = f"found the byte 0x{content[error.start]:02x}, expected text in UTF-8"
        raise _mistake(path, message, _position_of(before, len(before))) from None


def _without_tabs_of_json(text: str) -> str:
    """JSON may be indented with tabs, which PyYAML refuses. Inside its strings tabs are always escaped."""
    if "\t" in text and text.lstrip().startswith("{"):
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return text
        return text.replace("\t", " ")
    return text


def _syntax_error(text: str, error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem or "")
    mark = error.problem_mark
    if mark and text[mark.index : mark.index + 1] == "\t":
        return "found a tab, expected spaces: YAML is not indented with tabs"
    if mark and text[max(mark.index - 1, 0) : mark.index + 1] == "${":
        return 'a variable inside { } or [ ] needs quotes: "${NAME}"'
    if mark and _IPV6.search(text[text.rfind("\n", 0, mark.index) + 1 :].partition("\n")[0]):
        return "[ ] begin a list in YAML: write a host's IPv6 address without them, such as host: fd00::11"
    if error.context:
        problem = f"{error.context}: {problem}"
        if error.context_mark and mark and error.context_mark.line != mark.line:
            problem += f" (it begins on line {error.context_mark.line + 1})"
    return f"not valid YAML: {printable(problem)}"


def _how_to_begin(path: Path | None = None) -> str:
    return f"rollout init {shlex.quote(str(path))}" if path else "rollout init new.yml writes an example"


def _position(mark: yaml.Mark | None) -> Position | None:
    return Position(mark.line + 1, mark.column + 1) if mark else None


def _position_of(text: str, index: int) -> Position:
    before = text[:index]
    return Position(before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


def _mistake(
    path: Path, message: str, position: Position | None = None, hint: str | None = None
) -> InventoryError:
    return InventoryError([Mistake(str(path), position, (), message)], hint=hint)
