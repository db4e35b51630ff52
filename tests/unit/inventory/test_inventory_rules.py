"""What must hold between keys, whatever else is wrong."""

from __future__ import annotations

import pytest
from inventory_support import Compose, Loads, Mistakes

from rollout.inventory.quantities import Amount

ONE_OF = [
    ("release", "{%s}", "", "archive", "command"),
    ("restart", "{%s}", "", "command", "systemd"),
    ("drain", "{health_page: {%s}}", ".health_page", "file", "request"),
    ("health", "{http: 'http://a', release: {%s}}", ".release", "json", "header"),
]
VALUES = {
    "archive": "{source: x, directory: /x}",
    "command": "x",
    "systemd": "x",
    "file": "/x",
    "request": "{down: {url: 'http://a'}, up: {url: 'http://a'}}",
    "json": "x",
    "header": "x",
}


@pytest.mark.parametrize(("section", "form", "below", "one", "other"), ONE_OF)
def test_exactly_one(
    loads: Loads,
    mistakes: Mistakes,
    compose: Compose,
    section: str,
    form: str,
    below: str,
    one: str,
    other: str,
) -> None:
    """Either alone is right; both, or none, is a mistake that names the two."""

    def text(*keys: str) -> str:
        return compose(**{section: form % ", ".join(f"{key}: {VALUES[key]}" for key in keys)})

    assert loads(text(one))
    assert loads(text(other))
    (both,) = mistakes(text(other, one))
    assert f"{section}{below}.{one}: cannot be combined with {other} (line " in both
    assert both.endswith("expected only one of them")
    (none,) = mistakes(text())
    named = none.partition(f"{section}{below}: expected exactly one of ")[2]
    assert one in named
    assert other in named


def test_a_null_driver_does_not_count(loads: Loads, compose: Compose) -> None:
    """JSON that is written by programs says null for what is not there."""
    assert loads(compose(restart="{command: null, systemd: x}")).restart.systemd == "x"


def test_a_celery_worker_has_its_own_way_to_start(loads: Loads, mistakes: Mistakes, compose: Compose) -> None:
    """Any other driver takes `restart.start`."""
    (line,) = mistakes(compose(restart="{celery: {app: shop.tasks, start: go}, start: come}"))
    assert "restart.start: cannot be combined with celery.start" in line
    assert loads(compose(restart="{runit: shop, start: go}")).restart.start == "go"


def test_each_restart_of_a_list_has_its_own_rules(mistakes: Mistakes, compose: Compose) -> None:
    """A mistake names the entry, counted from 0."""
    two, signal, three = mistakes(
        compose(restart="[{command: x, systemd: y}, {signal: {pidfile: /x, proof: health}}, {start: x}]")
    )
    assert "restart[0].systemd: cannot be combined with command" in two
    assert "restart[1].signal.proof: needs a health page" in signal
    assert "restart[2]: expected exactly one of celery, command," in three


def test_a_mistyped_driver_is_one_mistake(mistakes: Mistakes, compose: Compose) -> None:
    """What a mistyped key stands for counts as given."""
    assert mistakes(compose(restart="{sytemd: x}")) == [
        "prod.yml:4:11: restart.sytemd: unknown key; did you mean systemd?"
    ]


def test_no_way_to_drain(mistakes: Mistakes, compose: Compose) -> None:
    """Without load balancers and health page, requests would be lost: both ways are named."""
    (line,) = mistakes(compose(load_balancers=None, drain="{timeout: 1s}"))
    assert (
        "load_balancers: no way to drain a node: list each HAProxy here, or describe drain.health_page"
        in line
    )


@pytest.mark.parametrize(
    "restart",
    [
        "{command: go}",
        "{command: {restart: go, proof: cat pid}}",
        "{docker: {container: a, image: 'a:1'}}",
        "{runit: a b}",
        "{supervisor: 'shop:*'}",
        "[{celery: {app: a, start: s}}, {runit: a}]",
    ],
)
def test_what_stops_the_old_one_first_needs_a_way_to_drain(
    loads: Loads, mistakes: Mistakes, compose: Compose, restart: str
) -> None:
    """Or the word of the inventory that nothing sends requests."""
    (line,) = mistakes(compose(load_balancers=None, restart=restart))
    assert "load_balancers: no way to drain a node" in line
    assert loads(compose(load_balancers="{}", restart=restart))


@pytest.mark.parametrize(
    "restart",
    [
        "{http: {url: 'http://{host}/reload'}}",
        "{celery: {app: a, start: s}}",
        "{command: {restart: go, gap: no}}",
        "[{celery: {app: a, start: s}}, {systemd: {unit: a, action: reload}}]",
        "none",
    ],
)
def test_a_service_that_no_load_balancer_knows(loads: Loads, compose: Compose, restart: str) -> None:
    """Queues and single machines have none: a driver that can do without says it, or an empty mapping."""
    assert not loads(compose(load_balancers="{}")).behind_load_balancers
    if restart != "none":
        assert not loads(compose(load_balancers=None, restart=restart)).behind_load_balancers
    assert loads(compose(load_balancers="{}", restart=restart))


