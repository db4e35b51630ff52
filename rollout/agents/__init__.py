"""Programs that run on a node: Python 3.8 or later, its standard library, and each other.

`rollout.remote.agent` sends them there.
"""
