"""The way on which HAProxy checks a server, in words with which another server is checked on the same way."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rollout.haproxy_config.checks import INTER
from rollout.haproxy_config.configuration import Section, seconds

_FLAGS = frozenset(
    {
        *("ssl", "check-ssl", "check-send-proxy", "check-via-socks4", "allow-0rtt", "tfo"),
        *("send-proxy", "send-proxy-v2", "send-proxy-v2-ssl", "send-proxy-v2-ssl-cn"),
        *("force-sslv3", "force-tlsv10", "force-tlsv11", "force-tlsv12", "force-tlsv13"),
        *("no-sslv3", "no-tlsv10", "no-tlsv11", "no-tlsv12", "no-tlsv13", "no-tls-tickets", "no-ssl-reuse"),
        "no-verifyhost",
    }
)
"""Words that decide how HAProxy connects to a server or checks it."""
_VALUES = frozenset(
    {
        *("verify", "verifyhost", "ca-file", "crl-file", "crt", "sni", "check-sni"),
        *("alpn", "npn", "check-alpn", "proto", "check-proto", "ws"),
        *("ciphers", "ciphersuites", "curves", "sigalgs", "client-sigalgs", "ssl-min-ver", "ssl-max-ver"),
        *("proxy-v2-options", "socks4", "namespace", "tcp-ut"),
    }
)
"""The same, each with a value."""
_OF_SOURCE = ("usesrc", "interface")
"""Words that may follow `source`, each with a value."""
_UNIMPORTANT_FLAGS = frozenset(
    {
        *("check", "agent-check", "backup", "disabled", "enabled", "non-stick", "check-reuse-pool"),
        "strict-maxconn",
    }
)
_ELSEWHERE = frozenset({"addr", "port"})
"""Where checks go that do not go where traffic goes; the socket shows where that is now."""
_AS_TRAFFIC = {
    "ssl": "check-ssl",
    **dict.fromkeys(
        ("send-proxy", "send-proxy-v2", "send-proxy-v2-ssl", "send-proxy-v2-ssl-cn"), "check-send-proxy"
    ),
}
"""What a check does as traffic does if it goes where traffic goes: HAProxy adds it to the servers of its
configuration, but not to those that are added later."""
_UNIMPORTANT_VALUES = frozenset(
    {
        *("cookie", "weight", "maxconn", "minconn", "maxqueue", "slowstart", "redir", "id", "guid"),
        *("fastinter", "rise", "fall", "error-limit", "observe", "on-error"),
        *("on-marked-down", "on-marked-up", "agent-addr", "agent-inter", "agent-port", "agent-send"),
        *("resolvers", "resolve-prefer", "resolve-net", "resolve-opts", "init-addr", "init-state"),
        *("pool-low-conn", "pool-max-conn", "pool-purge-delay", "max-reuse", "pool-conn-name"),
        *("check-pool-conn-name", "idle-ping", "hash-key", "log-proto", "log-bufsize"),
    }
)
"""Words about traffic or about the pace of checks: not about the way."""
_PLAIN = re.compile(r"[A-Za-z0-9_.:/,()@%=*+!^~\[\]-]+")
"""A word that the socket takes as it is: it separates and quotes by other characters."""


@dataclass(frozen=True, slots=True)
class CheckPath:
    """The way on which HAProxy checks one server."""

    words: tuple[str, ...]
    """The words of a `server` line that decide it, without the address that is checked."""
    inter: str
    """Time from one check to the next, as the configuration has it; a check may take as long."""
    seconds: float
    """The same in seconds."""
    while_down: float
    """Seconds from one check to the next while the server is DOWN."""

    @property
    def tls(self) -> bool:
        """Whether traffic is encrypted."""
        return "ssl" in self.words


class CheckPaths:
    """The ways on which HAProxy checks the servers of a configuration."""

    def __init__(self, sections: Sequence[Section]) -> None:
        self._lines: dict[tuple[str, str], Sequence[str]] = {}
        self._templates: dict[str, list[tuple[str, Sequence[str]]]] = {}
        by_address = any(_tells_by_address(section) for section in sections)
        for section in sections:
            if section.kind in ("backend", "listen") and not by_address and not _rules_twins_out(section):
                self._index(section)

    def of(self, backend: str, server: str) -> CheckPath | None:
        """The way to a server; `None` if it is not known for certain, or if a second server of its address
        would get requests or tell people of its state."""
        words = self._lines.get((backend, server))
        if words is None:
            templates = self._templates.get(backend, ())
            words = next((words for name, words in templates if _is_of(name, server)), None)
        return None if words is None else _parsed(words)

    def _index(self, section: Section) -> None:
        common: tuple[str, ...] = ()
        for line in section.lines:
            own = line.words
            if line.starts("default-server"):
                common = (*common, *own[1:], *([_UNCERTAIN] if line.conditional else []))
            elif line.starts("server") and len(own) > 2:
                words = (*common, *own[3:], *([_UNCERTAIN] if line.conditional else []))
                self._lines[section.name, own[1]] = words
            elif line.starts("server-template") and len(own) > 3:
                words = (*common, *own[4:], *([_UNCERTAIN] if line.conditional else []))
                self._templates.setdefault(section.name, []).append((own[1], words))


_UNCERTAIN = ".if"
"""Stands among the words of a line that may not hold."""


def _is_of(template: str, server: str) -> bool:
    return server.startswith(template) and server.removeprefix(template).isdecimal()


def _tells_by_address(section: Section) -> bool:
    """Whether clients are pinned to addresses: then two servers of one address are the same to them."""
    return any(
        line.starts("stick-table") and "addr" in _after(line.words, "srvkey") for line in section.lines
    )


def _after(words: Sequence[str], word: str) -> Iterable[str]:
    return (words[place + 1] for place in range(len(words) - 1) if words[place] == word)


def _rules_twins_out(section: Section) -> bool:
    """Whether a second server of an address would be pinned to clients, be mailed about, or never pass."""
    cookie = section.last("cookie")
    return bool(
        (cookie and "dynamic" in cookie.words)  # a dynamic cookie is made of the address
        or section.last("persist", "rdp-cookie")  # that cookie is the address
        or section.last("email-alert")
        or section.option("external-check")
    )


def _parsed(words: Iterable[str]) -> CheckPath | None:
    """The way that the words of a `server` line make; `None` if one of them is unknown."""
    kept: dict[str, tuple[str, ...]] = {}
    inter, downinter = f"{INTER:g}s", ""
    elsewhere = False
    rest = deque(words)
    while rest:
        word = rest.popleft()
        if word in _FLAGS:
            kept[word] = ()
        elif word.startswith("no-") and word.removeprefix("no-") in _FLAGS | _UNIMPORTANT_FLAGS:
            kept.pop(word.removeprefix("no-"), None)
        elif word in _UNIMPORTANT_FLAGS:
            pass
        elif not rest:
            return None
        elif word in _VALUES:
            kept[word] = (rest.popleft(),)
        elif word == "source":
            kept[word] = (rest.popleft(), *_of_source(rest))
        elif word == "inter":
            inter = rest.popleft()
        elif word == "downinter":
            downinter = rest.popleft()
        elif word in _UNIMPORTANT_VALUES | _ELSEWHERE:
            elsewhere |= word in _ELSEWHERE
            rest.popleft()
        else:
            return None
    if not elsewhere:
        kept |= {_AS_TRAFFIC[word]: () for word in kept if word in _AS_TRAFFIC}
        if "proto" in kept:
            kept.setdefault("check-proto", kept["proto"])
    return _path(kept, inter, downinter or inter)


def _of_source(rest: deque[str]) -> Iterable[str]:
    while len(rest) > 1 and rest[0] in _OF_SOURCE:
        yield rest.popleft()
        yield rest.popleft()


def _path(kept: Mapping[str, tuple[str, ...]], inter: str, downinter: str) -> CheckPath | None:
    words = tuple(each for word, values in kept.items() for each in (word, *values))
    pace, while_down = seconds(inter), seconds(downinter)
    if pace is None or while_down is None or not all(map(_PLAIN.fullmatch, words)):
        return None
    return CheckPath(words, inter, pace, while_down)
