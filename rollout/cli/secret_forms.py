"""The forms in which a value may be shown: quoted, escaped or encoded by whatever prints it."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, urlsplit

_BITS_OF_BYTE, _BITS_OF_CHARACTER = 8, 6
"""Of base64, in which three bytes are four characters."""
_SHORT = 200
"""Characters of a value of several lines that is also looked for as a whole: its lines may be too short."""


def parts(value: str) -> Iterator[str]:
    """The value, and every part of it that may be shown by itself.

    A long value of many lines, such as a key, is known by its lines, which stand in every form of it, too.
    """
    lines = value.splitlines()
    if len(lines) <= 1 or len(value) <= _SHORT:
        yield value
    for line in lines:  # a command prints it line by line
        yield line
        yield line.removeprefix("~")  # which is shown as the home folder
        if "://" in line:
            try:
                url = urlsplit(line)
                hidden = (url.username, url.password, url.hostname, url.path, url.query)
            except ValueError:
                continue
            yield from filter(None, hidden)
        elif "@" in line:  # a jump host, or several
            for hop in line.split(","):
                user, _, where = hop.rpartition("@")
                yield from (user, where, where.partition(":")[0])


def written_forms(part: str) -> Iterator[str]:
    """A value as messages, programs and pages write it. Small letters may stand for capital ones, as in names
    of hosts, in headers and in hexadecimal digits."""
    yield part
    # Python, and the same as bytes
    yield from (repr(part)[1:-1], ascii(part)[1:-1], repr(_bytes(part))[2:-1])
    # JSON, by programs that escape more and less
    for text in (json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1]):
        yield from (text, text.replace("/", "\\/"), json.dumps(text)[1:-1])
        yield text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    # a shell line, in two styles
    yield from (part.replace("'", "'\"'\"'"), part.replace("'", "'\\''"))
    # a URL and a form
    for safe in ("/", ""):
        yield from (quote_all(_bytes(part), safe=safe) for quote_all in (quote, quote_plus))
    # a page, in the styles of several libraries
    escaped = html.escape(part, quote=False)
    for double in ('"', "&quot;", "&#34;"):
        for single in ("'", "&#x27;", "&#39;", "&apos;"):
            yield escaped.replace('"', double).replace("'", single)
    yield _bytes(part).hex()


def base64_forms(part: str) -> Iterator[str]:
    """The characters that the value alone decides in any base64 of it, such as that of `user:value`: in three
    alignments and two alphabets."""
    value = _bytes(part)
    for before in range(3):
        text = base64.b64encode(b"\0" * before + value).decode()
        first = -(-before * _BITS_OF_BYTE // _BITS_OF_CHARACTER)
        last = (before + len(value)) * _BITS_OF_BYTE // _BITS_OF_CHARACTER
        yield text[first:last]
        yield text[first:last].translate(str.maketrans("+/", "-_"))


def _bytes(text: str) -> bytes:
    """The bytes of a text, which need not have been UTF-8 where it comes from."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
