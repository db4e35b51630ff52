"""What a wrong inventory is told: where, what was found, what is expected."""

from __future__ import annotations

import pytest
from inventory_support import Compose, Loads, Mistakes

from rollout.errors import UsageError
from rollout.inventory import InventoryError, Mistake


def test_every_mistake_is_told_in_the_order_of_the_file(mistakes: Mistakes) -> None:
    """One load names all of them, each with file, line, column, key, what was found, what is expected."""
    assert mistakes(
        "servce: shop\n"
        "load_balancers:\n"
        "  lb1: {haproxy: 'http://x', backends: [a, a, 'b c']}\n"
        "nodes:\n"
        "  web1: {host: 10.0.0.11, zoen: a}\n"
        "  web1: {host: 10.0.0.12}\n"
        "  bad name: {host: x}\n"
        "  web3: {hots: x, server: web1, ssh: lokal}\n"
        "  web4: {host: '${NOPE}:${NEITHER}'}\n"
        "  web5: 10.0.0.1\n"
        "  web6: {host: x, ssh: {prot: 22, port: 70000}}\n"
        "  web7:\n"
        "  web8: {host: [1], ssh: [1]}\n"
        "drain:\n"
        "  timout: 30s\n"
        "  timeout: 30\n"
        "  on_timeout: abrot\n"
        "  colour: red\n"
        "restart:\n"
        "  systemd: x\n"
        "  command: echo ${FOO}\n"
        "health: {interval: 0s, successes: many, status: 700}\n"
        "strategy: {canary: -1, window: []}\n"
        "prepare: [make]\n"
    ) == [
        "prod.yml:1:1: servce: unknown key; did you mean service?",
        "prod.yml:3:18: load_balancers.lb1.haproxy: found 'http://x', "
        "expected unix:///path, tcp://host:port or ssh://user@host/path",
        "prod.yml:3:44: load_balancers.lb1.backends[1]: duplicate of entry 1",
        "prod.yml:3:47: load_balancers.lb1.backends[2]: found 'b c', expected one word without spaces",
        "prod.yml:5:27: nodes.web1.zoen: unknown key; did you mean zone?",
        "prod.yml:6:3: nodes.web1: duplicate key, the first is on line 5",
        "prod.yml:7:3: nodes.bad name: found the name 'bad name', expected letters, digits and _ . : -",
        "prod.yml:8:10: nodes.web3.hots: unknown key; did you mean host?",
        "prod.yml:8:27: nodes.web3.server: the same server as node 'web1'",
        "prod.yml:8:38: nodes.web3.ssh: found 'lokal', expected a mapping or local; did you mean local?",
        "prod.yml:9:16: nodes.web4.host: environment variable NOPE is not set",
        "prod.yml:9:16: nodes.web4.host: environment variable NEITHER is not set",
        "prod.yml:10:9: nodes.web5: found '10.0.0.1', expected a mapping with host",
        "prod.yml:11:25: nodes.web6.ssh.prot: unknown key; did you mean port?",
        "prod.yml:11:41: nodes.web6.ssh.port: found '70000', expected at most 65535",
        "prod.yml:12:3: nodes.web7: has no value: give it one, or remove the key",
        "prod.yml:13:16: nodes.web8.host: found a list, expected text",
        "prod.yml:13:26: nodes.web8.ssh: found a list, expected a mapping or local",
        "prod.yml:15:3: drain.timout: unknown key; did you mean timeout?",
        "prod.yml:16:12: drain.timeout: found '30', expected a duration such as 30s, 500ms or 2m",
        "prod.yml:17:15: drain.on_timeout: found 'abrot', expected abort or close; did you mean abort?",
        "prod.yml:18:3: drain.colour: unknown key; expected one of timeout, on_timeout, pinned, health_page",
        "prod.yml:21:3: restart.command: "
        "cannot be combined with systemd (line 20): expected only one of them",
        "prod.yml:21:12: restart.command: environment variable FOO is not set",
        "prod.yml:22:1: health.http: missing",
        "prod.yml:22:20: health.interval: found '0s', "
        "expected a duration above zero, such as 30s, 500ms or 2m",
        "prod.yml:22:35: health.successes: found 'many', expected a whole number",
        "prod.yml:22:49: health.status: found '700', expected at most 599",
        "prod.yml:23:20: strategy.canary: found '-1', "
        "expected a count of at least 1, such as 2, or a percentage up to 100%, such as 25%",
        "prod.yml:23:32: strategy.window: found an empty list, "
        "expected a count of at least 1, such as 2, or a percentage up to 100%, such as 25%",
        "prod.yml:24:10: prepare: found a list, expected a mapping with command",
    ]


