"""Looks that touch nothing: preflight, the findings of a check, the status."""
