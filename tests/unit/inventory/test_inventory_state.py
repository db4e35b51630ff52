"""`state:`, as an inventory writes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from inventory_support import Compose, Loads, Mistakes

from rollout.domain import EtcdAddress, FolderAddress, SshTarget


@pytest.mark.parametrize(
    ("state", "place"),
    [
        (None, None),
        ("{keep: 7}", None),
        ("local", "local"),
        ("/srv/rollout", FolderAddress("/srv/rollout")),
        (
            "ssh://lb1.example.com/var/lib/rollout",
            FolderAddress("/var/lib/rollout", SshTarget("lb1.example.com", "ops", 22, jump="bastion")),
        ),
        (
            "{place: 'ssh://deploy@lb1:2222/x y'}",
            FolderAddress("/x y", SshTarget("lb1", "deploy", 2222, jump="bastion")),
        ),
        (
            "etcd://etcd1:2379,10.0.0.2,[fd00::3]:23/rollout/shops/",
            EtcdAddress(("etcd1:2379", "10.0.0.2:2379", "[fd00::3]:23"), "/rollout/shops"),
        ),
        ("'etcd://${HOST}/rollout'", EtcdAddress(("etcd9:2379",), "/rollout")),
    ],
)
def test_a_place(loads: Loads, compose: Compose, state: str | None, place: object) -> None:
    """By a line alone; what is missing for SSH comes from `ssh`, and etcd's port is the usual one."""
    ssh = "{user: ops, port: 22, jump: bastion}"
    assert loads(compose(state=state, ssh=ssh), {"HOST": "etcd9"}).place == place


def test_etcd_with_all_that_it_may_need(loads: Loads, compose: Compose, tmp_path: Path) -> None:
    """Relative paths begin at the inventory's folder; the password is not shown."""
    state = (
        "{place: 'etcd://e/r', keep: 9, ca: ca.pem, cert: tls/me.pem, key: /etc/me.key, user: ann, "
        "password: '${WORD}'}"
    )
    inventory = loads(compose(state=state), {"WORD": "hunter2"})
    files = (f"{tmp_path}/ca.pem", f"{tmp_path}/tls/me.pem", "/etc/me.key")
    assert inventory.place == EtcdAddress(("e:2379",), "/r", *files, "ann", "hunter2")
    assert "hunter2" not in str(inventory.place)
    assert inventory.kept == 9


def test_two_hundred_deployments_are_kept(loads: Loads, compose: Compose) -> None:
    """Where nothing else is said."""
    assert loads(compose()).kept == loads(compose(state="local")).kept == 200


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("x", ":8: state: found 'x', expected etcd://etcd1:2379,etcd2:2379/rollout, ssh://user@host/"),
        ("rollout/state", ":8: state: found 'rollout/state', expected etcd://"),
        ("/", ":8: state: found '/', expected etcd://"),
        ("ssh://lb1", ":8: state: found 'ssh://lb1', expected etcd://"),
        ("'ssh://lb1:x/y'", ":8: state: found 'ssh://lb1:x/y', expected etcd://"),
        ("http://etcd1:2379/rollout", ":8: state: found 'http://etcd1:2379/rollout', expected etcd://"),
        ("etcd://a:1,b:2", ":8: state: found 'etcd://a:1,b:2', expected a prefix for the keys"),
        ("'etcd://a:1,,b:2/r'", ":8: state: found 'etcd://a:1,,b:2/r', expected etcd://etcd1:2379"),
        ("etcd://a:70000/r", ":8: state: found 'etcd://a:70000/r', expected etcd://etcd1:2379"),
        (
            "'etcd://a,a:2379/r'",
            ":8: state: found 'etcd://a,a:2379/r', expected each member once, but a:2379",
        ),
        ("'etcd://ann@a/r'", ":8: state: found 'etcd://ann@a/r', expected members alone"),
        ("[a]", ":8: state: found a list, expected a mapping"),
        ("{place: lokal}", ":16: state.place: found 'lokal', expected etcd://"),
        ("{plaice: local}", ":9: state.plaice: unknown key; did you mean place?"),
        ("{keep: 0}", ":15: state.keep: found '0', expected at least 1"),
        ("{keep: all}", ":15: state.keep: found 'all', expected a whole number"),
        ("{ca: x}", ":9: state.ca: only etcd needs it: expected `place: etcd://…` beside it"),
        ("{place: local, user: ann}", ":23: state.user: only etcd needs it"),
        ("{place: 'etcd://e/r', cert: x, ca: y}", ":30: state.cert: expected `key` beside it"),
        ("{place: 'etcd://e/r', cert: x, key: y}", ":30: state.cert: a certificate is shown over TLS alone"),
        ("{place: 'etcd://e/r', user: ann}", ":30: state.user: expected `password` beside it"),
        (
            "{place: 'etcd://e/r', user: ann, password: hunter2}",
            ":41: state.password: expected a variable such as ${ETCD_PASSWORD}, and no password itself",
        ),
        (
            "{place: 'etcd://e/r', user: ann, password: '${WORD}'}",
            ":51: state.password: environment variable WORD is not set",
        ),
    ],
)
def test_mistakes(mistakes: Mistakes, compose: Compose, state: str, told: str) -> None:
    """One line each, with its line, its key, and what was expected."""
    found = mistakes(compose(state=state))
    assert len(found) == 1, found
    assert found[0].startswith(f"prod.yml:5{told}")
    assert "hunter2" not in found[0]
