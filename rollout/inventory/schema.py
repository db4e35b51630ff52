"""The JSON Schema of the inventory, for editors."""

from __future__ import annotations

from typing import Any

from rollout.inventory.installed import installed_names, inventory_with
from rollout.inventory.quantities import format_duration

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ORDER = ("description", "type", "oneOf", "anyOf", "properties", "required", "additionalProperties")
_VARIABLE = {
    "description": "A value from the environment",
    "type": "string",
    "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}",
}
_A_VARIABLE = {"$ref": "#/$defs/Variable"}


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of an inventory, with all drivers that are installed. `${NAME}` may
    stand for any scalar. Raises UsageError for a driver that cannot be loaded."""
    schema = inventory_with(installed_names()).model_json_schema()
    definitions = {name: _section(definition) for name, definition in schema["$defs"].items()}
    return {
        "$schema": _DIALECT,
        "title": "rollout inventory",
        **_section(schema),
        "$defs": definitions | {"Variable": _VARIABLE},
    }


def _section(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a mapping, without the titles, which repeat its keys."""
    if "properties" not in schema:
        return schema
    properties = {name: _property(value) for name, value in schema["properties"].items()}
    return {key: schema[key] for key in _ORDER if key in schema} | {"properties": properties}


def _property(schema: dict[str, Any]) -> dict[str, Any]:
    schema.pop("title", None)
    default = schema.pop("default", None)
    notes = {"description": schema.pop("description", "")}
    if default is not None:
        notes["default"] = format_duration(default) if isinstance(default, float) else default
    return notes | _value(schema)


def _value(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value, with `${NAME}` added where not every text is allowed."""
    if "patternProperties" in schema:
        return schema | {"additionalProperties": False}
    if "items" in schema:
        return schema | {"items": _value(schema["items"])}
    for union in ("anyOf", "oneOf"):
        if union in schema:
            choices: list[dict[str, Any]] = []
            for choice in schema.pop(union):
                value = _value(choice)
                choices += [each for each in value.get("anyOf", [value]) if each not in choices]
            return schema | {"anyOf": choices}
    if schema.keys() & {"pattern", "enum", "const"} or schema.get("type") in ("integer", "number", "boolean"):
        return {"anyOf": [schema, _A_VARIABLE]}
    return schema
