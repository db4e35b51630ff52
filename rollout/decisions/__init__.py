"""Decisions: values in, a decision out. Nothing here asks, waits or writes."""
