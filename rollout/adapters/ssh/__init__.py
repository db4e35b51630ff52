"""Hosts over SSH, by fabric: one connection for each target, opened once and shared by all."""

import logging

from rollout.adapters.ssh.host import SshHost
from rollout.adapters.ssh.pool import SshPool

__all__ = ["SshHost", "SshPool"]

# What paramiko logs is raised as an error too, in better words; left alone it prints tracebacks.
_paramiko = logging.getLogger("paramiko")
_paramiko.addHandler(logging.NullHandler())
_paramiko.propagate = False