def test_a_mistake_is_data(loads: Loads, compose: Compose) -> None:
    """Programs find the parts of a mistake without taking text apart."""
    with pytest.raises(UsageError) as caught:
        loads(compose(drain="{timout: 1s}"))
    assert isinstance(caught.value, InventoryError)
    (mistake,) = caught.value.mistakes
    assert isinstance(mistake, Mistake)
    assert (mistake.position, mistake.key) == ((5, 9), "drain.timout")
    assert mistake.file.endswith("prod.yml")


@pytest.mark.parametrize("left_out", ["service", "nodes", "restart"])
def test_what_is_missing(mistakes: Mistakes, compose: Compose, left_out: str) -> None:
    """A required key that is left out is told at the place of the mapping that lacks it."""
    assert mistakes(compose(**{left_out: None})) == [f"prod.yml:1:1: {left_out}: missing"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"service": "my shop"}, "1:10: service: found 'my shop', expected letters, digits and _ . : -"),
        ({"service": "x" * 101}, f"1:10: service: found '{'x' * 80}…', expected at most 100 characters"),
        ({"service": "''"}, "1:10: service: found '', expected letters, digits and _ . : -"),
        ({"service": "~"}, "1:10: service: found nothing, expected text"),
        ({"nodes": "{}"}, "3:8: nodes: found an empty mapping, expected at least one"),
        ({"nodes": "[web1]"}, "3:8: nodes: found a list, expected a mapping"),
        ({"load_balancers": "[lb1]"}, "2:17: load_balancers: found a list, expected a mapping"),
        (
            {"load_balancers": "{a: {haproxy: 'unix:///s', backends: shop}}"},
            "2:54: load_balancers.a.backends: found 'shop', expected a list",
        ),
        (
            {"load_balancers": "{a: {haproxy: 'unix:///s', backends: []}}"},
            "2:54: load_balancers.a.backends: found an empty list, expected at least one",
        ),
        ({"restart": "shop.service"}, "4:10: restart: found 'shop.service', expected a mapping"),
        ({"release": "{command: ''}"}, "5:20: release.command: found '', expected some text"),
        (
            {"health": "{http: 'http://a/', successes: 1.5}"},
            "5:40: health.successes: found '1.5', expected a whole number",
        ),
        (
            {"health": f"{{http: 'http://a/', successes: {'9' * 5000}}}"},
            f"5:40: health.successes: found '{'9' * 80}…', expected a whole number",
        ),
        ({"ssh": "{port: 0}"}, "5:13: ssh.port: found '0', expected at least 1"),
        ({"ssh": "'null'"}, "5:6: ssh: found 'null', expected a mapping or local"),
        ({"ssh": "{settings: 1}"}, "5:7: ssh.settings: unknown key; expected one of user, port, "),
        ({"ssh": "{hosts: 1}"}, "5:7: ssh.hosts: unknown key; did you mean known_hosts?"),
        (
            {"drain": "{health_page: {file: run/draining}}"},
            "5:29: drain.health_page.file: found 'run/draining', expected an absolute path",
        ),
        (
            {"drain": "{health_page: {request: {down: {url: 'http://a'}}}}"},
            "5:23: drain.health_page.request.up: missing",
        ),
        (
            {"nodes": "{web1: {host: a, ssh: {user: a b}}}"},
            "3:37: nodes.web1.ssh.user: found 'a b', expected one word without spaces",
        ),
        ({"Strategy": "{}"}, "5:1: Strategy: unknown key; did you mean strategy?"),
        ({"strategy": "{? [a] : 1}"}, "5:14: strategy: found a key that is not a plain word"),
        ({"strategy": "{<<: 1}"}, "5:16: strategy: expected a mapping, or a list of mappings, after <<"),
        ({"drain": ""}, "5:1: drain: has no value: give it one, or remove the key"),
        ({"nodes": '{web1: {host: "a\\0"}}'}, "3:22: nodes.web1.host: found a NUL character"),
        ({"nodes": '{web1: {host: "\\ud83d"}}'}, "3:22: nodes.web1.host: found half a character"),
    ],
)
def test_what_is_told(mistakes: Mistakes, compose: Compose, changes: dict[str, str], told: str) -> None:
    """Each wrong value is one mistake, in words of an inventory."""
    (line,) = mistakes(compose(**changes))
    assert line.startswith(f"prod.yml:{told}")


