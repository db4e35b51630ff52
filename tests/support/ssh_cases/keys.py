"""Who logs in."""

from __future__ import annotations

from tests.support.ssh_cases.case import Case

CASES = [
    Case("identity files in order", 'IdentityFile ~/.ssh/stranger\nIdentityFile "~/.ssh/a key"\n'),
    Case(
        "identity files of sections",
        "Host web1\n  IdentityFile ~/.ssh/nowhere\nHost *\n  IdentityFile ~/.ssh/second\n",
    ),
    Case("identity file with tokens", "IdentityFile %d/.ssh/%n_%r\n"),
    Case(
        "identity file with a variable",
        "IdentityFile ${{PARITY_KEYS}}/second\n",
        environment={"PARITY_KEYS": "{HOME}/.ssh"},
    ),
    Case("variable that is not set", "IdentityFile ${{PARITY_KEYS}}/second\n", refused="PARITY_KEYS"),
    Case("no identity file", "IdentityFile none\n", refused="no key for"),
    Case("agent alone", "IdentityFile none\n", environment={"SSH_AUTH_SOCK": "{AGENT}"}),
    Case(
        "agent and IdentitiesOnly",
        "IdentitiesOnly yes\nIdentityFile ~/.ssh/stranger\n",
        environment={"SSH_AUTH_SOCK": "{AGENT}"},
        refused="accepts none of these keys: {HOME}/.ssh/stranger$",
    ),
    Case(
        "public key and agent",
        "IdentitiesOnly yes\nIdentityFile ~/.ssh/held.pub\n",
        environment={"SSH_AUTH_SOCK": "{AGENT}"},
    ),
    Case(
        "public key without agent",
        "IdentityFile ~/.ssh/second.pub\n",
        refused=r"second.pub is a public key.* give {HOME}/.ssh/second instead",
    ),
    Case(
        "private key that is only in the agent",
        "IdentitiesOnly yes\nIdentityFile ~/.ssh/held\n",
        environment={"SSH_AUTH_SOCK": "{AGENT}"},
    ),
    Case(
        "encrypted key in the agent",
        "IdentitiesOnly yes\nIdentityFile ~/.ssh/locked\n",
        environment={"SSH_AUTH_SOCK": "{AGENT}"},
    ),
    Case("encrypted key", "IdentityFile ~/.ssh/locked\n", refused="locked is encrypted and not in the agent"),
    Case("agent by path with tokens", "IdentityFile none\nIdentityAgent ~/.ssh/%n.agent\n"),
    Case(
        "agent by variable",
        "IdentityFile none\nIdentityAgent $PARITY_AGENT\n",
        environment={"PARITY_AGENT": "{AGENT}"},
    ),
    Case(
        "agent by variable in braces",
        "IdentityFile none\nIdentityAgent ${{PARITY_AGENT}}\n",
        environment={"PARITY_AGENT": "{AGENT}"},
    ),
    Case(
        "no agent",
        "IdentityFile none\nIdentityAgent none\n",
        environment={"SSH_AUTH_SOCK": "{AGENT}"},
        refused="no key for",
    ),
    Case("agent that is gone", "IdentityAgent /nowhere/agent\n"),
    Case("certificate", "IdentityFile ~/.ssh/stranger\nCertificateFile %d/.ssh/signed.pub\n"),
    Case(
        "certificate for a key of the agent",
        "CertificateFile ~/.ssh/held-signed.pub\n",
        environment={"SSH_AUTH_SOCK": "{AGENT}"},
    ),
    Case("certificate beside the key", "IdentityFile ~/.ssh/vouched\n"),
    Case(
        "accepted algorithms",
        "PubkeyAcceptedAlgorithms rsa-sha2-256\nIdentityFile ~/.ssh/id_ed25519\nIdentityFile ~/.ssh/second\n",
    ),
    Case(
        "no accepted algorithm",
        "PubkeyAcceptedAlgorithms rsa-sha2-512\n",
        refused="PubkeyAcceptedAlgorithms in ssh_config excludes",
    ),
    Case(
        "size of RSA keys",
        "RequiredRSASize 3072\nIdentityFile ~/.ssh/second\n",
        refused="RequiredRSASize 3072",
    ),
    Case(
        "other authentication",
        "PreferredAuthentications keyboard-interactive,password\n",
        refused="PreferredAuthentications",
    ),
    Case("no keys", "PubkeyAuthentication no\nGSSAPIAuthentication yes\n", refused="PubkeyAuthentication no"),
]
