"""Decisions: values in, a decision out. Nothing here does any input or output."""