@pytest.mark.parametrize("window", ["0", "-1", "300%", "0%", "1.5", "many", "9" * 5000, "[1]", "٣"])
def test_impossible_windows(mistakes: Mistakes, compose: Compose, window: str) -> None:
    """A window that no deployment can have is told with what one looks like."""
    (line,) = mistakes(compose(strategy=f"{{window: {window}}}"))
    assert line.startswith("prod.yml:5:20: strategy.window: found ")
    assert "such as 25%" in line


@pytest.mark.parametrize(
    "url",
    ["/run/s", "unix://run/s", "unix:///", "tcp://h", "tcp://h:x", "tcp://h:1/p", "ssh://h", "ssh:///p"],
)
def test_impossible_sockets(mistakes: Mistakes, compose: Compose, url: str) -> None:
    """What is no runtime socket is told with the three forms of one."""
    (line,) = mistakes(compose(load_balancers=f"{{a: {{haproxy: '{url}', master: '{url}'}}}}"))[:1]
    assert "expected unix:///path, tcp://host:port or ssh://user@host/path" in line


@pytest.mark.parametrize(
    "url", ["{host}:8000", "ftp://a", "http://", "http://a:b/", "http://[", "http://a b/"]
)
def test_impossible_urls(mistakes: Mistakes, compose: Compose, url: str) -> None:
    """What is no URL of a health page is told with one that is."""
    (line,) = mistakes(compose(health=f"{{http: '{url}'}}"))
    assert line.endswith("expected a URL such as http://{host}:8000/_status")


@pytest.mark.parametrize("key", ["restart", "health", "nodes"])
def test_duplicate_keys(mistakes: Mistakes, compose: Compose, key: str) -> None:
    """A second key of the same name is told with both lines, and the rest is checked all the same."""
    text = compose(health="{http: 'http://a'}") + f"'{key}': {{}}\nstrategy: {{window: 0}}\n"
    line = ["nodes", "restart", "health"].index(key) + 3
    told = mistakes(text)
    assert told[0] == f"prod.yml:6:1: {key}: duplicate key, the first is on line {line}"
    assert told[1].startswith("prod.yml:7:20: strategy.window")


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!ENV", "!!binary", "!!set"])
def test_unknown_tags(mistakes: Mistakes, compose: Compose, tag: str) -> None:
    """A tag is a mistake, and makes nothing happen."""
    (line,) = mistakes(compose(release=f"{tag} {{command: 'echo hi'}}"))
    assert line == f"prod.yml:5:10: release: found the tag '{tag}', expected a plain value"


def test_an_alias_of_itself(mistakes: Mistakes, compose: Compose) -> None:
    """A value that is part of itself is told, by alias and by merge."""
    (line,) = mistakes(compose(drain="&d {health_page: *d}"))
    assert line.startswith("prod.yml:5:12: drain.health_page: found an alias of a value that contains it")
    (line,) = mistakes(compose(drain="&d {timeout: 1s, <<: *d}"))
    assert line.startswith("prod.yml:5:8: drain: found an alias of a value that contains it")


@pytest.mark.parametrize("last", ["nodes: *a8", "nodes: {<<: *m8}"])
def test_alias_bombs(mistakes: Mistakes, last: str) -> None:
    """A few lines that stand for a thousand million values are too large."""
    lists = [f"  - &a{n} [{', '.join([f'*a{n - 1}' if n else 'x'] * 10)}]" for n in range(9)]
    maps = [f"  - &m{n} {{<<: [{', '.join([f'*m{n - 1}' if n else '{x: y}'] * 10)}]}}" for n in range(9)]
    (line,) = mistakes("\n".join(["x:", *lists, *maps, last]))
    assert "too large: with all aliases, there are more than 100,000 values" in line


@pytest.mark.parametrize("depth", [50, 10_000])
def test_deep_nesting(mistakes: Mistakes, depth: int) -> None:
    """What is nested without end is a mistake, not a crash."""
    (line,) = mistakes("nodes: " + "[" * depth + "]" * depth)
    assert line.startswith("prod.yml:1:")
    assert "nested too deeply" in line


