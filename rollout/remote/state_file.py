"""The shell lines about HAProxy's state file, which brings what was set by the socket over a reload."""

from __future__ import annotations

import shlex


def look(path: str) -> str:
    """Exit with 0 if it may be written; print a line if something is in it."""
    return f'{_find(path)}; [ -s "$f" ] && echo kept; [ -w "$d" ] || [ -w "$f" ]'


def write(path: str, text: str) -> str:
    """Replace it in one step, where a file may be put beside it; else write over it."""
    return f"""{_find(path)}
text={shlex.quote(text)}
if [ -w "$d" ]; then
  new=$f.rollout.$$
  umask 022
  cp -p "$f" "$new" 2>/dev/null
  printf %s "$text" >"$new" && mv -f "$new" "$f" || {{ rm -f "$new"; exit 1; }}
else
  printf %s "$text" >"$f"
fi"""


def remove(path: str) -> str:
    """Have the next process find nothing in it."""
    return f'{_find(path)}; rm -f "$f" 2>/dev/null || : >"$f"'


def _find(path: str) -> str:
    """What it really is, where `path` is a link."""
    return f'f={shlex.quote(path)}; [ ! -L "$f" ] || f=$(readlink -f "$f"); d=$(dirname "$f")'
