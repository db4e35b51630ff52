"""The texts that replace a value that must not be shown."""

from __future__ import annotations

MASK = "***"


def masked_name(name: str) -> str:
    """A text that hides `name`: the same for equal names, another one for other names."""
    import hashlib  # loads OpenSSL, which takes time that `--help` need not spend

    return MASK + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def kept_as(name: str) -> tuple[str, str]:
    """The texts under which `name` may be kept: as it is, and masked."""
    return name, masked_name(name)


def is_masked(text: str | None) -> bool:
    """Whether a value was masked in `text`, so that the original is lost."""
    return text is not None and MASK in text
