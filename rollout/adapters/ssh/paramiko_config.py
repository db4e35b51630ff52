"""ssh_config without a program `ssh`: paramiko's parser, and an error for each line that it misreads."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from paramiko import SSHConfig
from paramiko.config import SSHConfigDict

from rollout.adapters.ssh import local_user, tokens
from rollout.adapters.ssh.config_copies import INCLUDE, SYSTEM, included
from rollout.adapters.ssh.options import Options
from rollout.domain import SshTarget

_DEPTH = 16
_LINE = re.compile(r"\s*(?P<keyword>\w+)(?:\s*=\s*|\s+)(?P<value>.*?)\s*")
_SECTIONS = ("host", "match")
_CRITERIA = {"all", "canonical", "final", "host", "originalhost", "user", "localuser", "exec"}
_WITHOUT_VALUE = ("all", "canonical", "final")
_COMMANDS = ("proxycommand", "knownhostscommand", "localcommand", "remotecommand")
"""Keywords whose value is the rest of the line, whatever it contains."""
_ONCE = ("certificatefile", "sendenv")
"""Keywords that count each time they are given, of which paramiko keeps the first."""
_TIMES = ("connecttimeout", "serveraliveinterval")
_TIME = re.compile(r"(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m)?(?:(?P<seconds>\d+)s?)?", re.IGNORECASE)
_PATHS = ("userknownhostsfile", "revokedhostkeys", "identityagent", "forwardagent")
_NO_PATHS = ("none", "yes", "no", "SSH_AUTH_SOCK")
_WORDS = ("host", "globalknownhostsfile", "sendenv", "setenv", *_PATHS)
"""Keywords with several values on a line."""
_ALGORITHMS = (
    "kexalgorithms",
    "ciphers",
    "macs",
    "hostkeyalgorithms",
    "pubkeyacceptedalgorithms",
    "casignaturealgorithms",
)
_CHANGES = ("+", "-", "^")
"""What a change to OpenSSH's own list begins with."""
_DEFAULTS = [f"~/.ssh/id_{kind}" for kind in ("rsa", "ecdsa", "ed25519")]


def read(target: SshTarget) -> Options:
    """What the files of configuration say for `target`, in the form in which `ssh -G` says it.

    Raises ValueError, OSError, NoConnection and what paramiko raises.
    """
    home = local_user.home()
    found = _Parser.from_text("\n".join(_Text(home).of(target))).lookup(target.host)
    found["hostname"] = tokens.fill(found["hostname"], {"h": target.host})
    lines = [
        (keyword, word)
        for keyword, value in found.items()
        for word in ([value] if isinstance(value, str) else value or [])
    ]
    given = {keyword for keyword, _ in lines}
    if "user" not in given:
        lines.append(("user", local_user.name()))
    if "identityfile" not in given and target.identity_file is None:
        lines += [("identityfile", file) for file in _DEFAULTS]
    values = tokens.values(Options(lines), target, home)

    def printed(keyword: str, value: str) -> Iterator[str]:
        if keyword in _TIMES:
            yield _seconds(value)
        elif keyword in _PATHS:
            yield " ".join(
                word if word in _NO_PATHS or word.startswith("$") else str(tokens.path(word, values, home))
                for word in shlex.split(value)
            )
        elif keyword in ("sendenv", "setenv"):
            yield from shlex.split(value)
        else:
            yield value

    return Options((keyword, word) for keyword, value in lines for word in printed(keyword, value))


class _Parser(SSHConfig):
    """paramiko's parser, without its rules for tokens, which are not OpenSSH's."""

    def _expand_variables(self, config: SSHConfigDict, target_hostname: str) -> SSHConfigDict:
        return config


class _Text:
    """All files of configuration as one text for paramiko, in which the first value wins."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._seen: set[str] = set()

    def of(self, target: SshTarget) -> Iterator[str]:
        yield "Host *"
        own = {"User": target.user, "Port": target.port, "ProxyJump": target.jump}
        yield from (f"{keyword} {value}" for keyword, value in own.items() if value is not None)
        for file in (self._home / ".ssh/config", SYSTEM):
            if file.is_file():
                yield "Host *"
                yield from self._lines(file, file.parent, "", 0)

    def _lines(self, file: Path, folder: Path, within: str, depth: int) -> Iterator[str]:
        """The lines of a file, each `Include` followed. `within` is the section around the file, if any."""
        section = within
        for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), start=1):
            include = INCLUDE.fullmatch(line)
            if include is not None and depth < _DEPTH:
                for path in included(include["paths"], folder):
                    yield from self._lines(path, folder, section, depth + 1)
                yield section or "Host *"
                continue
            parts = _LINE.fullmatch(line)
            if parts is None:
                yield line
                continue
            keyword = parts["keyword"].lower()
            try:
                text = self._readable(keyword, parts["value"], within)
            except ValueError as error:
                message = f"{file}, line {number}: {error} needs the program `ssh`, which is not available"
                raise ValueError(message) from None
            if keyword in _SECTIONS:
                section = text
            yield text

    def _readable(self, keyword: str, value: str, within: str) -> str:
        """The line for paramiko. Raises ValueError with what it would misread."""
        if keyword in _SECTIONS and within:
            raise ValueError("sections in a file that is included in a section")
        if keyword == "match":
            return f"Match {_criteria(value)}"
        if keyword in _COMMANDS:
            return f"{keyword} {value}"
        words = shlex.split(value, comments=True)
        if keyword == "canonicalizehostname" and words != ["no"]:
            raise ValueError("CanonicalizeHostname")
        if keyword in _ONCE:
            if keyword in self._seen and words != ["LANG", "LC_*"]:
                raise ValueError(f"a second {keyword}")
            self._seen.add(keyword)
        if keyword in _ALGORITHMS and value[:1] in _CHANGES:
            raise ValueError(f"`{keyword} {value}`")
        return f"{keyword} {shlex.join(words) if keyword in _WORDS else ' '.join(words)}"


def _criteria(value: str) -> str:
    words = shlex.split(value, comments=True)
    rest = iter(words)
    for word in rest:
        criterion = word.removeprefix("!").lower()
        if criterion not in _CRITERIA:
            raise ValueError(f"`Match {word}`")
        if criterion not in _WITHOUT_VALUE:
            next(rest, None)
    if len(words) > 1 and words[-1].lower() == "all":
        words.pop()  # `Match final all` is `Match final`, but paramiko refuses it
    return shlex.join(words)


def _seconds(text: str) -> str:
    """The seconds of a time such as `10`, `10s` or `1m30s`; `none` stays. Raises ValueError."""
    if text == "none":
        return text
    time = _TIME.fullmatch(text)
    if not text or time is None:
        raise ValueError(f"{text!r} is not a time")
    return str(3600 * int(time["hours"] or 0) + 60 * int(time["minutes"] or 0) + int(time["seconds"] or 0))
