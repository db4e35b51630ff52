"""What is typed in a file is what the inventory holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from inventory_support import EXAMPLES, ROOT, SECTIONS, Compose, Loads, Mistakes

from rollout.domain import SshSocket, SshTarget
from rollout.inventory import load
from rollout.inventory.quantities import Amount
from rollout.inventory.schema import json_schema

ENVIRONMENT = {"SHOP_TOKEN": "hunter2"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_load(path: Path) -> None:
    """Each annotated example is a right inventory."""
    assert load(path, ENVIRONMENT).service in {"shop", "tasks"}


def test_the_production_example_is_read_as_it_is_explained() -> None:
    """The example that has every key gives the values that its comments promise."""
    inventory = load(ROOT / "inventories/production.yml", ENVIRONMENT)
    assert inventory.path.name == "production.yml"
    assert inventory.variables == ENVIRONMENT
    assert list(inventory.nodes) == ["web1", "web2", "web3"]
    assert inventory.ssh_target("web3") == SshTarget(
        "10.0.0.13", "deploy", 2222, "~/.ssh/id_ed25519", "~/.ssh/known_hosts", "ops@bastion.example.com"
    )
    socket = inventory.runtime_socket("lb2")
    assert isinstance(socket, SshSocket)
    assert (socket.target.host, socket.target.user, socket.path) == (
        "lb2.example.com",
        "deploy",
        "/run/haproxy/admin.sock",
    )
    master = inventory.master_socket("lb1")
    assert isinstance(master, SshSocket)
    assert (master.target.port, master.target.jump) == (22, "ops@bastion.example.com")
    assert master.path == "/run/haproxy-master.sock"
    assert inventory.master_socket("lb2") is None
    assert inventory.prepare
    assert inventory.prepare.timeout == 600
    assert inventory.health
    assert (inventory.health.interval, inventory.health.release) != (0.25, None)
    assert inventory.strategy.window == Amount(percent=25)
    assert inventory.strategy.min_ready == Amount(count=2)
    assert (inventory.strategy.spread, inventory.strategy.patience) == ("zones", 10)


def test_the_examples_name_every_key() -> None:
    """A key that is added to the model has to be explained in an example."""
    schema = json_schema()
    keys = {key for section in (schema, *schema["$defs"].values()) for key in section.get("properties", {})}
    text = "".join(path.read_text() for path in EXAMPLES)
    assert [key for key in sorted(keys) if f"{key}:" not in text] == []


def test_plain_scalars_stay_text(loads: Loads, compose: Compose) -> None:
    """YAML 1.1 would make a number, a boolean, a time in base 60 or a date of these."""
    nodes = "{1: {host: 1.10, zone: 22:30, server: no}, 0x1f: {host: 2001-01-01, zone: 1_0}}"
    inventory = loads(compose(nodes=nodes, service="on"))
    assert inventory.service == "on"
    assert list(inventory.nodes) == ["1", "0x1f"]
    assert (inventory.nodes["1"].host, inventory.nodes["1"].zone, inventory.nodes["1"].server) == (
        "1.10",
        "22:30",
        "no",
    )
    assert (inventory.nodes["0x1f"].host, inventory.nodes["0x1f"].zone) == ("2001-01-01", "1_0")


def test_numbers_may_be_quoted(loads: Loads, compose: Compose) -> None:
    """A number in quotes is the same number."""
    assert loads(compose(strategy="{canary: '2', window: '3'}")).strategy.canary == Amount(count=2)


@pytest.mark.parametrize("null", ["~", "null", "!!null null"])
def test_null_means_left_out(loads: Loads, compose: Compose, null: str) -> None:
    """An explicit null is as if the key were not there, where it may be left out."""
    assert loads(compose(prepare=null, nodes=f"{{web1: {{host: a, zone: {null}}}}}")).prepare is None


def test_quoted_null_is_text(loads: Loads, compose: Compose) -> None:
    """Only the plain word is null."""
    assert loads(compose(nodes='{web1: {host: a, zone: "null"}}')).nodes["web1"].zone == "null"


def test_anchors_aliases_and_merges(loads: Loads) -> None:
    """`<<` fills in what the mapping does not say itself; the first of several wins."""
    inventory = loads(
        "service: shop\n"
        "load_balancers: {lb1: {haproxy: 'unix:///s'}}\n"
        "nodes:\n"
        "  web1: &one {host: a, zone: z, ssh: &ssh {user: u, port: 1}}\n"
        "  web2: {host: b, <<: *one}\n"
        "  web3: {<<: [{zone: y}, *one], host: c, ssh: {<<: *ssh, port: 2}}\n"
        "restart: {systemd: x}\n"
    )
    assert {name: (node.host, node.zone) for name, node in inventory.nodes.items()} == {
        "web1": ("a", "z"),
        "web2": ("b", "z"),
        "web3": ("c", "y"),
    }
    assert inventory.ssh_target("web3") == SshTarget("c", "u", 2)


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_json_loads(loads: Loads, indent: int | str | None) -> None:
    """JSON is YAML, tabs, escapes and all."""
    data = {key: yaml.safe_load(value) for key, value in SECTIONS.items()}
    data["nodes"]["web1"] |= {"zone": "a\t😀/\u00e9", "server": None}
    assert loads(json.dumps(data, indent=indent)).nodes["web1"].zone == "a\t😀/\u00e9"


def test_a_mistake_in_json_with_tabs_has_its_place(mistakes: Mistakes) -> None:
    """Tabs count as one character."""
    text = '{\n\t"service": "shop",\n\t"nodes": {"web1": {"hots": "a"}},\n\t"restart": {"systemd": "x"}\n}'
    assert mistakes(text)[1] == "prod.yml:3:21: nodes.web1.hots: unknown key; did you mean host?"


def test_a_byte_order_mark_is_fine(loads: Loads, compose: Compose) -> None:
    """Some editors write one."""
    mark = b"\xef\xbb\xbf"
    assert loads(mark + compose().encode()).service == "shop"
    data = {key: yaml.safe_load(value) for key, value in SECTIONS.items()}
    assert loads(mark + json.dumps(data, indent="\t").encode()).service == "shop"


def test_the_loaded_inventory_is_in_the_order_of_the_file(loads: Loads, compose: Compose) -> None:
    """The order of the nodes is the order of the deploy."""
    names = ["z", "a", "m", "b"]
    nodes = ", ".join(f"{name}: {{host: {name}}}" for name in names)
    assert list(loads(compose(nodes=f"{{{nodes}}}")).nodes) == names


def test_a_large_inventory_is_no_problem(loads: Loads, compose: Compose) -> None:
    """A thousand nodes are far below what is too large."""
    nodes = ", ".join(f"web{number}: {{host: 10.0.0.{number}}}" for number in range(1000))
    assert len(loads(compose(nodes=f"{{{nodes}}}")).nodes) == 1000
