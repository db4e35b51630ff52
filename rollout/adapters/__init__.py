"""Adapters: each implements a port for the real world, and translates its errors."""