def test_only_a_reload_goes_on_answering(loads: Loads, mistakes: Mistakes, compose: Compose) -> None:
    """A unit that is restarted has to be drained, one that is reloaded need not be."""
    reload = compose(load_balancers=None, restart="{systemd: {unit: x, action: reload}}")
    assert not loads(reload).behind_load_balancers
    for systemd in ("x", "{unit: x}", "{unit: x, action: restart}"):
        (line,) = mistakes(compose(load_balancers=None, restart=f"{{systemd: {systemd}}}"))
        assert "no way to drain a node" in line


@pytest.mark.parametrize(
    "changes",
    [
        {"load_balancer": "{lb1: {haproxy: 'unix:///s'}}"},
        {"drain": "{healthpage: {file: /x}}"},
        {"drain": "[health_page]"},
        {"drian": "{health_page: {file: /x}}"},
    ],
)
def test_a_mistyped_way_to_drain_is_one_mistake(
    mistakes: Mistakes, compose: Compose, changes: dict[str, str]
) -> None:
    """The way was there, only wrong: that is told alone."""
    assert len(mistakes(compose(load_balancers=None, **changes))) == 1


def test_the_health_page_alone_is_a_way_to_drain(loads: Loads, compose: Compose) -> None:
    """It needs no load balancer, and has a time to settle by default."""
    inventory = loads(compose(load_balancers=None, drain="{health_page: {file: /x}}"))
    assert inventory.drain.health_page
    assert inventory.drain.health_page.settle == 10


@pytest.mark.parametrize("share", ["100%", "100.0%"])
def test_somebody_must_be_able_to_leave(mistakes: Mistakes, compose: Compose, share: str) -> None:
    """All servers of a backend are never ready while a node is out of it."""
    (line,) = mistakes(compose(strategy=f"{{window: 2, min_ready: {share}}}"))
    assert line == (
        "prod.yml:5:34: strategy.min_ready: expected less than 100%, or no node could ever be drained"
    )


def test_how_many_must_stay_may_exceed_the_nodes(loads: Loads, compose: Compose) -> None:
    """The backend may have other servers than these: HAProxy shows how many, not the inventory."""
    assert loads(compose(strategy="{window: 2, min_ready: 5}")).strategy.min_ready == Amount(count=5)
    assert loads(compose(strategy="{min_ready: 99.9%}")).strategy.min_ready == Amount(percent=99.9)


def test_only_haproxy_shows_how_many_are_ready(mistakes: Mistakes, compose: Compose) -> None:
    """With the health page alone nobody could judge it."""
    sections = {"drain": "{health_page: {file: /x}}", "strategy": "{min_ready: 1}"}
    (line,) = mistakes(compose(load_balancers=None, **sections))
    assert line.endswith(
        "strategy.min_ready: only HAProxy shows how many servers are ready: "
        "list each HAProxy under load_balancers"
    )
    assert len(mistakes(compose(load_balancers=None, load_balancer="{}", **sections))) == 1


@pytest.mark.parametrize("spread", ["zones", "within"])
def test_every_node_has_a_zone_to_spread_over(
    loads: Loads, mistakes: Mistakes, compose: Compose, spread: str
) -> None:
    """Each node without one is told, with its line; a mistyped zone is told alone."""
    strategy = f"{{spread: {spread}}}"
    zoned = "{web1: {host: a, zone: x}, web2: {host: b, zone: y}}"
    assert loads(compose(nodes=zoned, strategy=strategy)).strategy.spread == spread
    nodes = "{web1: {host: a, zone: x}, web2: {host: b}, web3: {host: c, zone: ~}, web4: {host: d, zon: x}}"
    missing = "has no zone, but strategy.spread (line 5) needs one for every node"
    assert mistakes(compose(nodes=nodes, strategy=strategy)) == [
        f"prod.yml:3:35: nodes.web2: {missing}",
        f"prod.yml:3:52: nodes.web3: {missing}",
        "prod.yml:3:94: nodes.web4.zon: unknown key; did you mean zone?",
    ]


def test_nodes_are_different_servers(mistakes: Mistakes, compose: Compose) -> None:
    """By `server` or by name, no two nodes may be the same server."""
    nodes = "{web1: {host: a}, web2: {host: b, server: s}, web3: {host: c, server: s}, s: {host: d}}"
    assert mistakes(compose(nodes=nodes)) == [
        "prod.yml:3:78: nodes.web3.server: the same server as node 'web2'",
        "prod.yml:3:85: nodes.s: the same server as node 'web2'",
    ]


