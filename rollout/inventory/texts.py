"""Kinds of scalars in an inventory: names, words, URLs, paths and ports."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from rollout.domain import RuntimeSocket, SshSocket, SshTarget, TcpSocket, UnixSocket
from rollout.inventory.template import fill, known_placeholders, no_placeholders

NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.:-]*$"
_CELERY_NODE_NAME = r"^[^@\s]+@[^@\s]+$"
WORD_PATTERN = r"^\S+$"
_HOST_OF_URL = re.compile(r"[\w.-]+|[^{}]*:[^{}]*")
"""A host's name or an IPv4 address; or an IPv6 address."""
_NODE_HOST = re.compile(r"[^\s@/,\[\]-][^\s@/,\[\]]*")
"""The same for SSH, which may know a host by any word."""
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=100)]
_HOP = re.compile(r"(ssh://)?([^\s@/,]+@)?(\[[^\s\]]+\]|[^\s@/,:\[\]-][^\s@/,:\[\]]*)(:\d+)?/?")
_PLAIN = "expected a name or address alone, such as web1.example.com, 10.0.0.11 or fd00::11"
Word = Annotated[str, StringConstraints(pattern=WORD_PATTERN)]
Text = Annotated[str, StringConstraints(min_length=1)]
FilledWord = Annotated[Word, AfterValidator(known_placeholders)]
FilledText = Annotated[Text, AfterValidator(known_placeholders)]
Port = Annotated[int, Field(ge=1, le=65535)]


def _pattern(pattern: str) -> WithJsonSchema:
    """A pattern for JSON Schema, where a validator looks closer than a pattern can."""
    return WithJsonSchema({"type": "string", "pattern": pattern})


def _http_url(value: str) -> str:
    known_placeholders(value)
    if not _is_http_url(fill(value, host="host", node="node", release="release")):
        raise ValueError("expected a URL such as http://{host}:8000/_status")
    return value


def _public_url(value: str, example: str = "https://shop.example.com/") -> str:
    no_placeholders(value)
    if not _is_http_url(value):
        raise ValueError(f"expected a URL such as {example}")
    return value


def _webhook_url(value: str) -> str:
    return _public_url(value, "https://ci.example.com/hook")


def _is_http_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        known = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        return False
    return known and _HOST_OF_URL.fullmatch(parts.hostname or "") is not None and not re.search(r"\s", value)


def _absolute(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("expected an absolute path such as /run/shop/draining")
    return known_placeholders(value)


def _udp_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        right = parts.scheme == "udp" and parts.hostname and parts.port and parts.path in ("", "/")
    except ValueError:  # its text would show a value that may come from a variable
        right = False
    if not right:
        raise ValueError("expected a URL such as udp://127.0.0.1:4012")
    return value


def _runtime_url(value: str) -> str:
    parse_runtime_socket(value)
    return value


def _node_name(value: str) -> str:
    if not re.fullmatch(_CELERY_NODE_NAME, value):
        raise ValueError("expected the full name of a Celery node, such as celery@{node}")
    return known_placeholders(value)


def _host(value: object) -> object:
    """A host, in a file where `[::1]` is a list. Raises ValueError with what to write instead."""
    if isinstance(value, list) and len(value) == 1 and ":" in str(value[0]):
        raise ValueError(f"{_PLAIN}: an IPv6 address has no brackets here")
    if not isinstance(value, str):
        return value
    if "://" in value:
        raise ValueError(f"{_PLAIN}: the user and the port of its sshd are `user` and `port` under ssh")
    if "@" in value:
        raise ValueError(f"{_PLAIN}: the user who logs in is `user` under ssh")
    if value.startswith("["):
        raise ValueError(f"{_PLAIN}: an IPv6 address has no brackets here, and a port is `port` under ssh")
    if value.count(":") == 1:
        raise ValueError(
            f"{_PLAIN}: the port of its sshd is `port` under ssh, that of the application is in health.http"
        )
    if not _NODE_HOST.fullmatch(value):
        raise ValueError(_PLAIN)
    return value


def _jump(value: str) -> str:
    if not all(_HOP.fullmatch(hop.strip()) for hop in value.split(",")):
        raise ValueError("expected [user@]host[:port], or several with commas; IPv6 as in [fd00::1]:22")
    return value


HttpUrl = Annotated[str, AfterValidator(_http_url), _pattern("^https?://")]
PublicUrl = Annotated[str, AfterValidator(_public_url), _pattern("^https?://")]
WebhookUrl = Annotated[str, AfterValidator(_webhook_url), _pattern("^https?://")]
AbsolutePath = Annotated[str, AfterValidator(_absolute), _pattern("^/")]
NodeName = Annotated[str, AfterValidator(_node_name), _pattern(_CELERY_NODE_NAME)]
UdpUrl = Annotated[str, AfterValidator(_udp_url), _pattern("^udp://")]
Host = Annotated[Word, BeforeValidator(_host), _pattern(f"^{_NODE_HOST.pattern}$")]
JumpHosts = Annotated[Word, AfterValidator(_jump)]
RuntimeUrl = Annotated[str, AfterValidator(_runtime_url), _pattern("^(unix|tcp|ssh)://")]


def parse_runtime_socket(url: str) -> RuntimeSocket:
    """The socket that a URL names: unix:///path, tcp://host:port or ssh://[user@]host[:port]/path.

    Raises ValueError.
    """
    expected = "expected unix:///path, tcp://host:port or ssh://user@host/path"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its text would show a value that may come from a variable
        raise ValueError(expected) from None
    if parts.scheme == "unix" and not parts.netloc and len(parts.path) > 1:
        return UnixSocket(parts.path)
    if parts.scheme == "tcp" and parts.hostname and port and parts.path in ("", "/"):
        return TcpSocket(parts.hostname, port)
    if parts.scheme == "ssh" and parts.hostname and len(parts.path) > 1:
        return SshSocket(SshTarget(parts.hostname, user=parts.username, port=port), parts.path)
    raise ValueError(expected)
