"""Modules that the deployed application imports: a health page, and a hook for gunicorn's workers.

They need the standard library only, and nothing else of `rollout`.
"""