BALANCERS = "{lb1: {haproxy: 'unix:///a'}, lb2: {haproxy: 'unix:///b'}}"


def test_a_server_may_have_a_name_on_each_load_balancer(loads: Loads, compose: Compose) -> None:
    """The same names in another order on the second one; where none is given, the node's own name holds."""
    nodes = (
        "{a: {host: x, server: {lb2: b}}, b: {host: y, server: {lb1: b, lb2: a}}, c: {host: z, server: s}}"
    )
    given = loads(compose(load_balancers=BALANCERS, nodes=nodes)).nodes
    assert [[node.server_on(lb) for lb in ("lb1", "lb2")] for node in given.values()] == [
        [None, "b"],
        ["b", "a"],
        ["s", "s"],
    ]


def test_names_on_load_balancers_are_of_those_that_are_listed(mistakes: Mistakes, compose: Compose) -> None:
    """Every wrong name of a load balancer is told at its line, with the right one where one is near."""
    nodes = "{a: {host: x, server: {lbl1: s}}, b: {host: y, server: {}}, c: {host: z, server: [s]}}"
    assert mistakes(compose(load_balancers=BALANCERS, nodes=nodes)) == [
        "prod.yml:3:31: nodes.a.server.lbl1: no such load balancer; did you mean lb1?",
        "prod.yml:3:63: nodes.b.server: found an empty mapping, expected at least one",
        "prod.yml:3:89: nodes.c.server: found a list, expected a mapping",
    ]
    (line,) = mistakes(compose(load_balancers=BALANCERS, nodes="{a: {host: x, server: {zzz: s}}}"))
    assert line.endswith("nodes.a.server.zzz: no such load balancer; expected lb1 or lb2")


def test_nodes_are_different_servers_on_each_load_balancer(mistakes: Mistakes, compose: Compose) -> None:
    """A name for all, a name for one, and the node's own name are compared where they hold."""
    nodes = "{a: {host: x, server: s}, b: {host: y, server: {lb2: s}}, c: {host: z, server: {lb1: d}}"
    nodes += ", d: {host: u}}"
    assert mistakes(compose(load_balancers=BALANCERS, nodes=nodes)) == [
        "prod.yml:3:61: nodes.b.server.lb2: the same server on lb2 as node 'a'",
        "prod.yml:3:101: nodes.d: the same server on lb1 as node 'c'",
    ]


def test_load_balancers_are_different_sockets(mistakes: Mistakes, compose: Compose) -> None:
    """A copy that was forgotten to be changed would leave one that still sends requests."""
    (line,) = mistakes(compose(load_balancers="{a: {haproxy: 'unix:///s'}, b: {haproxy: 'unix:///s'}}"))
    assert line == "prod.yml:2:58: load_balancers.b.haproxy: the same socket as load balancer 'a'"


def test_rules_hold_beside_other_mistakes(mistakes: Mistakes, compose: Compose) -> None:
    """A wrong value elsewhere hides none of them."""
    told = mistakes(compose(service="a b", restart="{systemd: x, command: y}"))
    assert [line.split(": ")[1] for line in told] == ["service", "restart.command"]


def test_a_warmup_rises_to_the_weight_that_the_server_had(mistakes: Mistakes, compose: Compose) -> None:
    """Each step is more than the one before, and the last is all of it."""
    (line,) = mistakes(compose(warmup="{steps: [10%, 10%, 100%], over: 20s}"))
    assert line == "prod.yml:5:23: warmup.steps[1]: expected more than the step before, which is 10%"
    (line,) = mistakes(compose(warmup="{steps: [10%, 50%], over: 20s}"))
    assert line.endswith("warmup.steps[1]: expected 100% as the last step, the server's full weight")
    for few in ("[]", "[100%]"):
        (line,) = mistakes(compose(warmup=f"{{steps: {few}, over: 20s}}"))
        assert line.endswith("warmup.steps: expected a lower percentage before 100%, such as [10%, 100%]")
    (line,) = mistakes(compose(warmup="{steps: [0%, 100%], over: 20s}"))
    assert line.endswith("found '0%', expected a percentage up to 100%, such as 25%")


def test_only_the_runtime_socket_warms_up(mistakes: Mistakes, compose: Compose) -> None:
    """The health page can neither set weights, nor can anybody without a listed HAProxy."""
    page = "{health_page: {file: /x}}"
    (line,) = mistakes(compose(drain=page, warmup="{over: 20s}"))
    assert line == (
        "prod.yml:6:1: warmup: a warm-up sets weights by the runtime socket, "
        "which drain.health_page (line 5) only reads"
    )
    (line,) = mistakes(
        compose(load_balancers="{}", restart="none", release="{command: x}", warmup="{over: 20s}")
    )
    assert "only HAProxy can warm up a node" in line
