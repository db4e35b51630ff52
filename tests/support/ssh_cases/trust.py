"""Whom it trusts."""

from __future__ import annotations

from tests.support.ssh_cases.case import Case

CASES = [
    Case(
        "known hosts with a variable",
        "UserKnownHostsFile ${{PARITY_KNOWN}}\n",
        known="",
        environment={"PARITY_KNOWN": "{HOME}/.ssh/known_web1"},
    ),
    Case("several known hosts", 'UserKnownHostsFile ~/.ssh/none_%n "~/.ssh/known here"\n', known=""),
    Case(
        "known hosts of the system",
        "UserKnownHostsFile none\nGlobalKnownHostsFile ~/no /etc/ssh/known\n",
        files={"/etc/ssh/known": "{KNOWN}"},
    ),
    Case(
        "no known hosts",
        "UserKnownHostsFile /dev/null\nStrictHostKeyChecking no\n",
        refused="host key is unknown.*despite StrictHostKeyChecking no",
    ),
    Case(
        "new keys",
        "StrictHostKeyChecking accept-new\n",
        known="",
        refused="despite StrictHostKeyChecking accept-new",
    ),
    Case("changed key", known="[{NODE}]:{PORT} {STRANGER}\n", refused="host key has changed"),
    Case("without port", known="{NODE} {HOST_KEY}\n"),
    Case("alias of the key", "HostKeyAlias Shop\n", known="shop {HOST_KEY}\n"),
    Case(
        "alias of another key",
        "HostKeyAlias shop\n",
        known="[{NODE}]:{PORT} {HOST_KEY}\n",
        refused="host key is unknown",
    ),
    Case("revoked", known="@revoked * {HOST_KEY}\n{KNOWN}", refused="is revoked"),
    Case(
        "list of revoked keys",
        "RevokedHostKeys ~/.ssh/revoked\n",
        files={".ssh/revoked": "{HOST_KEY}\n"},
        refused="is revoked",
    ),
    Case(
        "list of other revoked keys",
        "RevokedHostKeys {HOME}/.ssh/revoked\n",
        files={".ssh/revoked": "{STRANGER}\n"},
    ),
    Case(
        "list of revoked keys that is missing",
        "RevokedHostKeys ~/.ssh/revoked\n",
        refused="RevokedHostKeys .* cannot be read",
    ),
    Case("command for known hosts", 'KnownHostsCommand /bin/echo %H "{HOST_KEY}"\n', known=""),
    Case(
        "command for known hosts with a key",
        "KnownHostsCommand /bin/sh {HOME}/.ssh/known %I %H %K %t\n",
        known="",
        files={
            ".ssh/known": (
                'test "$1 $4" = "HOSTNAME ssh-ed25519-cert-v01@openssh.com" && echo "$2 {HOST_KEY}"\n:\n'
            )
        },
    ),
    Case(
        "command for known hosts that fails",
        "KnownHostsCommand /bin/false\n",
        refused="KnownHostsCommand failed",
    ),
    Case("authority", known="@cert-authority *,!db* {HOST_CA}\n"),
    Case(
        "authority of another name",
        "HostKeyAlias db1\n",
        known="@cert-authority * {HOST_CA}\n",
        refused="certificate is for {NODE}, shop, not for db1",
    ),
    Case("authority and alias", "HostKeyAlias shop\n", known="@cert-authority shop {HOST_CA}\n"),
    Case("another authority", known="@cert-authority * {STRANGER}\n", refused="wants a certificate of"),
    Case(
        "certificates wanted",
        "HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com\n",
        refused="wants a certificate",
    ),
    Case(
        "revoked authority", known="@revoked * {HOST_CA}\n@cert-authority * {HOST_CA}\n", refused="is revoked"
    ),
    Case("kind of host key", "HostKeyAlgorithms rsa-sha2-512\n", known="[{NODE}]:{PORT} {HOST_RSA}\n"),
    Case(
        "kind of host key that the host lacks",
        "HostKeyAlgorithms ecdsa-sha2-nistp256\n",
        refused="no common algorithms",
    ),
    Case("address checked as well", "CheckHostIP yes\n"),
]