def test_control_characters_are_escaped(mistakes: Mistakes, compose: Compose) -> None:
    """Nothing of a file reaches the terminal's own language: not as a value, not as a key."""
    text = compose(ssh='{port: "\\e[31m\\u202e\\n"}') + '"\\e]0;x\\a": 1\n'
    told = mistakes(text)
    assert "found '\\x1b[31m\\u202e\\n'" in told[0]
    assert told[1].startswith("prod.yml:6:1: \\x1b]0;x\\x07: unknown key")


def test_many_mistakes_do_not_flood_the_screen(loads: Loads, compose: Compose) -> None:
    """The text is cut; the data is not."""
    text = compose() + "".join(f"x{number}: 1\n" for number in range(100))
    with pytest.raises(InventoryError) as caught:
        loads(text)
    assert len(caught.value.mistakes) == 100
    assert str(caught.value).count("\n") == 50
    assert str(caught.value).endswith("and 50 more")


PLAIN = "expected a name or address alone, such as web1.example.com, 10.0.0.11 or fd00::11"
PORT = ": the port of its sshd is `port` under ssh, that of the application is in health.http"
USER = ": the user who logs in is `user` under ssh"
URL = ": the user and the port of its sshd are `user` and `port` under ssh"
BRACKETS = ": an IPv6 address has no brackets here"


@pytest.mark.parametrize(
    ("host", "found", "instead"),
    [
        ("10.0.0.1:8000", "'10.0.0.1:8000'", PORT),
        ("web1.example.com:22", "'web1.example.com:22'", PORT),
        ("deploy@web1", "'deploy@web1'", USER),
        ("deploy@web1:22", "'deploy@web1:22'", USER),
        ("ssh://deploy@web1:22", "'ssh://deploy@web1:22'", URL),
        ("http://10.0.0.1:8000/", "'http://10.0.0.1:8000/'", URL),
        ("[fd00::11]", "a list", BRACKETS),
        ("'[::1]'", "'[::1]'", f"{BRACKETS}, and a port is `port` under ssh"),
        ("'[::1]:22'", "'[::1]:22'", f"{BRACKETS}, and a port is `port` under ssh"),
        ("web1,web2", "'web1,web2'", ""),
        ("web1/24", "'web1/24'", ""),
        ("-oProxyCommand=x", "'-oProxyCommand=x'", ""),
        ("[web1]", "a list", "expected text"),
    ],
)
def test_a_host_is_a_host_alone(
    mistakes: Mistakes, compose: Compose, host: str, found: str, instead: str
) -> None:
    """What people write with it belongs elsewhere: the error says where."""
    (line,) = mistakes(compose(nodes=f"\n  web1:\n    host: {host}"))
    expected = instead if instead.startswith("expected") else PLAIN + instead
    assert line == f"prod.yml:5:11: nodes.web1.host: found {found}, {expected}"


@pytest.mark.parametrize("host", ["[::1]", "[::1]:22"])
def test_brackets_without_quotes_are_no_yaml(mistakes: Mistakes, compose: Compose, host: str) -> None:
    """They begin a list, which a colon breaks: the error says so."""
    (line,) = mistakes(compose(nodes=f"\n  web1:\n    host: {host}"))
    assert line.startswith("prod.yml:5:")
    assert "write a host's IPv6 address without them, such as host: fd00::11" in line


@pytest.mark.parametrize("host", ["web1", "10.0.0.11", "fd00::11", "::1", "fe80::1%eth0", "web_1.internal."])
def test_names_and_addresses_are_hosts(loads: Loads, compose: Compose, host: str) -> None:
    """Of either kind, and with a zone."""
    assert loads(compose(nodes=f"{{web1: {{host: '{host}'}}}}")).nodes["web1"].host


@pytest.mark.parametrize("jump", ["gate:ssh", "a,,b", "@gate", "::1", "a b", "[::1"])
def test_a_jump_host_is_told_where_it_stands(mistakes: Mistakes, compose: Compose, jump: str) -> None:
    """Not only when the first connection fails."""
    (line,) = mistakes(compose(ssh=f"{{jump: '{jump}'}}"))
    assert "ssh.jump: found" in line
    assert "expected" in line


@pytest.mark.parametrize("jump", ["gate", "me@gate:2222", "ssh://me@gate", "[::1]:22", "one,me@two", "none"])
def test_jump_hosts_as_openssh_writes_them(loads: Loads, compose: Compose, jump: str) -> None:
    """With a user, a port, and several with commas."""
    assert loads(compose(ssh=f"{{jump: '{jump}'}}")).ssh_target("web1")
