"""Checks that touch nothing: the preflight of a deployment, `rollout check`, and the status."""
