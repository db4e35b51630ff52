"""What distributions ship, and what well-known programs tell people to write."""

from __future__ import annotations

from tests.support.ssh_cases.case import Case

CASES = [
    Case(
        "Red Hat Enterprise Linux",
        files={
            "/etc/ssh/ssh_config": "Include /etc/ssh/ssh_config.d/*.conf\n",
            "/etc/ssh/ssh_config.d/50-redhat.conf": (
                "# what this distribution sets\nMatch final all\n\tInclude /etc/ssh/policies/openssh.config\n"
                "\tGSSAPIAuthentication yes\n\tForwardX11Trusted yes\n"
                "\tSendEnv LANG LC_CTYPE LC_NUMERIC LC_TIME LC_COLLATE LC_MONETARY LC_MESSAGES\n"
                "\tSendEnv LC_PAPER LC_NAME LC_ADDRESS LC_TELEPHONE LC_MEASUREMENT\n"
                "\tSendEnv LC_IDENTIFICATION LC_ALL LANGUAGE\n\tSendEnv XMODIFIERS\n"
            ),
            "/etc/ssh/policies/openssh.config": (
                "Ciphers aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,"
                "aes128-gcm@openssh.com,aes128-ctr\n"
                "MACs hmac-sha2-256-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
                "hmac-sha2-256,umac-128@openssh.com,hmac-sha2-512\n"
                "GSSAPIKeyExchange no\n"
                "KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,"
                "ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,"
                "diffie-hellman-group14-sha256\n"
                "PubkeyAcceptedAlgorithms ecdsa-sha2-nistp256,ecdsa-sha2-nistp256-cert-v01@openssh.com,"
                "ssh-ed25519,ssh-ed25519-cert-v01@openssh.com,rsa-sha2-256,rsa-sha2-256-cert-v01@openssh.com,rsa-sha2-512,"
                "rsa-sha2-512-cert-v01@openssh.com\n"
                "CASignatureAlgorithms ecdsa-sha2-nistp256,ssh-ed25519,rsa-sha2-256,rsa-sha2-512\n"
                "RequiredRSASize 2048\n"
            ),
        },
    ),
    Case(
        "Fedora",
        files={
            "/etc/ssh/ssh_config": "Include /etc/ssh/ssh_config.d/*.conf\n",
            "/etc/ssh/ssh_config.d/20-systemd-ssh-proxy.conf": (
                "Host unix/* vsock/*\n\tProxyCommand /usr/lib/systemd/systemd-ssh-proxy %h %p\n"
                "\tProxyUseFdpass yes\n\tCheckHostIP no\n"
            ),
            "/etc/ssh/ssh_config.d/50-redhat.conf": (
                "Match final all\n\tInclude /etc/ssh/policies/openssh.config\n\tForwardX11Trusted yes\n"
            ),
            "/etc/ssh/policies/openssh.config": (
                "Ciphers aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr\n"
                "KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256\n"
                "RequiredRSASize 2048\n"
            ),
        },
    ),
    Case(
        "Ubuntu and Debian",
        files={
            "/etc/ssh/ssh_config": (
                "Include /etc/ssh/ssh_config.d/*.conf\n\nHost *\n#   ForwardAgent no\n    SendEnv LANG LC_*\n"
                "    HashKnownHosts yes\n    GSSAPIAuthentication yes\n"
            ),
            "/etc/ssh/ssh_config.d/20-systemd-ssh-proxy.conf": (
                "Host unix/* vsock/*\n    ProxyCommand /usr/lib/systemd/systemd-ssh-proxy %h %p\n"
                "    ProxyUseFdpass yes\n    CheckHostIP no\n"
            ),
        },
    ),
    Case(
        "1Password",
        'Host *\n  IdentityAgent "~/.ssh/web1.agent"\nHost web1\n  IdentityFile ~/.ssh/held.pub\n'
        "  IdentitiesOnly yes\n",
    ),
    Case("Vault", "IdentityFile ~/.ssh/signed.pub\nIdentityFile ~/.ssh/stranger\nIdentitiesOnly yes\n"),
    Case(
        "step-ca",
        'Match exec "test %h = web1"\n  UserKnownHostsFile "~/.ssh/authorities"\n'
        "  ProxyCommand {FORWARD} %h %p\n  IdentityFile ~/.ssh/vouched\n",
        known="",
        files={".ssh/authorities": "@cert-authority * {HOST_CA}\n"},
    ),
    Case(
        "Teleport",
        'Host web*\n  UserKnownHostsFile "~/.ssh/authorities"\n  IdentityFile "~/.ssh/stranger"\n'
        '  CertificateFile "~/.ssh/signed.pub"\n'
        "  HostKeyAlgorithms rsa-sha2-512-cert-v01@openssh.com,ssh-ed25519-cert-v01@openssh.com\n"
        '  ProxyCommand "{FORWARD}" %h %p\n',
        known="",
        files={".ssh/authorities": "@cert-authority {NODE},*.internal {HOST_CA}\n"},
    ),
    Case(
        "a cloud's session manager",
        'Host i-* web1\n  ProxyCommand sh -c "exec {FORWARD} {NODE} %p"\n  User {USER}\n',
    ),
]
