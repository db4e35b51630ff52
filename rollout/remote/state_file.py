"""The shell lines for HAProxy's state file, which carries what the socket has set over a reload."""

from __future__ import annotations

import shlex


def look(path: str) -> str:
    """Exit with 0 if the file is writable; print a line if something is in it."""
    return f'{_find(path)}; [ -s "$f" ] && echo kept; [ -w "$d" ] || [ -w "$f" ]'


def write(path: str, text: str) -> str:
    """Replace the file by `text` in one step if its folder is writable; else write over it."""
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
    """Remove the file, or empty it: the next process finds nothing in it."""
    return f'{_find(path)}; rm -f "$f" 2>/dev/null || : >"$f"'


def _find(path: str) -> str:
    """Set `$f` to the file, which `path` may be a link to, and `$d` to its folder."""
    return f'f={shlex.quote(path)}; [ ! -L "$f" ] || f=$(readlink -f "$f"); d=$(dirname "$f")'
