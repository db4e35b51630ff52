"""`rollout lab`: a service behind HAProxy in real processes on loopback addresses of this machine."""
