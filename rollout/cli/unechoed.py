"""The terminal while a table is drawn on it: what is typed must not move the cursor."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def unechoed() -> Iterator[None]:
    """Typed characters do not show, and Enter begins no line. Where nobody types, nothing is changed."""
    try:
        file = sys.stdin.fileno()
        # A job in the background would be stopped for it.
        in_front = os.tcgetpgrp(file) == os.getpgrp()
        before = termios.tcgetattr(file)
    except (OSError, ValueError, AttributeError, termios.error):
        in_front = False
    if not in_front:
        yield
        return
    quiet = [*before]
    quiet[3] &= ~(termios.ECHO | termios.ECHONL)
    termios.tcsetattr(file, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        with suppress(OSError, termios.error):  # a terminal that is gone needs nothing
            if os.tcgetpgrp(file) == os.getpgrp():
                termios.tcsetattr(file, termios.TCSADRAIN, before)
