"""How the two talk, and what commands find."""

from __future__ import annotations

from tests.support.ssh_cases.case import Case

CASES = [
    Case("ciphers", "Ciphers aes256-gcm@openssh.com,aes256-ctr\nMACs hmac-sha2-512-etm@openssh.com\n"),
    Case("ciphers without", "Ciphers -aes128*\nKexAlgorithms ^ecdh-sha2-nistp384\nMACs +hmac-md5\n"),
    Case(
        "cipher that paramiko lacks",
        "Ciphers chacha20-poly1305@openssh.com\n",
        refused="Ciphers in ssh_config allows only chacha20",
    ),
    Case("key exchange", "KexAlgorithms curve25519-sha256\nCompression yes\n"),
    Case(
        "key exchange that paramiko lacks",
        "KexAlgorithms sntrup761x25519-sha512@openssh.com\n",
        refused="KexAlgorithms in ssh_config",
    ),
    Case("agent forwarded", "ForwardAgent yes\n", environment={"SSH_AUTH_SOCK": "{AGENT}"}),
    Case(
        "agent forwarded by variable",
        "ForwardAgent $PARITY_AGENT\n",
        environment={"PARITY_AGENT": "{AGENT}", "SSH_AUTH_SOCK": "{EMPTY_AGENT}"},
    ),
    Case("agent not forwarded", "ForwardAgent no\n", environment={"SSH_AUTH_SOCK": "{AGENT}"}),
    Case(
        "variables",
        'SetEnv PARITY_A=1 "PARITY_B=two words" PARITY_D=set\nSendEnv PARITY_* OTHER\n',
        environment={"PARITY_C": "from here", "PARITY_D": "sent", "OTHER": "x"},
    ),
    Case("variable not sent", "SendEnv PARITY_* -PARITY_C\n", environment={"PARITY_C": "from here"}),
    Case(
        "what is of no use here",
        "ControlMaster auto\nControlPath ~/c\nRequestTTY no\nLocalCommand false\nVisualHostKey no\n"
        "ServerAliveInterval 20\nServerAliveCountMax 2\nConnectTimeout 7\nTCPKeepAlive no\nLogLevel ERROR\n"
        "HashKnownHosts yes\nForwardX11 no\nIPQoS none\nRekeyLimit 1G 1h\nUpdateHostKeys no\nBatchMode yes\n",
    ),
]
