"""HAProxy by its runtime API: connections, replies, the observer, and the load balancer made of them."""

from rollout.adapters.haproxy.balancer import HAProxy

__all__ = ["HAProxy"]
