"""The JSON Schema says what the loader says."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from inventory_support import EXAMPLES, SECTIONS, Loads, Mistakes

from rollout.cli.verbs import schema as verb
from rollout.inventory.schema import json_schema

VALIDATOR = jsonschema.Draft202012Validator(json_schema())


class Editor(yaml.SafeLoader):
    """YAML 1.2, as editors read it: `on` is a word there."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - that is how PyYAML has it
        first: [each for each in resolvers if first in "tTfF" or not each[0].endswith(":bool")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _changed(**changes: str | None) -> dict[str, Any]:
    sections = {**SECTIONS, **changes}
    return {key: yaml.load(value, Editor) for key, value in sections.items() if value is not None}


def test_it_is_a_schema() -> None:
    """Its own dialect accepts it."""
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_valid(path: Path) -> None:
    """As editors see them, with YAML's own types."""
    VALIDATOR.validate(yaml.load(path.read_text(), Editor))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ssh": "local"},
        {"ssh": "'${SSH}'"},
        {"ssh": "{port: '${PORT}'}"},
        {"strategy": "{window: 2, canary: '${CANARY}', bake: 0, on_failure: '${WHAT}'}"},
        {"strategy": "{window: 25%, bake: '${BAKE}'}"},
        {"health": "{http: '${URL}', release: {json: version}}"},
        {"load_balancers": None, "drain": "{health_page: {file: '/x'}}"},
        {"restart": "{command: null, systemd: x}"},
        {"restart": "{celery: {app: a, start: s}}", "load_balancers": None},
        {"restart": "{command: {restart: go, check: look, proof: cat pid, explain: tail log}}"},
        {"restart": "{command: {restart: go, gap: no}}", "load_balancers": None},
        {"restart": "[{systemd: x, timeout: 1m}, {celery: {app: a, start: s}}]"},
        {
            "restart": "[{celery: {app: a, start: s}}, {command: {restart: go, gap: false}}]",
            "load_balancers": None,
        },
        {"restart": "{docker: {container: shop, image: 'shop:$ROLLOUT_RELEASE'}}"},
        {"restart": "{supervisor: 'shop:*'}"},
        {"restart": "{systemd: {unit: x}}"},
        {"load_balancers": None, "restart": "{systemd: {unit: x, action: reload}}"},
        {"release": "{archive: {source: 'shop-{release}.tar', directory: /srv/shop, keep: 3}, timeout: 1m}"},
        {"release": "{files: {from: words, to: /srv/shop, bandwidth: 1.5MB/s}}"},
        {"hooks": "{}"},
        {"hooks": "{before_deploy: ./x, after_node: {command: x, on: node, timeout: 5s}, on_failure: null}"},
        {"hooks": "{before_node: {command: x, on: '${ON}'}}"},
        {"notify": "{webhook: 'https://a/b'}"},
        {"notify": "{webhook: null, slack: '${URL}'}"},
        {"warmup": "{over: 20s}"},
        {"warmup": "{steps: [12.5%, 100%], over: '${BAKE}'}"},
    ],
)
def test_what_is_right(loads: Loads, changes: dict[str, str | None]) -> None:
    """What loads is valid."""
    data = _changed(**changes)
    VALIDATOR.validate(data)
    environment = {
        "SSH": "local",
        "PORT": "1",
        "CANARY": "1",
        "WHAT": "halt",
        "BAKE": "1s",
        "URL": "http://a/",
        "ON": "node",
    }
    assert loads(json.dumps(data), environment)


@pytest.mark.parametrize(
    "changes",
    [
        {"service": None},
        {"nodes": None},
        {"nodes": "{}"},
        {"nodes": "{bad name: {host: a}}"},
        {"nodes": "{web1: {hots: a}}"},
        {"restart": None},
        {"restart": "{}"},
        {"restart": "{command: x, systemd: y}"},
        {"restart": "{celery: {app: a}}"},
        {"restart": "{command: {proof: cat pid}}"},
        {"restart": "{command: {restart: go, gap: perhaps}}"},
        {"restart": "{command: {restart: go, gap: yes}}", "load_balancers": None},
        {"restart": "[]"},
        {"restart": "[none]"},
        {"restart": "[{systemd: x, command: y}]"},
        {"restart": "[{celery: {app: a, start: s}}, {systemd: x}]", "load_balancers": None},
        {"restart": "{celery: {app: a, start: s, node: web1}}"},
        {"restart": "{celery: celery@x}"},
        {"restart": "{systemd: {action: reload}}"},
        {"restart": "{systemd: {unit: x, action: stop}}"},
        {"load_balancers": None, "restart": "{systemd: {unit: x}}"},
        {"load_balancers": None},
        {"load_balancers": "{lb1: {haproxy: /run/s}}"},
        {"release": "{}"},
        {"release": "{command: x, archive: {source: x, directory: /x}}"},
        {"release": "{archive: {source: x, directory: srv}}"},
        {"release": "{files: {from: x, to: /x, bandwidth: 20}}"},
        {"release": "{files: {from: x, to: /x, keep: 0}}"},
        {"release": "{files: {source: x, to: /x}}"},
        {"drain": "{timeout: 30}"},
        {"drain": "{on_timeout: abrot}"},
        {"drain": "{health_page: {}}"},
        {"drain": "{health_page: {file: run/x}}"},
        {"drain": "{health_page: {file: /x, port: 70000}}"},
        {"health": "{http: 'ftp://a'}"},
        {"health": "{http: 'http://a', release: {}}"},
        {"strategy": "{window: 0}"},
        {"strategy": "{window: 300%}"},
        {"strategy": "{canary: -1}"},
        {"ssh": "lokal"},
        {"warmup": "{}"},
        {"warmup": "{steps: [100%], over: 1s}"},
        {"warmup": "{steps: [10, 100], over: 1s}"},
        {"warmup": "{steps: [10%, 100%], over: 0}"},
        {"servce": "x"},
        {"hooks": "x"},
        {"hooks": "{before_deploy: ''}"},
        {"hooks": "{before_deploy: {command: x, on: node}}"},
        {"hooks": "{before_node: {on: node}}"},
        {"hooks": "{after_node: {command: x, timeout: 5}}"},
        {"hooks": "{after_nodes: x}"},
        {"notify": "{}"},
        {"notify": "{slack: null}"},
        {"notify": "{slack: 'ftp://a'}"},
    ],
)
def test_what_is_wrong(mistakes: Mistakes, changes: dict[str, str | None]) -> None:
    """What is not valid does not load either."""
    data = _changed(**changes)
    assert not VALIDATOR.is_valid(data)
    assert mistakes(json.dumps(data))


def test_every_key_is_described() -> None:
    """Editors show the description while a file is written."""
    schema = json_schema()
    sections = [schema, *(each for each in schema["$defs"].values() if "properties" in each)]
    assert len(sections) > 10
    for section in sections:
        assert section["description"]
        assert section["additionalProperties"] is False
        assert [key for key, value in section["properties"].items() if not value.get("description")] == []


def test_defaults_are_written_as_a_file_writes_them() -> None:
    """An editor that inserts a default inserts something that loads."""
    properties = {
        (name, key): value.get("default")
        for name, section in json_schema()["$defs"].items()
        for key, value in section.get("properties", {}).items()
    }
    assert properties["Drain", "timeout"] == "30s"
    assert properties["Health", "interval"] == "250ms"
    assert properties["Strategy", "window"] == 1


def test_the_verb_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    """`rollout schema` prints the schema alone, beginning with what it is."""
    assert verb.run(argparse.Namespace()) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json_schema()
    assert list(printed)[:3] == ["$schema", "title", "description"]
