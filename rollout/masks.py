"""What stands in the place of a value that must not be shown."""

from __future__ import annotations

MASK = "***"


def masked_name(name: str) -> str:
    """A name that hides `name`, and differs from what hides another one."""
    import hashlib  # brings OpenSSL along, for which `--help` should not wait

    return MASK + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def is_same(kept: str, name: str) -> bool:
    """Whether `kept`, masked or not, is `name`."""
    return kept in (name, masked_name(name))
