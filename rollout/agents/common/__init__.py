"""Modules that several agents use on a node."""
