"""The fixtures of the tests of `restart: signal`."""

from __future__ import annotations

from signal_shop import pidfile, start

__all__ = ["pidfile", "start"]
