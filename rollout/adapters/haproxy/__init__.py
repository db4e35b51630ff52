"""HAProxy by its runtime API: connections, replies, the observer, and the load balancer that uses them."""

from rollout.adapters.haproxy.balancer import HAProxy

__all__ = ["HAProxy"]
