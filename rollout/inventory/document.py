"""The document: YAML nodes turned into plain data, with the position of each value.

Plain scalars stay text, so that `1.10`, `no` and `22:30` mean what was typed; only null is null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from rollout.inventory.command import COMMAND_LINES
from rollout.inventory.hooks import HOOKS
from rollout.inventory.mistakes import InventoryError, KeyPath, Mistake, Position, quoted
from rollout.inventory.source import read_nodes
from rollout.inventory.variables import Variables

_STANDARD = "tag:yaml.org,2002:"
_MERGE = f"{_STANDARD}merge"
_NULL = f"{_STANDARD}null"
_KNOWN_TAGS = frozenset(
    _STANDARD + name
    for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge", "map", "seq")
)
_LARGEST = 100_000
_DEEPEST = 30
_SHELL_LINES = frozenset({"command", "start"})
_LINES_OF = frozenset((*(("hooks", name) for name in HOOKS), *(("command", name) for name in COMMAND_LINES)))
"""The keys of shell lines, each after the one above it."""
_IN_ITSELF = "found an alias of a value that contains it"

Entries = dict[str, tuple[yaml.Node, yaml.Node]]


class Document:
    """An inventory as plain data: mappings, lists, text and None.

    `keys` and `values` are the positions of each key and value, `written` is each scalar as the file has it
    (with its `${NAME}`), `mistakes` are those in the document itself. A value that has no meaning because of
    one of them is `spoiled`, and is an empty text in `data`.
    """

    def __init__(self, file: Path, environment: Mapping[str, str]) -> None:
        """Raises InventoryError for a mistake after which nothing is left to check."""
        self.file = str(file)
        self.keys: dict[KeyPath, Position] = {}
        self.values: dict[KeyPath, Position] = {}
        self.written: dict[KeyPath, str] = {}
        self.mistakes: list[Mistake] = []
        self.spoiled: set[KeyPath] = set()
        self.variables = Variables(environment)
        self._open: set[int] = set()
        self._size = 0
        self.data = self._mapping(read_nodes(file), ())

    def at(self, path: KeyPath) -> Any:
        """The value at `path`; `None` if there is none."""
        value: Any = self.data
        for key in path:
            if isinstance(value, list) and isinstance(key, int):
                value = value[key]
            elif isinstance(value, dict):
                value = value.get(key)
            else:
                return None
        return value

    def mistake(self, path: KeyPath, message: str, position: Position | None = None) -> Mistake:
        """A mistake at `position`, else at the value, else at the nearest key above it."""
        position = position or self.values.get(path)
        above = path
        while position is None and above:
            position = self.keys.get(above)
            above = above[:-1]
        return Mistake(self.file, position or Position(1, 1), path, message)

    def _wrong(self, path: KeyPath, message: str, position: Position | None = None) -> None:
        self.mistakes.append(self.mistake(path, message, position))

    def _spoil(self, path: KeyPath, message: str, position: Position | None = None) -> str:
        self._wrong(path, message, position)
        self.spoiled.add(path)
        return ""

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._count(path, node)
        self.values[path] = _position(node)
        if node.tag not in _KNOWN_TAGS:
            tag = node.tag.replace(_STANDARD, "!!")
            return self._spoil(path, f"found the tag {quoted(tag)}, expected a plain value")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        with self._opened(node) as entered:
            if not entered:
                return self._spoil(path, _IN_ITSELF, self.keys.get(path))
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return [self._value(entry, (*path, index)) for index, entry in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result = {}
        for name, (key, value) in self._entries(node, path).items():
            self.keys[(*path, name)] = _position(key)
            result[name] = self._value(value, (*path, name))
        return result

    def _entries(self, node: yaml.MappingNode, path: KeyPath) -> Entries:
        """The entries of the mapping itself, then those merged with `<<`: the first of a name wins."""
        entries: Entries = {}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            self._count(path, key)
            if key.tag == _MERGE:
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            elif not isinstance(key, yaml.ScalarNode) or key.tag not in _KNOWN_TAGS:
                self._wrong(path, "found a key that is not a plain word", _position(key))
            elif key.value in entries:
                first = _position(entries[key.value][0]).line
                message = f"duplicate key, the first is on line {first}"
                self._wrong((*path, key.value), message, _position(key))
            else:
                entries[key.value] = (key, value)
        for other in merged:
            if not isinstance(other, yaml.MappingNode):
                self._wrong(path, "expected a mapping, or a list of mappings, after <<", _position(other))
                continue
            with self._opened(other) as entered:
                if not entered:
                    self._wrong(path, _IN_ITSELF, _position(node))
                    continue
                entries = self._entries(other, path) | entries
        return entries

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> str | None:
        self.written[path] = node.value
        if node.tag == _NULL:
            if node.value:
                return None
            message = "has no value: give it one, or remove the key"
            return self._spoil(path, message, self.keys.get(path))
        try:
            text = _joined_surrogates(node.value)
        except UnicodeError:
            return self._spoil(path, "found half a character (a lone surrogate)")
        if path[-1] in _SHELL_LINES or path[-2:] in _LINES_OF:
            wrong = self.variables.collect(text)
        else:
            text, wrong = self.variables.fill(text)
        if "\0" in text:
            wrong.append("found a NUL character")
        for message in wrong:
            text = self._spoil(path, message)
        return text

    @contextmanager
    def _opened(self, node: yaml.Node) -> Iterator[bool]:
        """Whether a node may be entered: not if, by way of an alias, it contains itself."""
        if id(node) in self._open:
            yield False
            return
        self._open.add(id(node))
        try:
            yield True
        finally:
            self._open.remove(id(node))

    def _count(self, path: KeyPath, node: yaml.Node) -> None:
        self._size += 1
        if self._size > _LARGEST:
            message = f"too large: with all aliases, there are more than {_LARGEST:,} values"
            raise InventoryError([Mistake(self.file, _position(node), (), message)])
        if len(path) > _DEEPEST:
            raise InventoryError([Mistake(self.file, _position(node), (), "nested too deeply")])


def _position(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


def _joined_surrogates(text: str) -> str:
    """JSON writes a character beyond U+FFFF as two escapes. Raises UnicodeError for half of one."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16")
