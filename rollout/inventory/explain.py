"""Pydantic's errors, translated into mistakes of an inventory."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rollout.inventory.document import Document
from rollout.inventory.installed import installed_names
from rollout.inventory.mistakes import KeyPath, Mistake, nearest, quoted
from rollout.inventory.model import Inventory
from rollout.inventory.section import TAGS, Section
from rollout.inventory.texts import NAME_PATTERN, WORD_PATTERN

_PATTERNS = {NAME_PATTERN: "letters, digits and _ . : -", WORD_PATTERN: "one word without spaces"}
_UNKNOWN = "extra_forbidden"
_MISSING = "missing"


def explain(
    document: Document, error: ValidationError, model: type[Inventory]
) -> tuple[list[Mistake], set[KeyPath]]:
    """The mistakes behind an `error` of `model`, and for each mistyped key the key that was probably meant.

    Mistakes that follow from others are left out: a value that the document itself found wrong, and a missing
    key that was probably mistyped.
    """
    details = [(_path(document, detail["loc"]), detail) for detail in error.errors(include_url=False)]
    mistakes = []
    meant: set[KeyPath] = set()
    for path, detail in details:
        if detail["type"] == _UNKNOWN:
            others = installed_names() if _names_a_driver(path) else []
            known = keys_at(path[:-1], model)
            suggestion = nearest(str(path[-1]), [*known, *others])
            if suggestion:
                meant.add((*path[:-1], suggestion))
            message = _unknown(known, suggestion)
            if _names_a_driver(path) and not suggestion:
                message += f"; packages bring {', '.join(others)}" if others else "; no package brings others"
            mistakes.append(document.mistake(path, message, document.keys.get(path)))
    for path, detail in details:
        if detail["type"] == _UNKNOWN or _is_spoiled(document, path):
            continue
        if detail["type"] == _MISSING:
            if path not in meant:
                mistakes.append(document.mistake(path, "missing", document.keys.get(path[:-1])))
        elif detail["loc"][-1] == "[key]" and path != detail["loc"]:
            message = f"found the name {quoted(str(path[-1]))}, {_expected(document, path, detail, model)}"
            mistakes.append(document.mistake(path, message, document.keys.get(path)))
        else:
            mistakes.append(
                document.mistake(
                    path, f"{_found(document, path)}, {_expected(document, path, detail, model)}"
                )
            )
    return mistakes, meant


def keys_at(path: KeyPath, model: type[Inventory]) -> list[str]:
    """The keys that the section at `path` may have; none where names are free, or no section is."""
    return [key for section in _sections(_annotation(path, model)) for key, _ in _fields(section)]


def _path(document: Document, location: tuple[int | str, ...]) -> KeyPath:
    """The keys in the file, without pydantic's marks for the member of a union and for a mapping's key."""
    path = tuple(part for part in location if part not in TAGS)
    return path[:-1] if path[-1] == "[key]" and path not in document.keys else path


def _is_spoiled(document: Document, path: KeyPath) -> bool:
    return any(path[:length] in document.spoiled for length in range(len(path) + 1))


def _names_a_driver(path: KeyPath) -> bool:
    """Whether a key is one of a restart, which may name a driver that another package brings."""
    return path[:1] == ("restart",) and all(isinstance(part, int) for part in path[1:-1])


def _unknown(known: Sequence[str], suggestion: str | None) -> str:
    if suggestion:
        return f"unknown key; did you mean {suggestion}?"
    return f"unknown key; expected one of {', '.join(known)}"


def _found(document: Document, path: KeyPath) -> str:
    """The value as the file has it: one that comes from a variable is shown as `${NAME}`."""
    if path in document.written:
        written = document.written[path]
        return "found nothing" if document.at(path) is None else f"found {quoted(written)}"
    value = document.at(path)
    return f"found {'a' if value else 'an empty'} {'list' if isinstance(value, list) else 'mapping'}"


def _expected(document: Document, path: KeyPath, detail: ErrorDetails, model: type[Inventory]) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "literal_error" | "model_type":
            return _expected_choice(_annotation(path, model), document.written.get(path))
        case "dict_type":
            return "expected a mapping"
        case "list_type":
            return "expected a list"
        case "string_pattern_mismatch":
            return f"expected {_PATTERNS[context['pattern']]}"
        case "string_too_long":
            return f"expected at most {context['max_length']} characters"
        case "string_too_short":
            return "expected some text"
        case "string_type" | "string_unicode":
            return "expected text"
        case "too_short":
            return "expected at least one"
        case "greater_than_equal":
            return f"expected at least {context['ge']}"
        case "less_than_equal":
            return f"expected at most {context['le']}"
        case "bool_parsing" | "bool_type":
            return "expected true or false"
        case "float_parsing" | "float_type" | "finite_number":
            return "expected a number"
        case _:
            return "expected a whole number"


def _expected_choice(annotation: Any, written: str | None) -> str:
    """The words and mappings that a type allows."""
    words = [word for choice in _choices(annotation) for word in _words(choice)]
    sections = [f"a mapping{_with_required(section)}" for section in _sections(annotation)]
    suggestion = nearest(written, words) if written else None
    expected = f"expected {' or '.join(sections + words)}"
    return f"{expected}; did you mean {suggestion}?" if suggestion else expected


def _with_required(section: type[Section]) -> str:
    required = [key for key, field in _fields(section) if field.is_required()]
    return f" with {' and '.join(required)}" if required else ""


def _annotation(path: KeyPath, model: type[Inventory]) -> Any:
    """The type of the value at `path` in the model; `None` where the model has none."""
    annotation: Any = model
    for key in path:
        annotation = next(_inside(annotation, key), None)
    return annotation


def _inside(annotation: Any, key: str | int) -> Iterator[Any]:
    for choice in _choices(annotation):
        if get_origin(choice) is (list if isinstance(key, int) else dict):
            yield get_args(choice)[-1]
    for section in _sections(annotation):
        yield from (field.annotation for name, field in _fields(section) if name == key)


def _sections(annotation: Any) -> list[type[Section]]:
    return [c for c in _choices(annotation) if isinstance(c, type) and issubclass(c, Section)]


def _fields(section: type[Section]) -> Iterator[tuple[str, Any]]:
    return ((field.alias or name, field) for name, field in section.model_fields.items())


def _choices(annotation: Any) -> Iterator[Any]:
    """The members of a union, else the annotation itself."""
    if get_origin(annotation) is Annotated:
        yield from _choices(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for choice in get_args(annotation):
            yield from _choices(choice)
    else:
        yield annotation


def _words(choice: Any) -> tuple[str, ...]:
    return get_args(choice) if get_origin(choice) is Literal else ()
