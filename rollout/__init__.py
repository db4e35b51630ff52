"""Rolling deploys behind HAProxy that lose no request."""

__version__ = "0.1.0"
