"""Placeholders: only those that rollout fills in are accepted, and only where it does."""

from __future__ import annotations

import pytest
from inventory_support import Compose, Loads, Mistakes

KNOWN = "expected no placeholder but {host}, {node} and {release}"
NONE = "expected no placeholder: nothing is filled in here, since it belongs to no node"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"health": "{http: 'http://{ip}:8000/'}"},
            f"5:16: health.http: found 'http://{{ip}}:8000/', {KNOWN}",
        ),
        ({"health": "{http: 'http://{address}:8000/'}"}, "did you mean {host}?"),
        ({"health": "{http: 'http://{Host}:8000/'}"}, "did you mean {host}?"),
        ({"health": "{http: 'http://{{host}}:8000/'}"}, "did you mean {host}?"),
        ({"health": "{http: 'http://{host}:8000/{ name }'}"}, "did you mean {node}?"),
        ({"health": "{http: 'http://{host}:8000/{version}'}"}, "did you mean {release}?"),
        ({"health": "{http: 'http://{host}:{port}/'}"}, KNOWN),
        ({"restart": "{http: {url: 'http://{ip}/reload'}}"}, "did you mean {host}?"),
        ({"restart": "{signal: {pidfile: '/run/{nod}.pid', proof: new-pid}}"}, "did you mean {node}?"),
        ({"restart": "{celery: {app: a, start: b, node: 'celery@{hostname}'}}"}, "did you mean {host}?"),
        ({"restart": "{docker: {container: 'shop-{name}', image: a}}"}, "did you mean {node}?"),
        ({"restart": "{docker: {container: a, image: 'shop:{tag}'}}"}, "did you mean {release}?"),
        ({"restart": "{runit: 'shop-{name} b'}"}, "did you mean {node}?"),
        ({"restart": "{supervisor: 'shop-{name}'}"}, "did you mean {node}?"),
        (
            {"release": "{archive: {source: 'shop-{version}.tar', directory: /srv}}"},
            "did you mean {release}?",
        ),
        ({"release": "{files: {from: a, to: '/srv/{nodename}'}}"}, "did you mean {node}?"),
        ({"drain": "{health_page: {file: '/run/{name}'}}"}, "did you mean {node}?"),
        (
            {"strategy": "{judge: {prometheus: {url: 'http://p/', query: 'up{i=\"{ip}\"}', max: 1}}}"},
            "did you mean {host}?",
        ),
        ({"strategy": "{judge: {prometheus: {url: 'http://{host}/', query: up, max: 1}}}"}, NONE),
        ({"probe": "{url: 'http://{host}/'}"}, f"5:14: probe.url: found 'http://{{host}}/', {NONE}"),
        ({"notify": "{webhook: 'http://{node}/'}"}, NONE),
    ],
)
def test_a_placeholder_that_nothing_fills_in(
    mistakes: Mistakes, compose: Compose, changes: dict[str, str], told: str
) -> None:
    """It is a mistake with file and line, and with the placeholder that was probably meant."""
    (line,) = mistakes(compose(**changes))
    assert told in line
    assert line.startswith("prod.yml:")


@pytest.mark.parametrize("host", ["{host:8000", "host}:8000", "$host:8000", "<host>:8000", "a,b:8000"])
def test_a_host_that_cannot_be(mistakes: Mistakes, compose: Compose, host: str) -> None:
    """A brace that was forgotten, or another tool's placeholder, leaves no name of a host."""
    (line,) = mistakes(compose(health=f"{{http: 'http://{host}/_status'}}"))
    assert "expected a URL such as http://{host}:8000/_status" in line


@pytest.mark.parametrize(
    "url",
    [
        "http://{host}:8000/{node}/{release}",
        "http://10.0.0.1/",
        "http://[::1]:80/",
        "http://[fe80::1%25eth0]/",
        "http://größe.example/x?q={1}",
    ],
)
def test_what_is_filled_in_is_right(loads: Loads, compose: Compose, url: str) -> None:
    """The known placeholders, addresses of both kinds, and braces that are no placeholder."""
    assert loads(compose(health=f"{{http: '{url}'}}")).health is not None


def test_braces_of_shell_lines_and_queries_stay(loads: Loads, compose: Compose) -> None:
    """A shell and PromQL have braces of their own."""
    shell = """{command: "awk '{print}' | jq '{release}'"}"""
    query = 'up{job="a", i=~"{node}:[0-9]{1,4}"} - down{{host}}'
    judge = f"{{judge: {{prometheus: {{url: 'http://p:9/', query: '{query}', max: 1}}}}}}"
    loaded = loads(compose(restart=shell, strategy=judge, hooks="{before_deploy: 'echo {ip}'}"))
    assert loaded.hooks.before_deploy == "echo {ip}"


def test_a_value_of_a_variable_is_not_told(mistakes: Mistakes, compose: Compose) -> None:
    """The mistake is found in it all the same."""
    (line,) = mistakes(compose(health="{http: '${URL}'}"), {"URL": "http://{ip}/s3cr3t"})
    assert line == f"prod.yml:5:16: health.http: found '${{URL}}', {KNOWN}; did you mean {{host}}?"


@pytest.mark.parametrize(
    ("health", "told"),
    [
        (
            "successes: 10, interval: 10s",
            "10 right answers, each health.interval after the one before, take 90s",
        ),
        ("interval: 2m", "2 right answers, each health.interval after the one before, take 2m"),
        ("interval: 10s, timeout: 5s", "expected a timeout longer than that, not 5s"),
    ],
)
def test_answers_that_take_longer_than_the_timeout(
    mistakes: Mistakes, compose: Compose, health: str, told: str
) -> None:
    """No node could ever be proved healthy, so no deployment can begin."""
    (line,) = mistakes(compose(health=f"{{http: 'http://a/', {health}}}"))
    assert told in line


def test_a_timeout_alone_may_be_short(loads: Loads, compose: Compose) -> None:
    """The answers that are needed by default are no promise of the inventory's."""
    assert loads(compose(health="{http: 'http://a/', timeout: 100ms}")).health is not None
