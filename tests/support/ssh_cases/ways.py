"""Where the connection goes, and how."""

from __future__ import annotations

from tests.support.ssh_cases.case import Case

CASES = [
    Case(
        "canonical name, matched",
        "CanonicalizeHostname yes\nCanonicalDomains nowhere.internal example.internal\n"
        "Match canonical host *.internal\n  Port {PORT}\n",
        known="[web1.example.internal]:{PORT} {HOST_KEY}\n",
        bare=True,
    ),
    Case(
        "canonical name wanted",
        "CanonicalizeHostname yes\nCanonicalDomains nowhere.internal\nCanonicalizeFallbackLocal no\n",
        bare=True,
        refused="Could not resolve host",
    ),
    Case("address family", "AddressFamily inet6\n", refused="cannot be resolved|cannot be reached"),
    Case("bind address", "BindAddress 127.0.0.9\n"),
    Case("bind address that is not here", "BindAddress 192.0.2.1\n", refused="bindaddress 192.0.2.1"),
    Case("bind interface", "BindInterface lo\n"),
    Case("jump host", "Host web1\n  ProxyJump {JUMP}:{JUMP_PORT}\n"),
    Case("two jump hosts", "Host web1\n  ProxyJump {JUMP}:{JUMP_PORT},{USER}@{INNER}:{INNER_PORT}\n"),
    Case(
        "jump host of the inventory",
        "Host web1\n  ProxyJump nowhere\n",
        target={"jump": "{JUMP}:{JUMP_PORT}"},
    ),
    Case("no jump host", "Host web1\n  ProxyJump none\nHost *\n  ProxyJump nowhere\n"),
    Case(
        "jump host with its own key",
        "Host gate\n  HostName {JUMP}\n  Port {JUMP_PORT}\n  IdentityFile ~/.ssh/second\n"
        "Host web1\n  ProxyJump gate\n",
    ),
    Case(
        "proxy command before a jump host",
        "Host db1\n  ProxyCommand false\nHost web1\n  ProxyCommand {FORWARD} %h %p\n"
        "Host *\n  ProxyJump nowhere\n",
    ),
    Case(
        "proxy command with tokens",
        "ProxyCommand sh -c 'test %n = web1 && test %r = {USER} && exec {FORWARD} %h %p'\n",
    ),
    Case("no proxy command", "Host web1\n  ProxyCommand none\nHost *\n  ProxyCommand false\n"),
    Case(
        "proxy command and descriptor",
        "ProxyCommand {FORWARD} %h %p\nProxyUseFdpass yes\n",
        refused="ProxyUseFdpass",
    ),
]
